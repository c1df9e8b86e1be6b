"""Sending every new instance to people: a project without a router labels all it has."""

from collections.abc import Callable

from accounts.models import Project, User
from annotation.instances.models import Instance, InstanceState
from annotation.projects.selectors import protocol_of
from jobs.models import Job
from jobs.services import submit

from .models import Arm, Destination
from .services import BATCH, AssignmentItem, assign

SEND_KIND = "annotation.send"


def start_sending(*, project: Project, created_by: User | None = None) -> Job:
    """Submit the job that sends all new instances to people.

    Raises:
        Conflict: the project's last sending has not ended.
    """
    key = f"{SEND_KIND}:{project.pk}"
    return submit(
        kind=SEND_KIND, project=project, arguments={}, created_by=created_by, unique_key=key
    )


def send_to_people(*, project: Project, progress: Callable[[int, int], object]) -> int:
    """Assign all new instances to people, with the overlap or the seats of the protocol.

    Nothing chooses among them, so P(a human label is obtained) is 1 and the arm is the seed's:
    they are no router's choice. Every batch commits by itself; a job that is picked up again goes
    on with what is still new. Returns how many instances were sent.
    """
    overlap = protocol_of(project).overlap
    new = Instance.objects.filter(project=project, state=InstanceState.NEW).order_by("pk")
    total, sent, last = new.count(), 0, 0
    while rows := list(new.filter(pk__gt=last).values_list("pk", "priority")[:BATCH]):
        items = [
            AssignmentItem(pk, Destination.HUMAN, Arm.SEED, 1.0, overlap, priority=priority)
            for pk, priority in rows
        ]
        sent += assign(project=project, items=items)
        last = rows[-1][0]
        progress(sent, max(total, sent))
    return sent
