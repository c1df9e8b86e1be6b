"""Trying a prompt where people have labelled: a draft judge, and a run that labels nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.judges import locks, selecting
from annotation.judges.mined import is_mined
from annotation.judges.models import Judge, JudgeRun, Prompt, Provider, Stage
from annotation.judges.runs import start_run
from annotation.judges.services import VERSION_LENGTH, create_judge, new_version
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput, NotFound

from .people import draw

# Judges that read a prompt.
ASKED = (Provider.OPENAI, Provider.ANTHROPIC, Provider.LOCAL)
FEWEST, MOST = 2, 500
NAME_LENGTH = Judge._meta.get_field("name").max_length or 120
MODEL = (
    "provider",
    "connection",
    "model",
    "family",
    "price_known",
    "price_per_call_micros",
    "price_per_1k_input_micros",
    "price_per_1k_output_micros",
)


@dataclass(frozen=True)
class Trial:
    """What to try: a prompt, on whose model, on how many instances, out of which budget."""

    prompt: Prompt
    base: Judge
    criterion: Criterion
    count: int
    budget: Budget | None = None


def bases_of(project: Project) -> QuerySet[Judge]:
    """The judges whose model can be asked with another prompt, newest first."""
    rows = Judge.objects.filter(project=project, provider__in=ASKED)
    return rows.exclude(stage=Stage.DRAFT).select_related("connection", "prompt").order_by("-pk")


def try_prompt(*, trial: Trial, by: User | None) -> JudgeRun:
    """Start asking; replies that this prompt and model gave before are not bought again.

    Raises:
        InvalidInput: people labelled too few instances, or the number is out of range.
        Conflict: this draft is being asked already.
    """
    return ask_about(trial=trial, instances=instances_for(trial), by=by)


def instances_for(trial: Trial) -> list[int]:
    """The instances to try it on.

    Raises:
        InvalidInput: people labelled too few, or the number is out of range.
    """
    if not FEWEST <= trial.count <= MOST:
        raise InvalidInput(
            _("Try it on %(fewest)d to %(most)d instances.") % {"fewest": FEWEST, "most": MOST}
        )
    instances = draw(trial.criterion, trial.count)
    if len(instances) < FEWEST:
        raise InvalidInput(
            _(
                "People labelled too few instances on this criterion to try a prompt on, besides "
                "those that measure judges or are kept for tests."
            )
        )
    return instances


@transaction.atomic
def ask_about(*, trial: Trial, instances: list[int], by: User | None) -> JudgeRun:
    """Start a trial on these instances.

    Raises:
        Conflict: this draft is being asked already.
    """
    judge = draft_of(prompt=trial.prompt, base=trial.base)
    return asked_again(judge, trial.criterion, instances, trial.budget, by)


def asked_again(
    judge: Judge,
    criterion: Criterion,
    instances: Sequence[int],
    budget: Budget | None,
    by: User | None,
) -> JudgeRun:
    """Ask a judge as it is about these instances, without a label; for a comparison."""
    return start_run(
        judge=judge,
        criteria=[criterion.key],
        selection={"of": selecting.INSTANCES, "instances": list(instances)},
        budget=budget,
        trial=True,
        by=by,
    )


@transaction.atomic
def draft_of(*, prompt: Prompt, base: Judge) -> Judge:
    """The draft judge of a prompt on the model of another judge; made once.

    The draft of a mined criterion stands in for nobody.
    """
    # Two people who try it at once try one draft: the second waits here.
    locks.naming(prompt.project)
    same, parameters = _model(base), _parameters(base)
    if (judge := _known_draft(prompt, base)) is not None:
        return judge
    if not is_mined(prompt):
        return new_version(judge=base, prompt=prompt, parameters=parameters)
    return create_judge(
        project=prompt.project,
        name=f"{prompt} · {base.name}"[:NAME_LENGTH],
        prompt=prompt,
        parameters=parameters,
        stage=Stage.DRAFT,
        label_price_micros=base.annotator.price_micros,
        **same,
    )


def draft_like(prompt: Prompt, base: Judge) -> Judge:
    """The draft that a trial would ask: the one that is there, or one in memory."""
    known = _known_draft(prompt, base) if prompt.pk else None
    if known is not None:
        return known
    version = str(prompt)[:VERSION_LENGTH]
    return Judge(
        project=base.project,
        name="draft",
        prompt=prompt,
        prompt_version=version,
        parameters=_parameters(base),
        stage=Stage.DRAFT,
        **_model(base),
    )


def _known_draft(prompt: Prompt, base: Judge) -> Judge | None:
    found = Judge.objects.filter(prompt=prompt, parameters=_parameters(base), **_model(base))
    if not is_mined(prompt):
        found = found.filter(replaces=base)
    return found.order_by("-pk").first()


def _model(base: Judge) -> dict[str, Any]:
    return {name: getattr(base, name) for name in MODEL}


def _parameters(base: Judge) -> dict[str, object]:
    """What the prompt says itself (its mode) is not the model's."""
    return {name: value for name, value in base.parameters.items() if name != "mode"}


def trials_of(project: Project) -> QuerySet[JudgeRun]:
    """Every trial of the project on instances that were drawn for it, newest first."""
    rows = JudgeRun.objects.filter(
        project=project, trial=True, selection__has_key=selecting.INSTANCES
    )
    related = ("judge__prompt", "job", "budget", "created_by")
    return rows.select_related(*related).order_by("-pk")


def trial_in(project: Project, run_id: int) -> JudgeRun:
    """One trial of the project.

    Raises:
        NotFound: there is no such trial in this project.
    """
    run = trials_of(project).filter(pk=run_id).first()
    if run is None:
        raise NotFound(_("There is no such trial in this project."))
    return run
