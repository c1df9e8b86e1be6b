"""How upper rooms hear of new instances."""

from django.db import transaction
from django.dispatch import Signal

from accounts.models import Project

# Sent after the commit, with `project_id`. A receiver that fails is logged; the instances stay.
instances_arrived = Signal()


def announce_arrival(project: Project) -> None:
    """Send `instances_arrived` when the transaction commits."""
    transaction.on_commit(
        lambda: instances_arrived.send_robust(sender=Project, project_id=project.pk)
    )
