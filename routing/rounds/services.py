"""Starting and continuing rounds."""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.queue.models import Slot, SlotState
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.models import Job, State
from routing.online.options import online_options
from webhooks.emitting import emit
from webhooks.events import ROUND

from .models import Round, RoundKind
from .options import options_from

JOB_KIND = "routing.round"


@transaction.atomic
def start_round(
    *,
    project: Project,
    options: dict[str, Any],
    created_by: User | None = None,
    kind: str = RoundKind.MIXTURE,
) -> Round:
    """Write the next round and queue its job; `kind` says which options it has.

    Raises:
        InvalidInput: an option is unknown or out of range.
        Conflict: a round of this project is still running.
    """
    if kind not in RoundKind.values:
        raise InvalidInput(f"There is no kind of round {kind!r}: {', '.join(RoundKind.values)}.")
    checked = online_options(options) if kind == RoundKind.ONLINE else options_from(options)
    Project.objects.select_for_update().get(pk=project.pk)
    last = Round.objects.filter(project=project).aggregate(last=Max("number"))["last"] or 0
    row = Round.objects.create(
        project=project,
        number=last + 1,
        kind=kind,
        options=checked.as_dict(),
        created_by=created_by,
    )
    _submit(row, created_by)
    record(action="round.started", actor=created_by, project=project, target=f"round:{row.number}")
    return row


@transaction.atomic
def continue_round(*, row: Round, actor: User | None = None) -> Round:
    """Go on with a round that waited for people, failed or was cancelled; done stages are skipped.

    Raises:
        Conflict: it is running, or it is finished.
    """
    if row.summary:
        raise Conflict(_("Round %(number)s is finished: start a new one.") % {"number": row.number})
    _submit(row, actor)
    return row


def continue_settled() -> int:
    """Continue the rounds that waited for people and have all their labels; returns how many."""
    open_slot = Slot.objects.filter(
        project=OuterRef("project"), state__in=[SlotState.OPEN, SlotState.LEASED]
    )
    waiting = Round.objects.filter(
        ~Exists(open_slot), job__state=State.SUCCEEDED, job__result__waiting__gt=0, summary={}
    ).select_related("project", "job")
    count = 0
    for row in waiting:
        with suppress(Conflict):
            continue_round(row=row)
            count += 1
    return count


def _submit(row: Round, actor: User | None) -> Job:
    job = jobs.submit(
        kind=JOB_KIND,
        project=row.project,
        arguments={"round": row.pk},
        created_by=actor,
        unique_key=f"round:{row.project_id}",
    )
    row.job = job
    row.save(update_fields=["job"])
    return job


def finish_stage(*, row: Round, stage: str, outcome: dict[str, Any]) -> None:
    """Note what a stage produced, so that a restart skips it."""
    row.stages = row.stages | {stage: outcome}
    row.save(update_fields=["stages"])


def finish_round(*, row: Round) -> None:
    """What was measured becomes the round's summary: from now on the round is finished."""
    row.summary = row.stages["evaluate" if row.kind == RoundKind.ONLINE else "compare"]
    with transaction.atomic():
        row.save(update_fields=["summary"])
        emit(project_id=row.project_id, event=ROUND, data={"round": row.number, "kind": row.kind})
