"""Leaving an annotator's labels out, and taking them in again. Nothing is deleted."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.consensus.services import update
from annotation.labels.models import Annotation, Annotator
from annotation.queue.services import release_all
from audit.services import record
from core.exceptions import Conflict, InvalidInput


@transaction.atomic
def exclude(*, annotator: Annotator, because: str, by: User) -> int:
    """Leave their labels out of consensus and data; they get no more. Consensus rows written.

    Raises:
        InvalidInput: no reason is given, or it is longer than 200 characters.
        Conflict: they are excluded already.
    """
    because = because.strip()
    if not because or len(because) > 200 or "\0" in because:
        raise InvalidInput(_("Say why, in at most 200 characters."))
    _switch(annotator, True)
    Annotator.objects.filter(pk=annotator.pk).update(
        excluded_at=timezone.now(), excluded_because=because
    )
    release_all(annotator)
    record(
        action="quality.excluded",
        actor=by,
        project=annotator.project,
        target=str(annotator.pk),
        because=because,
    )
    return _refresh(annotator)


@transaction.atomic
def include(*, annotator: Annotator, by: User) -> int:
    """Let their labels count again. Consensus rows written.

    Raises:
        Conflict: they are not excluded.
    """
    _switch(annotator, False)
    Annotator.objects.filter(pk=annotator.pk).update(excluded_at=None, excluded_because="")
    record(action="quality.included", actor=by, project=annotator.project, target=str(annotator.pk))
    return _refresh(annotator)


def _switch(annotator: Annotator, out: bool) -> None:
    row = Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    if (row.excluded_at is not None) == out:
        raise Conflict("This annotator is excluded already." if out else "They are not excluded.")


def _refresh(annotator: Annotator) -> int:
    mine = Annotation.objects.filter(annotator=annotator).order_by()
    instances = list(mine.values_list("instance", flat=True).distinct())
    annotator.refresh_from_db()
    return update(project=annotator.project, instance_ids=instances)
