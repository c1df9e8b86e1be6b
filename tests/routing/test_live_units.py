"""Live routing under budgets of labels and minutes, and of one judge."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.ledger.models import Unit
from annotation.queue.models import Slot
from routing.budgets.models import Allowance, Spender
from routing.budgets.services import create_allowance
from routing.decisions.models import Decision
from routing.live.models import Stall
from routing.live.services import live_of
from tests.annotation.judge_scene import connect, make_judge
from tests.endpoint.client import endpoint
from tests.routing.live_scene import holds, route, scene, switch_on

pytestmark = pytest.mark.django_db
ONE = 1_000_000


def limited(project: Project, unit: str, limit: int, **values: Any) -> Allowance:
    given = {"name": f"{unit} {values}"[:60], "spender": Spender.PEOPLE} | values
    return create_allowance(project=project, unit=unit, limit=limit, by=None, **given)


@pytest.mark.parametrize(
    ("labels", "minutes", "most"), [(12, 100, 12), (100, 9, 9), (14, 11, 11)], ids=str
)
def test_the_budget_that_is_used_up_first_ends_it(labels: int, minutes: int, most: int) -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="random", people_share=1, audit_share=0.05)
        limited(project, Unit.LABELS, labels * ONE)
        limited(project, Unit.MINUTES, minutes * ONE)
        assert route(project)["routed"] == 40
    assert Slot.objects.filter(project=project).count() == most
    unpaid = Decision.objects.filter(project=project, reason__startswith="wanted, but")
    assert unpaid.exists()
    assert holds(project)


def test_a_judge_without_money_waits_and_another_goes_on() -> None:
    with endpoint() as server:
        project = scene(server, 30, strategy="random")
        poor = live_of(project).judge
        assert poor is not None
        limited(project, Unit.MONEY, 0, spender=Spender.JUDGES, judge=poor, name="poor")
        result = route(project)
        assert result["stalled"] in {Stall.AUDIT, Stall.JUDGE}
        assert "poor" in live_of(project).stall_reason
        rich = make_judge(connect(project, server, name="second"), "rich")
        switch_on(project, rich, strategy="random")
        assert "stalled" not in route(project)
    assert Decision.objects.filter(project=project).count() == 30
    assert holds(project)


def test_other_options_make_another_router_at_once() -> None:
    with endpoint() as server:
        project = scene(server, 30, strategy="judge-uncertainty")
        route(project)
        judge = live_of(project).judge
        assert judge is not None
        assert "fitted" not in route(project)
        switch_on(project, judge, options={"combine": "mean"})
        assert route(project)["fitted"] == 1
        assert "fitted" not in route(project)
    second = project.routers.get(version=2)
    assert second.parameters["combine"] == "mean"
    assert second.report["why"]["trigger"] == "settings"
