"""The audit arm is paid first; budgets that run dry stop people, not the loop."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.ledger.models import Entry
from annotation.queue.models import Arm, Destination, Slot
from core.exceptions import Conflict, InvalidInput
from routing.budgets.models import Allowance, Purse
from routing.budgets.services import change_limit
from routing.decisions.models import Decision
from routing.live.models import Mode, Stall
from routing.live.services import change_settings, live_of
from routing.strategies import audit
from tests.annotation.judge_scene import make_judge
from tests.endpoint.client import Running, endpoint
from tests.routing.live_scene import HUMAN, POUND, holds, route, scene, switch_on

pytestmark = pytest.mark.django_db


def audited(project: Project) -> int:
    keys = list(project.instances.values_list("external_id", flat=True))
    return int(audit.draw(keys, project.protocol.salt, 0.2, at_least_one=False).sum())


def poor(server: Running, money: int, **values: Any) -> Project:
    return scene(server, 40, money=money, audit_share=0.2, strategy="random", **values)


def test_without_money_for_the_audit_arm_nothing_is_routed_until_there_is() -> None:
    with endpoint() as server:
        project = poor(server, HUMAN)
        result = route(project)
        row = live_of(project)
        assert (row.stall, result["stalled"]) == (Stall.AUDIT, "audit")
        assert "lacks" in row.stall_reason
        assert not Decision.objects.exists()
        assert not Slot.objects.exists()
        assert not Entry.objects.filter(subject__startswith="slot:").exists()
        assert server.bill()["calls"] == 0

        allowance = Allowance.objects.get()
        enough = audited(project) * HUMAN + POUND
        change_limit(allowance=allowance, limit=enough, version=allowance.version, by=None)
        assert route(project)["routed"] == 40
    assert live_of(project).stall == Stall.NONE
    arms = Decision.objects.filter(arm=Arm.AUDIT)
    assert arms.count() == audited(project)
    assert set(arms.values_list("destination", flat=True)) == {Destination.BOTH}
    assert holds(project)


def test_what_is_wanted_and_cannot_be_paid_goes_to_the_judge_with_its_reason() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="random", people_share=1, money=6 * POUND)
        route(project)
    unpaid = Decision.objects.filter(reason__startswith="wanted, but")
    assert unpaid.exists()
    assert set(unpaid.values_list("destination", flat=True)) == {Destination.JUDGE}
    people = Decision.objects.filter(destination__in=[Destination.HUMAN, Destination.BOTH])
    assert 0 < people.count() < 40
    # Nobody buys them: their only ways to a person were the draws.
    assert max(unpaid.values_list("propensity", flat=True)) <= 0.0975 + 1e-9
    assert holds(project)


def test_an_empty_budget_routes_nothing_and_says_what_it_takes() -> None:
    with endpoint() as server:
        project = poor(server, 0)
        route(project)
    row = live_of(project)
    assert row.stall in {Stall.AUDIT, Stall.JUDGE}
    assert "all" in row.stall_reason
    assert not Decision.objects.exists()


def test_routing_cannot_begin_without_a_judge_nor_with_an_empty_audit_arm() -> None:
    with endpoint() as server:
        project = scene(server, 1)
    row = live_of(project)
    for wrong in ({"judge": None}, {"audit_share": 0.0}, {"seed_size": 49}, {"strategy": "oracle"}):
        with pytest.raises(InvalidInput):
            change_settings(project=project, version=row.version, by=None, **wrong)


def test_of_two_who_save_at_once_the_second_is_told() -> None:
    with endpoint() as server:
        project = scene(server, 1)
    row = live_of(project)
    change_settings(project=project, version=row.version, by=None, mode=Mode.OFF)
    with pytest.raises(Conflict):
        change_settings(project=project, version=row.version, by=None, batch_size=7)
    assert live_of(project).batch_size == 100


def test_batches_wait_until_they_are_full() -> None:
    with endpoint() as server:
        project = scene(server, 30, strategy="random", mode=Mode.BATCH, batch_size=20)
        assert route(project)["routed"] == 20
        assert route(project).get("routed", 0) == 0
        assert route(project, everything=True)["routed"] == 10
        judge = live_of(project).judge
        assert judge is not None
        switch_on(project, judge, mode=Mode.OFF)
        assert route(project) == {}


def test_labels_of_the_arms_speak_for_those_who_could_not_be_paid() -> None:
    """e does not depend on the arm: Σ 1/e over human labels stands for all instances."""
    with endpoint() as server:
        project = poor(server, 6 * POUND, explore_share=0, people_share=1)
        route(project)
    rows = list(Decision.objects.order_by("instance_id"))
    ended = next(i for i, row in enumerate(rows) if row.reason.startswith("wanted, but"))
    behind = rows[ended:]
    assert {row.arm for row in behind} == {Arm.AUDIT, Arm.ROUTED}
    assert {row.propensity for row in behind} == {0.2}
    assert {row.propensity for row in rows[:ended]} == {1.0}


def test_who_was_drawn_to_explore_without_money_for_it_is_left_to_the_router() -> None:
    with endpoint() as server:
        project = scene(
            server, 40, strategy="random", people_share=1, explore_share=0.5, money=4 * POUND
        )
        route(project)
    rows = Decision.objects.exclude(arm=Arm.AUDIT)
    assert not rows.filter(arm=Arm.EXPLORE).exists()
    assert rows.filter(destination=Destination.HUMAN).exists()
    for row in rows:
        certain = row.destination == Destination.HUMAN
        assert row.propensity == pytest.approx(1.0 if certain else 0.05)


def test_two_judges_with_one_beginning_of_their_names_have_purses_of_their_own() -> None:
    name = "x" * 55
    with endpoint() as server:
        # What is sent to people too is asked of every judge that comes.
        project = scene(server, 5, strategy="judge-uncertainty", people_share=1)
        judge = live_of(project).judge
        assert judge is not None
        assert judge.connection is not None
        for end in ("one", "two"):
            switch_on(project, make_judge(judge.connection, name=name + end))
            assert route(project).get("stalled") is None
    named = Purse.objects.filter(budget__name__startswith="x" * 40)
    assert named.values("judge").distinct().count() == 2
