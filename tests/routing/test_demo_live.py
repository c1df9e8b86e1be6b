"""The demo's project that is routed as it comes in."""

import io

import pytest
from django.conf import LazySettings

from annotation.ledger.models import Budget
from annotation.queue.models import Slot, SlotState
from jobs.runner import run_queued
from routing.decisions.models import Decision
from routing.frontier.selectors import router_in_use, sheet_of
from routing.lab.models import Replay
from routing.rounds import demo, demo_live
from tests.routing.live_scene import holds

pytestmark = pytest.mark.django_db


@pytest.mark.slow
def test_every_page_about_routing_has_something_to_show(
    settings: LazySettings, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = settings.MEDIA_ROOT = tmp_path
    settings.JOBS_INLINE = True
    # Of the replay that it draws is enough here.
    monkeypatch.setattr(demo_live, "ARMS", ("random", "oracle"))
    monkeypatch.setattr(demo_live, "SEEDS", 2)
    users, _ = demo.ensure_accounts()
    project = demo_live.routed_project(users)
    demo_live.route(project, io.StringIO())
    arms = set(Decision.objects.filter(project=project).values_list("arm", flat=True))
    assert {"audit", "seed", "routed"} <= arms
    people = Decision.objects.filter(project=project, arm="routed", destination="both")
    assert people.exists()
    assert all(row.reason for row in people)
    assert Slot.objects.filter(project=project, state=SlotState.OPEN).exists()
    for budget in Budget.objects.filter(project=project):
        assert budget.settled > 0
        assert budget.reserved > 0
    assert holds(project)
    for job in demo_live.shown(project, users["admin"]):
        done = run_queued(job)
        assert done.state == "succeeded", done.error
    router = router_in_use(project)
    assert router is not None
    assert sheet_of(router) is not None
    assert Replay.objects.get(project=project, standing=False).figures
    # A second start finds everything.
    demo_live.route(demo_live.routed_project(users), io.StringIO())
    assert not demo_live.shown(project, users["admin"])
