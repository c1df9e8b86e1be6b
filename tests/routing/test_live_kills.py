"""A job that dies between any two steps: the next attempt goes on, and nothing is done twice."""

import pytest
from django.db.models import Count

from accounts.models import Project
from annotation.labels.models import Annotation
from annotation.ledger.models import Entry
from annotation.queue.models import Assignment, Slot
from jobs.models import Job
from jobs.runner import run_queued
from routing.budgets.models import Purse
from routing.decisions.models import Decision
from routing.live import asking, batches, loop, scoring, writing
from routing.live.services import ring
from tests.endpoint.client import endpoint
from tests.routing.live_scene import holds, route, scene

pytestmark = pytest.mark.django_db

POINTS = (
    (batches, "write"),
    (batches, "finish_run"),
    (asking, "open_run"),
    (asking, "close_purse"),
    (scoring, "ask"),
    (writing, "reserve_slots"),
    (loop.Loop, "_note"),
)


class Killed(BaseException):
    """Nothing catches it: as if the process had gone."""


@pytest.mark.parametrize(("place", "name"), POINTS, ids=[name for _, name in POINTS])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_attempt_is_taken_up_again(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, *, after: bool
) -> None:
    with endpoint() as server:
        project = scene(server, 30, audit_share=0.2, strategy="random")
        die_once(monkeypatch, place, name, after=after)
        kill(project)
        monkeypatch.undo()
        route(project)
        calls = server.bill()["calls"]
    decided = Decision.objects.filter(project=project)
    assert decided.count() == Assignment.objects.count() == 30
    per_instance = decided.values("instance").annotate(number=Count("pk"))
    assert set(per_instance.values_list("number", flat=True)) == {1}
    assert Slot.objects.count() == Entry.objects.filter(subject__startswith="slot:").count()
    assert calls == 2 * Annotation.objects.filter(annotator__kind="judge").count()
    assert not Purse.objects.filter(closed_at__isnull=True).exists()
    assert holds(project)


def die_once(monkeypatch: pytest.MonkeyPatch, place: object, name: str, *, after: bool) -> None:
    """The next call of this function kills the attempt, before or after it did its work."""
    real = getattr(place, name)

    def dying(*args: object, **named: object) -> object:
        if after:
            real(*args, **named)
        raise Killed(name)

    monkeypatch.setattr(place, name, dying)


def kill(project: Project) -> None:
    job = ring(project) or Job.objects.get(project=project, kind="routing.live", state="queued")
    with pytest.raises(Killed):
        run_queued(job)
    # What the sweep does when the lease of a lost worker runs out.
    Job.objects.filter(pk=job.pk).update(state="queued", lease_until=None)
