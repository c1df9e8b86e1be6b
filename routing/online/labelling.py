"""From chosen candidates to labelled instances: by a judge, by people, or by live routing."""

from typing import Any

from django.db import transaction

from annotation.consensus.models import Consensus
from annotation.instances.lines import Line
from annotation.instances.models import Completion, Instance, InstanceState
from annotation.instances.services import import_records
from annotation.judges import services as judges
from annotation.judges.models import Judge, Provider, Stage
from annotation.judges.runs import LOCAL, costs, start_run
from annotation.judges.selecting import INSTANCES
from annotation.projects.models import Kind
from annotation.queue.models import Arm, Destination, Slot, SlotState
from core.exceptions import InvalidInput
from jobs.exceptions import JobFailed
from jobs.waiting import wait
from routing.decisions.models import Decision
from routing.decisions.services import Choice, decide
from routing.live.models import LiveRouting, Mode
from routing.rounds.work import Waiting
from training.registry.models import ModelVersion

from .candidates import Candidates
from .selection import choose
from .work import Work

REASON = "written by the current policy in round {number}"


def instances_of(work: Work) -> list[int]:
    """The instances of this round, oldest first."""
    rows = Instance.objects.filter(project=work.project, metadata__round=work.row.number)
    return list(rows.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def show(work: Work, rows: list[Candidates]) -> dict[str, Any]:
    """Make instances of the chosen candidates, and say at once who labels them.

    A prompt whose answers are too few or all alike gives none. Each completion keeps its
    generator, its checkpoint and how it was drawn.
    """
    known = set(instances_of(work))
    chosen = [(row, places) for row in rows if (places := _places(work, row))]
    lines = [Line(n, _line(work, row, places)) for n, (row, places) in enumerate(chosen, 1)]
    report = import_records(project=work.project, lines=lines, reveal=False)
    if report.refused:
        raise JobFailed(f"The candidates were refused: {report.errors[0]['reason']}")
    made = [pk for pk in instances_of(work) if pk not in known]
    _describe(work, made)
    if work.options.by != "routing":
        _send(work, instances_of(work))
    return {
        "instances": len(instances_of(work)),
        "prompts_without_a_choice": len(rows) - len(chosen),
        "compared_before": report.duplicates,
    }


def _places(work: Work, row: Candidates) -> list[int]:
    options = work.options
    kind = work.project.protocol.kind
    show = options.show if kind == Kind.LISTWISE else 2
    salt = f"{work.project.protocol.salt}:{work.row.number}:{row.prompt_hash}"
    return choose(options.rule, row.texts, row.rewards, show, salt=salt)


def _line(work: Work, row: Candidates, places: list[int]) -> dict[str, Any]:
    generator = _generator(work)
    rewards = [] if row.rewards is None else [row.rewards[k] for k in places]
    return {
        "id": f"round-{work.row.number}-{row.prompt_hash[:24]}",
        "prompt": row.messages,
        "responses": [{"text": row.texts[k], "model": generator} for k in places],
        "meta": {"round": work.row.number, "rewards": rewards, "selected_by": work.options.rule},
        "tags": [work.tag],
    }


def _generator(work: Work) -> str:
    if work.options.served:
        return work.options.model[:100]
    policy = work.version("policy")
    return f"policy v{policy.version}" if policy else "policy"


def _describe(work: Work, instances: list[int]) -> None:
    policy, options = work.version("policy"), work.options
    checkpoint = options.model if options.served or policy is None else policy.folder
    Completion.objects.filter(instance__in=instances).update(
        checkpoint=checkpoint[:200],
        sampling={
            "temperature": options.temperature,
            "max_new_tokens": options.max_new_tokens,
            "seed": options.seed,
            "round": work.row.number,
            "candidates": options.candidates,
        },
    )


def _send(work: Work, instances: list[int]) -> None:
    """Decisions for all of them, before live routing could hear of them."""
    people = work.options.by == "people"
    reason = REASON.format(number=work.row.number)
    choices = [
        Choice(
            pk,
            Destination.HUMAN if people else Destination.JUDGE,
            Arm.ROUTED,
            1.0 if people else 0.0,
            reason,
            0,
        )
        for pk in instances
    ]
    decide(project=work.project, choices=choices, overlap=work.project.protocol.overlap)


def label(work: Work) -> dict[str, Any]:
    """Get the labels of the round's instances.

    Raises:
        Waiting: people, or live routing, have some left to do.
        InvalidInput: the judge cannot be asked, or live routing is off.
    """
    instances = instances_of(work)
    if work.options.by in {"judge", "reward-model"}:
        _ask(work, judge_of(work), instances)
    elif owed := _owed(work, instances):
        raise Waiting(owed)
    labelled = Instance.objects.filter(pk__in=instances, annotations__isnull=False).distinct()
    return {"labelled": labelled.count(), "by": work.options.by}


def _owed(work: Work, instances: list[int]) -> int:
    """Open places of people; with live routing also what it has not sent or settled yet."""
    slots = Slot.objects.filter(instance__in=instances)
    open_slots = slots.filter(state__in=[SlotState.OPEN, SlotState.LEASED]).count()
    if work.options.by == "people":
        return open_slots
    if not LiveRouting.objects.filter(project=work.project).exclude(mode=Mode.OFF).exists():
        raise InvalidInput("Live routing is off: switch it on, or choose who labels this round.")
    settled = Consensus.objects.filter(instance__in=instances).values("instance").distinct().count()
    set_aside = Instance.objects.filter(
        pk__in=instances, state__in=[InstanceState.DROPPED, InstanceState.FLAGGED]
    ).count()
    return max(open_slots, len(instances) - settled - set_aside, 0)


def judge_of(work: Work) -> Judge:
    """The judge of the project, or the round's reward model as one."""
    reward = work.version("reward")
    if work.options.by == "judge":
        return work.judge
    if reward is None:
        raise InvalidInput("The round has no reward model to label with.")
    return _reward_judge(work, reward)


def _reward_judge(work: Work, reward: ModelVersion) -> Judge:
    name = f"v{reward.version}"
    known = Judge.objects.filter(
        project=work.project, provider=Provider.REWARD, model=name, stage=Stage.ACTIVE
    ).first()
    return known or judges.create_judge(
        project=work.project,
        name=f"reward model {name}",
        model=name,
        provider=Provider.REWARD,
        stage=Stage.ACTIVE,
    )


def _ask(work: Work, judge: Judge, instances: list[int]) -> None:
    """Ask here, or through the workers where the model is."""
    decisions = Decision.objects.filter(project=work.project, instance__in=instances)
    decision_of = dict(decisions.values_list("instance_id", "id"))
    if judge.provider not in LOCAL:
        judges.ask(
            judge=judge,
            instance_ids=instances,
            criterion=work.criterion,
            budget=work.budget("Labels") if costs(judge) else None,
            decision_of=decision_of,
            progress=lambda done, total: work.context.progress(done, total, "asking the judge"),
        )
        return
    run = start_run(
        judge=judge,
        criteria=[work.criterion.key],
        selection={"of": INSTANCES, "instances": instances},
        decision_of=decision_of,
        by=work.row.created_by,
    )
    if run.job is None:
        raise JobFailed("The judge's run lost its job: continue the round.")
    (job,) = wait(work.context, [run.job])
    if job.state != "succeeded":
        raise JobFailed(f"Labelling by the reward model {job.state}: {job.error}")
