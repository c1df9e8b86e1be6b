"""Making, changing and ending allowances; alerts; the purses of judge runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.judges.models import JudgeRun
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget, Entry
from annotation.ledger.selectors import state
from audit.models import Event
from core.exceptions import BudgetExceeded, Conflict, InvalidInput
from jobs.models import Job
from routing.budgets.alerts import open_alerts, put_away, raise_alerts
from routing.budgets.models import Alert, Allowance, Purse, Window
from routing.budgets.purses import close_ended
from routing.budgets.services import change_limit, end_allowance
from routing.budgets.spending import close_purse, purse, release_purchases, reserve_purchases
from routing.tasks import look_after_budgets
from tests.annotation.judge_scene import PRICE, begin, finish, scene
from tests.endpoint.client import endpoint
from tests.factories import make_project
from tests.races import at_once

from .budget_scene import ONE, allow, buy, free_judge, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def change(allowance: Allowance, limit: float, version: int = 1) -> Allowance:
    return change_limit(allowance=allowance, limit=round(limit * ONE), version=version, by=None)


def test_a_changed_limit_counts_at_once_and_in_windows_to_come(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowance = allow(project, "day", 1, period="day")
    with pytest.raises(BudgetExceeded):
        reserve_purchases(project=project, purchases=[buy("a", 2)])
    assert change(allowance, 3).version == 2
    reserve_purchases(project=project, purchases=[buy("a", 2)])
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: tomorrow)
    assert states(project)["day"].limit == 3 * ONE
    assert [(e.action, e.data.get("limit")) for e in Event.objects.order_by("pk")][-1] == (
        "budget changed",
        3 * ONE,
    )


def test_a_limit_below_what_is_out_already_is_refused_with_the_minimum(project: Project) -> None:
    allowance = allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy("a", 3), buy("b", 4)])
    ledger.settle_subject(project=project, subject="slot:a")
    with pytest.raises(InvalidInput, match=r"7\.00 USD") as refused:
        change(allowance, 6.999999)
    assert refused.value.extra["minimum"] == 7 * ONE
    assert states(project)["all"].limit == 10 * ONE
    change(allowance, 7)
    assert states(project)["all"].free == 0


def test_the_second_of_two_who_save_is_told_what_the_first_did(project: Project) -> None:
    allowance = allow(project, "all", 10)
    change(allowance, 20)
    with pytest.raises(Conflict, match=r"20\.00 USD") as refused:
        change(allowance, 30)
    assert refused.value.extra == {"version": 2, "limit": 20 * ONE}
    assert states(project)["all"].limit == 20 * ONE


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_the_same_moment_one_wins(project: Project) -> None:
    allowance = allow(project, "all", 10)
    outcomes = at_once(lambda: change(allowance, 20), lambda: change(allowance, 30))
    assert sorted(outcomes) == ["Conflict", "done"]
    allowance.refresh_from_db()
    assert states(project)["all"].limit == allowance.limit


@pytest.mark.django_db(transaction=True)
def test_a_window_that_many_open_at_once_is_one(project: Project) -> None:
    allow(project, "day", 100, period="day")
    Window.objects.all().delete()
    wanted = [
        lambda n=n: reserve_purchases(project=project, purchases=[buy(str(n))]) for n in range(4)
    ]
    # The budget of the window that was deleted keeps its name.
    Budget.objects.all().delete()
    assert at_once(*wanted) == ["done"] * 4
    assert Window.objects.get().budget.reserved == 4 * ONE


def test_an_ended_budget_governs_nothing_and_its_reservations_are_settled(
    project: Project,
) -> None:
    allowance = allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy("a", 3)])
    window = Window.objects.get()
    end_allowance(allowance=allowance, version=1, by=None)
    with pytest.raises(BudgetExceeded):
        reserve_purchases(project=project, purchases=[buy("b")])
    with pytest.raises(Conflict):
        change(allowance, 20, version=2)
    ledger.settle_subject(project=project, subject="slot:a")
    assert state(window.budget).settled == 3 * ONE
    # The name is free again.
    allow(project, "all", 5)
    reserve_purchases(project=project, purchases=[buy("b")])


@pytest.mark.parametrize(
    "values",
    [
        {"name": " "},
        {"name": "x" * 61},
        {"name": "taken"},
        {"unit": "hours"},
        {"period": "year"},
        {"spender": "nobody"},
        {"unit": "minutes", "spender": "judges"},
        {"limit": -1},
        {"limit": 10**10},
        {"currency": "EUR"},
        {"currency": "dollars"},
    ],
)
def test_what_is_no_budget_is_refused(project: Project, values: dict[str, Any]) -> None:
    allow(project, "taken", 1)
    with pytest.raises(InvalidInput):
        allow(project, values.pop("name", "new"), values.pop("limit", 1), **values)
    assert Allowance.objects.count() == 1


def test_a_judges_budget_is_for_a_judge_of_the_project(project: Project) -> None:
    with pytest.raises(InvalidInput):
        allow(project, "a", 1, spender="judges", judge=free_judge(make_project()))
    with pytest.raises(InvalidInput):
        allow(project, "a", 1, spender="people", judge=free_judge(project))


def test_each_alert_is_told_once_and_the_highest_is_shown(project: Project) -> None:
    allow(project, "all", 10)
    allow(project, "far", 1000)
    assert raise_alerts() == 0
    reserve_purchases(project=project, purchases=[buy("a", 5)])
    assert (raise_alerts(), raise_alerts()) == (1, 0)
    reserve_purchases(project=project, purchases=[buy("b", 3.5)])
    look_after_budgets()
    # What is left, 1.5, does not pay for another label like the last one.
    assert [told.percent for told in open_alerts(project)] == [100]
    assert Alert.objects.count() == 3
    assert put_away(project) == 3
    assert open_alerts(project) == []


def test_a_raised_limit_takes_its_alerts_back(project: Project) -> None:
    allowance = allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy("a", 9)])
    raise_alerts()
    change(allowance, 15)
    assert [told.percent for told in open_alerts(project)] == [50]


def test_alerts_of_a_period_that_is_over_are_gone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(project, "day", 10, period="day")
    reserve_purchases(project=project, purchases=[buy("a", 9)])
    raise_alerts()
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: tomorrow)
    assert open_alerts(project) == []


def test_a_purse_is_held_in_every_window_and_closed_at_its_real_cost(project: Project) -> None:
    judge = free_judge(project)
    allow(project, "all", 10)
    allow(project, "judge", 6, spender="judges", judge=judge)
    budget = purse(project=project, name="run 1", amount=5 * ONE, judge=judge)
    assert {each.reserved for each in states(project).values()} == {5 * ONE}
    ledger.reserve_many(budget=budget, amounts={"c:1": 2 * ONE, "c:2": ONE, "c:3": ONE})
    ledger.settle_many(budget=budget, amounts={"c:1": ONE})
    ledger.mark_unknown_many(budget=budget, subjects=["c:2"])
    ledger.release_many(budget=budget, subjects=["c:3"])
    for _ in range(2):
        close_purse(budget)
        for each in states(project).values():
            assert (each.settled, each.reserved, each.unknown) == (2 * ONE, 0, 0)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(budget=budget, subject="c:4", amount=1)
    assert state(budget).unknown == ONE


def test_a_purse_that_cannot_be_paid_leaves_nothing_behind(project: Project) -> None:
    judge = free_judge(project)
    with pytest.raises(BudgetExceeded, match="budget first"):
        purse(project=project, name="run", amount=1, judge=judge)
    allow(project, "all", 1)
    with pytest.raises(BudgetExceeded):
        purse(project=project, name="run", amount=2 * ONE, judge=judge)
    assert not Purse.objects.exists()
    assert not Budget.objects.filter(name="run").exists()


def test_labels_of_a_judge_are_counted_where_a_budget_counts_them(project: Project) -> None:
    judge = free_judge(project)
    allow(project, "labels", 10, unit="labels")
    with pytest.raises(InvalidInput, match="how many"):
        purse(project=project, name="run", amount=ONE, judge=judge)
    budget = purse(project=project, name="run", amount=ONE, judge=judge, labels=4)
    assert states(project)["labels"].reserved == 4 * ONE
    close_purse(budget)
    assert states(project)["labels"].free == 10 * ONE


def test_the_sweep_closes_purses_whose_run_ended_and_no_others(project: Project) -> None:
    judge = free_judge(project)
    allow(project, "all", 10)
    going, ended, lost, fresh = (
        purse(project=project, name=name, amount=ONE, judge=judge) for name in "abcd"
    )
    for budget, run_state, job_state in (
        (going, "running", "queued"),
        (ended, "stopped", "succeeded"),
        (lost, "running", "failed"),
    ):
        job = Job.objects.create(kind="judges.run", project=project, state=job_state)
        JudgeRun.objects.create(
            project=project, judge=judge, budget=budget, criteria=[], state=run_state, job=job
        )
    assert close_ended() == 2
    still = Purse.objects.filter(closed_at__isnull=True)
    assert {each.budget_id for each in still} == {going.pk, fresh.pk}
    Purse.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert close_ended() == 1
    assert states(project)["all"].reserved == ONE


def test_a_purse_of_yesterday_is_closed_in_yesterdays_window(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 1, 23, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    judge = free_judge(project)
    allow(project, "day", 10, period="day")
    budget = purse(project=project, name="run", amount=5 * ONE, judge=judge)
    ledger.settle(entry=ledger.reserve(budget=budget, subject="c", amount=ONE), amount=ONE)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(hours=2))
    assert states(project)["day"].reserved == 0
    close_purse(budget)
    old = Window.objects.order_by("starts_at")[0].budget
    assert (old.settled, old.reserved) == (ONE, 0)


def test_released_labels_can_be_bought_again_and_entries_stay_on_the_books(
    project: Project,
) -> None:
    allow(project, "all", 1)
    for _ in range(3):
        reserve_purchases(project=project, purchases=[buy("a")])
        release_purchases(project=project, subjects=["slot:a"])
    assert Entry.objects.filter(state="released").count() == 3


def test_a_run_out_of_a_purse_is_charged_for_its_calls_and_labels() -> None:
    with endpoint() as server:
        judge, _ = scene(server, 5)
        project = judge.project
        allow(project, "money", 10)
        allow(project, "labels", 10, unit="labels", spender="judges")
        budget = purse(project=project, name="run", amount=ONE, judge=judge, labels=5)
        run = finish(begin(judge, budget))
        calls = server.bill()["calls"]
    assert run.counts["answered"] == 5
    assert states(project)["money"].reserved == ONE
    look_after_budgets()
    now = states(project)
    assert (now["money"].settled, now["money"].reserved) == (calls * PRICE, 0)
    assert (now["labels"].settled, now["labels"].reserved) == (5 * ONE, 0)
