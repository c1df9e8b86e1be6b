"""Telling upper rooms of new labels, after the commit."""

from collections.abc import Sequence

from django.db import transaction

from webhooks.emitting import emit
from webhooks.events import LABEL

from .models import Annotation
from .signals import annotation_submitted

# Of one event: an import reveals labels by the thousand.
MOST_TOLD = 500


def announce(rows: Sequence[Annotation]) -> None:
    """Send `annotation_submitted` for rows of one project when the transaction commits."""
    if not rows:
        return
    emit(
        project_id=rows[0].project_id,
        event=LABEL,
        data={"count": len(rows), "annotations": [row.pk for row in rows[:MOST_TOLD]]},
    )
    transaction.on_commit(
        lambda: annotation_submitted.send_robust(
            sender=Annotation,
            project_id=rows[0].project_id,
            instance_ids=sorted({row.instance_id for row in rows}),
            annotation_ids=[row.pk for row in rows],
            purposes={row.purpose for row in rows},
        )
    )
