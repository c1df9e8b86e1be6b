"""Writing routers and decisions: a decision, its assignment and its slots in one transaction."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.projects.models import Criterion
from annotation.queue.services import NEVER, AssignmentItem, assign
from core.exceptions import InvalidInput
from jobs.models import Job

from .models import Decision, Router
from .naming import first_decision


@dataclass(frozen=True)
class Choice:
    """Where one instance goes: `propensity` = P(a human label is obtained), fixed beforehand."""

    instance_id: int
    destination: str
    arm: str
    propensity: float
    reason: str
    price_micros: int
    gain: float | None = None
    priority: float = 0.0
    # The decision it takes the place of, and the criterion it is about; None: all of them.
    supersedes: uuid.UUID | None = None
    criterion_id: int | None = None
    # Keys of the criteria that people are asked; none: all of them.
    criteria: tuple[str, ...] = ()
    # Qualifications that its places take, and the version of the rules that decided.
    requires: tuple[str, ...] = ()
    rules_id: int | None = None


@transaction.atomic
def decide(
    *,
    project: Project,
    choices: Sequence[Choice],
    router: Router | None = None,
    overlap: int = 1,
    open_slots: bool = True,
    judge: int | None = None,
) -> dict[int, uuid.UUID]:
    """Write the decisions with their assignments; returns the decision of each instance.

    An instance that already has an assignment keeps it; gold and flagged ones are passed over.
    `open_slots` and `judge`: as `assign`.
    """
    rows_of = project.instances.filter(pk__in=[choice.instance_id for choice in choices])
    # Of two who decide at once the second waits here, and then sees what the first wrote.
    list(rows_of.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    passed = Q(assignment__isnull=False) | Q(state__in=NEVER)
    assigned = set(rows_of.filter(passed).values_list("pk", flat=True))
    fresh = [choice for choice in choices if choice.instance_id not in assigned]
    rows = write_decisions(project=project, choices=fresh, router=router)
    of = {choice.instance_id: choice for choice in fresh}
    assign(
        project=project,
        items=[
            AssignmentItem(
                instance_id=row.instance_id,
                destination=row.destination,
                arm=row.arm,
                propensity=row.propensity,
                overlap=overlap,
                decision_id=row.id,
                priority=of[row.instance_id].priority,
                criteria=of[row.instance_id].criteria,
                requires=of[row.instance_id].requires,
            )
            for row in rows
        ],
        open_slots=open_slots,
        judge=judge,
    )
    return {row.instance_id: row.id for row in rows}


def write_decisions(
    *, project: Project, choices: Sequence[Choice], router: Router | None
) -> list[Decision]:
    """The rows alone, in the order of the choices: no assignment changes."""
    return Decision.objects.bulk_create(
        [
            Decision(
                id=_id_of(choice),
                project=project,
                instance_id=choice.instance_id,
                router=router,
                destination=choice.destination,
                arm=choice.arm,
                gain=choice.gain,
                propensity=choice.propensity,
                reason=choice.reason[:300],
                price_micros=choice.price_micros,
                supersedes_id=choice.supersedes,
                criterion_id=choice.criterion_id,
                rules_id=choice.rules_id,
            )
            for choice in choices
        ],
        batch_size=1000,
    )


def _id_of(choice: Choice) -> uuid.UUID:
    if choice.supersedes is None and choice.criterion_id is None:
        return first_decision(choice.instance_id)
    return uuid.uuid4()


@transaction.atomic
def save_router(
    *,
    project: Project,
    strategy: str,
    parameters: dict[str, Any],
    report: dict[str, Any],
    dual_labelled: int,
    judge: Judge | None = None,
    criterion: Criterion | None = None,
    extractors: Mapping[str, str] | None = None,
    job: Job | None = None,
) -> Router:
    """The next version of the project's router; it is never changed afterwards.

    `judge`: beside whose verdicts it was fitted; `criterion`: what it speaks of, None the main
    one; `extractors`: the versions of the features it reads. A figure of the report that is no
    number is kept as null.

    Raises:
        InvalidInput: a parameter is no finite number: nothing could be decided by it.
    """
    if not _finite(parameters):
        raise InvalidInput(
            "The fit led to values that are no numbers: look at the features for values that are "
            "far too large."
        )
    Project.objects.select_for_update().get(pk=project.pk)
    newest = Router.objects.filter(project=project).aggregate(last=Max("version"))["last"] or 0
    return Router.objects.create(
        project=project,
        version=newest + 1,
        strategy=strategy,
        parameters=parameters,
        report=_nulled(report),
        dual_labelled=dual_labelled,
        judge=judge,
        criterion=criterion,
        extractors=dict(extractors or {}),
        job=job,
    )


def _finite(value: Any) -> bool:
    """Whether no number in it is NaN or infinite: the database takes neither."""
    if isinstance(value, dict):
        return all(_finite(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return all(_finite(each) for each in value)
    return not isinstance(value, float) or isfinite(value)


def _nulled(value: Any) -> Any:
    """The same with null for every number that is none."""
    if isinstance(value, dict):
        return {key: _nulled(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nulled(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
