"""Reads about instances."""

from typing import Any

from django.db.models import Count, QuerySet

from accounts.models import Project
from annotation.queue.models import Arm, Assignment, Destination
from annotation.queue.selectors import slots_by_state
from core.exceptions import NotFound

from .models import Instance, InstanceState, Origin, RecordedLabel


def instances_of(project: Project) -> QuerySet[Instance]:
    """The project's instances in the order they came, completions fetched with them."""
    return Instance.objects.filter(project=project).prefetch_related("completions").order_by("pk")


def instance_in(project: Project, instance_id: int) -> Instance:
    """One of `instances_of`.

    Raises:
        NotFound: the project has no such instance.
    """
    found = instances_of(project).filter(pk=instance_id).first()
    if found is None:
        raise NotFound("There is no such instance in this project.")
    return found


def instances_where(
    project: Project,
    *,
    state: str | None = None,
    destination: str | None = None,
    arm: str | None = None,
    tag: str | None = None,
    external_id: str | None = None,
) -> QuerySet[Instance]:
    """Those of `instances_of` that fit every condition given."""
    asked = {
        "state": state,
        "assignment__destination": destination,
        "assignment__arm": arm,
        "tags__contains": [tag] if tag is not None else None,
        "external_id": external_id,
    }
    return instances_of(project).filter(
        **{name: value for name, value in asked.items() if value is not None}
    )


def progress(project: Project) -> dict[str, Any]:
    """Counts of a project: `instances`, and by `state`, `destination`, `arm`, `slots`, `recorded`
    (labels that came with an import, revealed or not, by origin). Five queries.
    """
    states = _counts(Instance.objects.filter(project=project), "state", InstanceState.values)
    assigned = Assignment.objects.filter(instance__project=project)
    recorded = RecordedLabel.objects.filter(instance__project=project)
    return {
        "instances": sum(states.values()),
        "state": states,
        "destination": _counts(assigned, "destination", Destination.values),
        "arm": _counts(assigned, "arm", Arm.values),
        "slots": slots_by_state(project),
        "recorded": _counts(recorded, "origin", Origin.values),
    }


def _counts(rows: QuerySet[Any], field: str, values: list[str]) -> dict[str, int]:
    """How many rows there are of each value, zeros included."""
    found = dict(rows.values_list(field).annotate(number=Count("pk")).order_by())
    return {value: found.get(value, 0) for value in values}
