"""Tags by a judge: what it will take, starting it, and the job that does it.

A prompt is asked about once, however many instances have it; its tags go to all of them. A run is
a run of the judge like any other (budget, limits, stored replies, resuming) that writes no label.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.instances.models import Instance, InstanceState
from annotation.judges import locks
from annotation.judges.models import (
    CallPurpose,
    CallState,
    Judge,
    JudgeCall,
    JudgeRun,
    Provider,
    Stage,
)
from annotation.judges.pricing import likely_tokens, price
from annotation.judges.providers.base import provider_of
from annotation.judges.providers.chat import ChatProvider
from annotation.judges.running.asks import Source
from annotation.judges.running.books import recover
from annotation.judges.running.engine import Label
from annotation.judges.running.recording import Recording
from annotation.judges.running.session import engine_for
from annotation.judges.runs import LOCK_SECONDS, check, recorded, run_with
from annotation.ledger.models import Budget
from annotation.projects.selectors import guideline_of, main_criterion
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.context import JobContext

from .asking import parse_tags
from .models import InstanceTag, TagSource
from .services import tag_by_judge
from .tagger import Tagger, TagQuestions
from .vocabulary import Tags

KIND = "annotation.tags"
# What a run's selection says of which prompts: those no judge has tagged, or all.
TAGS, UNTAGGED, ALL = "tags", "untagged", "all"
CHATS = (Provider.OPENAI, Provider.ANTHROPIC)
SAMPLE = 200
# Tokens of a reply with two domains.
LIKELY_REPLY = 80


@dataclass(frozen=True)
class TagEstimate:
    """Of `prompts` to ask about: calls to make, replies that are there, and the money in micros.

    `refused` prompts hold more than text. `sampled`: scaled up from the first ones.
    """

    prompts: int
    calls: int
    stored: int
    refused: int
    expected_micros: int
    most_micros: int
    sampled: bool


def taggers_of(project: Project) -> QuerySet[Judge]:
    """The judges that can be asked for tags, newest first."""
    rows = Judge.objects.filter(project=project, provider__in=CHATS)
    return rows.exclude(stage=Stage.RETIRED).order_by("-pk")


def prompts_to_ask(project: Project, of: str) -> QuerySet[Instance]:
    """One instance of every prompt to ask about, the oldest; dropped ones are left out.

    Raises:
        InvalidInput: `of` is neither `untagged` nor `all`.
    """
    if of not in (UNTAGGED, ALL):
        raise InvalidInput(_("Choose which prompts the judge is asked about."))
    rows = Instance.objects.filter(project=project).exclude(state=InstanceState.DROPPED)
    if of == UNTAGGED:
        told = InstanceTag.objects.filter(instance=OuterRef("pk"), source=TagSource.JUDGE)
        rows = rows.filter(~Exists(told))
    return rows.order_by("prompt_hash", "pk").distinct("prompt_hash")


def estimate(judge: Judge, of: str = UNTAGGED) -> TagEstimate:
    """Looks at two hundred prompts at most.

    Raises:
        InvalidInput: as `prompts_to_ask`.
    """
    ids = list(prompts_to_ask(judge.project, of).values_list("pk", flat=True))
    looked_at = TagQuestions(judge).about(ids[:SAMPLE])
    asked = [question for question in looked_at if question.messages]
    known = JudgeCall.objects.filter(judge=judge, cache_key__in=[each.key for each in asked])
    stored = set(known.exclude(state=CallState.FAILED).values_list("cache_key", flat=True))
    new = [question for question in asked if question.key not in stored]
    expected = sum(price(judge, likely_tokens(each.messages), LIKELY_REPLY) for each in new)
    scale = len(ids) / len(looked_at) if looked_at else 0
    return TagEstimate(
        prompts=len(ids),
        calls=round(scale * len(new)),
        stored=round(scale * len(stored)),
        refused=round(scale * (len(looked_at) - len(asked))),
        expected_micros=round(scale * expected),
        most_micros=round(scale * sum(question.ceiling for question in new)),
        sampled=len(ids) > len(looked_at),
    )


@transaction.atomic
def start_tagging(
    *, judge: Judge, of: str = UNTAGGED, budget: Budget | None = None, by: User | None = None
) -> JudgeRun:
    """Ask a judge for the tags of prompts, as a job. Stored replies are used, not bought again.

    Raises:
        InvalidInput: the judge cannot be asked like this, or there is nothing to ask.
        Conflict: the judge is being asked already.
    """
    if judge.provider not in CHATS:
        raise InvalidInput(_("This judge only compares: it cannot give tags."))
    check(judge, budget, trial=True, batch=False)
    total = prompts_to_ask(judge.project, of).count()
    if not total:
        raise InvalidInput(_("There is nothing to ask: a judge has tagged every prompt."))
    run = JudgeRun.objects.create(
        project=judge.project,
        judge=judge,
        budget=budget,
        trial=True,
        criteria=[],
        selection={"of": TAGS, "prompts": of},
        guideline=guideline_of(judge.project),
        total=total,
        created_by=by,
    )
    run.job = jobs.submit(
        kind=KIND,
        project=judge.project,
        arguments={"run": run.pk},
        created_by=by,
        unique_key=f"judge:{judge.pk}",
    )
    run.save(update_fields=["job"])
    return run


def run_tags(context: JobContext) -> dict[str, Any]:
    """Arguments: run (id)."""
    return run_with(_ask, context)


def _ask(run: JudgeRun, context: JobContext) -> None:
    judge = run.judge
    source = _source(judge)
    with locks.asking(judge, patience=LOCK_SECONDS, meanwhile=context.check):
        recover(judge, bought=True)
        rows = prompts_to_ask(judge.project, run.selection["prompts"]).values_list("pk", flat=True)
        ids = array("q", rows.iterator(chunk_size=1000))
        # What an earlier attempt tagged may be no part of the selection any more.
        tagged = max(0, run.total - len(ids)) if context.attempt > 1 else 0
        run.total = tagged + len(ids)
        run.save(update_fields=["total"])
        recording = Recording(run, context, labelled=tagged)
        engine = engine_for(
            judge,
            [source],
            ids,
            budget=run.budget,
            label=tagging(judge),
            look=recording.look,
            run=run,
        )
        with recorded(recording, engine):
            engine.run([source])


def _source(judge: Judge) -> Source:
    # A source is of a criterion; which one makes no difference to tags.
    criterion = main_criterion(judge.project)
    provider = provider_of(judge, criterion)
    if not isinstance(provider, ChatProvider):
        raise InvalidInput(_("This judge only compares: it cannot give tags."))
    return Source(criterion, Tagger(judge, provider.chat, concurrency=provider.concurrency))


def tagging(judge: Judge) -> Label:
    """Turns finished prompts into tags of all their instances."""

    def label(source: Source, states: Mapping[int, CallState]) -> Counter[str]:
        del source
        said = _said(judge, [pk for pk, state in states.items() if state == CallState.ANSWERED])
        tag_by_judge(judge=judge, wanted=_spread(judge.project, said))
        return Counter(
            "incomplete" if state == CallState.ANSWERED and pk not in said else str(state)
            for pk, state in states.items()
        )

    return label


def _said(judge: Judge, instance_ids: list[int]) -> dict[int, Tags]:
    """The newest tags the judge gave about these instances."""
    calls = JudgeCall.objects.filter(
        judge=judge,
        purpose=CallPurpose.TAGS,
        instance__in=instance_ids,
        state=CallState.ANSWERED,
    )
    replies = calls.order_by("pk").values_list("instance", "reply")
    return {pk: tags for pk, reply in replies if (tags := parse_tags(reply)) is not None}


def _spread(project: Project, said: Mapping[int, Tags]) -> dict[int, Tags]:
    """The same tags for every instance with the prompt of one that was asked about."""
    asked = dict(Instance.objects.filter(pk__in=said).values_list("pk", "prompt_hash"))
    by_prompt = {asked[pk]: tags for pk, tags in said.items() if pk in asked}
    same = Instance.objects.filter(project=project, prompt_hash__in=list(by_prompt))
    return {pk: by_prompt[prompt] for pk, prompt in same.values_list("pk", "prompt_hash")}
