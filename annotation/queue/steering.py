"""Pausing a project, and who may take what."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from audit.services import record
from core.exceptions import InvalidInput


@transaction.atomic
def pause(*, project: Project, by: User | None) -> None:
    """Hand out nothing more; what people hold may still be submitted. Again: nothing changes."""
    if Protocol.objects.filter(project=project, paused_at=None).update(paused_at=timezone.now()):
        record(action="project paused", actor=by, project=project)


@transaction.atomic
def resume(*, project: Project, by: User | None) -> None:
    """Hand out slots again. Nothing opened meanwhile, so that all cursors stand."""
    if Protocol.objects.filter(project=project, paused_at__isnull=False).update(paused_at=None):
        record(action="project resumed", actor=by, project=project)


KEEP: Any = object()


@transaction.atomic
def qualify(
    annotator: Annotator,
    *,
    cohort: str | None = None,
    qualifications: Iterable[str] | None = None,
    quota: int | None = KEEP,
    admit: bool = False,
) -> Annotator:
    """Change what this annotator may take; what is not named stays. What they hold, they keep.

    `quota=None` lifts the limit; `admit` lets them in without the qualification round.

    Raises:
        InvalidInput: a quota below 0, or a name that is too long.
    """
    row = Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    if cohort is not None:
        row.cohort = _name(cohort, 40)
    if qualifications is not None:
        row.qualifications = sorted({_name(each, 80) for each in qualifications} - {""})
    if quota is not KEEP:
        if quota is not None and quota < 0:
            raise InvalidInput(_("A quota is 0 or more."))
        row.quota = quota
    if admit and row.qualified_at is None:
        row.qualified_at = timezone.now()
    # Places they passed by may be theirs to take now: they start in front.
    row.queue_priority = row.queue_slot = None
    row.save(
        update_fields=[
            "cohort",
            "qualifications",
            "quota",
            "qualified_at",
            "queue_priority",
            "queue_slot",
        ]
    )
    return row


def _name(text: str, most: int) -> str:
    name = text.strip()
    if len(name) > most or "\0" in name:
        raise InvalidInput(_("A name has at most %(most)s characters.") % {"most": most})
    return name
