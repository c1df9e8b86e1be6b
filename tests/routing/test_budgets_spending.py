"""A label is bought in every window that it falls under, or not at all."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Project
from annotation.labels.services import Answer, submit
from annotation.ledger.models import Entry
from annotation.ledger.services import settle_subject
from annotation.queue.flags import drop
from annotation.queue.money import free_money, reserve_like, subject_of
from core.exceptions import BudgetExceeded, Conflict
from routing.budgets import windows
from routing.budgets.models import Window
from routing.budgets.spending import affordable, free, release_purchases, reserve_purchases
from tests.factories import make_annotator, make_instance, make_project, make_slot

from .budget_scene import ONE, allow, buy, free_judge, states

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def project() -> Project:
    return make_project()


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_a_purchase_is_set_aside_in_every_window_it_falls_under(project: Project) -> None:
    allow(project, "all", 100)
    allow(project, "people a day", 10, spender="people", period="day")
    allow(project, "experts", 5, spender="expert", unit="labels")
    allow(project, "time", 60, unit="minutes")
    allow(project, "judges", 3, spender="judges")
    reserve_purchases(
        project=project,
        purchases=[
            buy("a", 2, minutes=3 * ONE),
            buy("b", 4, "expert", minutes=5 * ONE),
            buy("c", 1, "judges"),
        ],
    )
    held = {name: each.reserved / ONE for name, each in states(project).items()}
    assert held == {"all": 7, "people a day": 6, "experts": 1, "time": 8, "judges": 1}


def test_all_or_none_and_the_refusal_names_budget_and_minimum(project: Project) -> None:
    allow(project, "all", 100)
    small = allow(project, "experts", 5, spender="expert")
    with pytest.raises(BudgetExceeded, match=r"experts.*lacks 1.00 USD.*6.00 USD") as refused:
        reserve_purchases(project=project, purchases=[buy("a", 50), buy("b", 6, "expert")])
    assert refused.value.extra == {"allowance": small.pk, "missing": ONE, "minimum": 6 * ONE}
    assert {each.reserved for each in states(project).values()} == {0}
    assert not Entry.objects.exists()


@pytest.mark.parametrize("spender", ["regular", "expert", "judges"])
def test_without_a_budget_nothing_is_bought(project: Project, spender: str) -> None:
    allow(project, "one judge", 5, spender="judges", judge=free_judge(project))
    with pytest.raises(BudgetExceeded, match="give the project a budget first"):
        reserve_purchases(project=project, purchases=[buy("a", 1, spender)])
    assert affordable(project, [buy("a", 1, spender)]) == 0


def test_an_empty_budget_pays_for_nothing(project: Project) -> None:
    allow(project, "empty", 0)
    with pytest.raises(BudgetExceeded) as refused:
        reserve_purchases(project=project, purchases=[buy("a", 2)])
    assert refused.value.extra["minimum"] == 2 * ONE
    assert affordable(project, [buy("a", 2)]) == 0


def test_a_judges_own_budget_pays_for_that_judge_alone(project: Project) -> None:
    one, other = free_judge(project, "one"), free_judge(project, "other")
    allow(project, "judges", 10, spender="judges")
    allow(project, "one", 2, spender="judges", judge=one)
    reserve_purchases(project=project, purchases=[buy("a", 5, "judges", judge_id=other.pk)])
    with pytest.raises(BudgetExceeded, match="one"):
        reserve_purchases(project=project, purchases=[buy("b", 3, "judges", judge_id=one.pk)])
    assert states(project)["one"].reserved == 0


def test_settling_pays_each_budget_in_its_unit(project: Project) -> None:
    allow(project, "money", 100)
    allow(project, "labels", 10, unit="labels")
    allow(project, "minutes", 10, unit="minutes")
    reserve_purchases(project=project, purchases=[buy("a", 2, minutes=5 * ONE)])
    assert settle_subject(project=project, subject="slot:a", seconds=90) == 3
    paid = {name: each.settled / ONE for name, each in states(project).items()}
    assert paid == {"money": 2, "labels": 1, "minutes": 1.5}
    assert {each.reserved for each in states(project).values()} == {0}
    assert settle_subject(project=project, subject="slot:a", seconds=90) == 0


def test_more_minutes_than_set_aside_are_owed_and_leave_less_to_buy(project: Project) -> None:
    allow(project, "minutes", 10, unit="minutes")
    reserve_purchases(project=project, purchases=[buy("a", minutes=2 * ONE)])
    settle_subject(project=project, subject="slot:a", seconds=360)
    now = states(project)["minutes"]
    assert (now.settled, now.debt, now.free) == (2 * ONE, 4 * ONE, 4 * ONE)


def test_what_is_set_aside_is_given_back_everywhere(project: Project) -> None:
    allow(project, "all", 10)
    allow(project, "day", 10, period="day")
    reserve_purchases(project=project, purchases=[buy("a"), buy("b")])
    assert release_purchases(project=project, subjects=["slot:a", "slot:unheard of"]) == 2
    assert [each.reserved for each in states(project).values()] == [ONE, ONE]
    reserve_purchases(project=project, purchases=[buy("a")])


def test_nothing_is_set_aside_twice(project: Project) -> None:
    allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy("a")])
    with pytest.raises(Conflict):
        reserve_purchases(project=project, purchases=[buy("b"), buy("a")])
    assert states(project)["all"].reserved == ONE


def test_a_day_begins_anew_and_an_old_one_is_settled_where_it_was_held(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOON)
    allow(project, "day", 3, period="day")
    allow(project, "month", 100, period="month")
    reserve_purchases(project=project, purchases=[buy("a", 3)])
    with pytest.raises(BudgetExceeded):
        reserve_purchases(project=project, purchases=[buy("b", 3)])
    at(monkeypatch, NOON + timedelta(hours=12))
    reserve_purchases(project=project, purchases=[buy("b", 3)])
    settle_subject(project=project, subject="slot:a")
    first, second = Window.objects.filter(allowance__name="day").order_by("starts_at")
    assert (first.budget.settled, first.budget.reserved) == (3 * ONE, 0)
    assert (second.budget.settled, second.budget.reserved) == (0, 3 * ONE)
    assert first.ends_at == second.starts_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert Window.objects.filter(allowance__name="month").count() == 2


@pytest.mark.parametrize(
    ("period", "starts", "ends"),
    [
        ("day", datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        ("week", datetime(2026, 3, 30, tzinfo=UTC), datetime(2026, 4, 6, tzinfo=UTC)),
        ("month", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        ("whole", datetime(1970, 1, 1, tzinfo=UTC), None),
    ],
)
def test_periods_are_those_of_the_calendar(period: str, starts: datetime, ends: Any) -> None:
    assert windows.bounds(period, NOON) == (starts, ends)


def test_affordable_counts_the_first_that_fit_together(project: Project) -> None:
    allow(project, "all", 10)
    allow(project, "experts", 4, spender="expert")
    wanted = [buy("a", 3), buy("b", 3, "expert"), buy("c", 2, "expert"), buy("d", 1)]
    assert affordable(project, wanted) == 2
    assert [each.free for each in free(project)] == [10 * ONE, 4 * ONE]
    reserve_purchases(project=project, purchases=wanted[:2])
    assert affordable(project, [buy("e", 5)]) == 0
    assert affordable(project, []) == 0


def test_an_added_place_is_paid_in_the_windows_of_now(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOON)
    allow(project, "all", 10)
    allow(project, "day", 3, period="day")
    instance = make_instance(project)
    first = make_slot(instance, make_annotator(project))
    reserve_purchases(project=project, purchases=[buy(str(first.key), 3)])
    at(monkeypatch, NOON + timedelta(days=1))
    second = make_slot(instance, ordinal=1)
    reserve_like(second, [first.key])
    assert [each.reserved for each in states(project).values()] == [6 * ONE, 3 * ONE]
    with pytest.raises(BudgetExceeded):
        reserve_like(make_slot(instance, ordinal=2), [first.key])
    free_money(project.pk, [second.key, first.key])
    assert not Entry.objects.filter(state="reserved").exists()
    assert subject_of(first.key) == f"slot:{first.key}"


def test_statements_are_as_many_for_one_as_for_a_thousand(project: Project) -> None:
    allow(project, "all", 10_000)
    allow(project, "day", 10_000, period="day")

    def statements(count: int) -> int:
        wanted = [buy(f"{count}/{n}") for n in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert affordable(project, wanted) == count
            reserve_purchases(project=project, purchases=wanted)
            release_purchases(project=project, subjects=[each.subject for each in wanted])
        return len(seen)

    assert statements(1) == statements(1000)


def test_a_submit_pays_everywhere_with_the_time_it_took(project: Project) -> None:
    allow(project, "money", 10)
    allow(project, "minutes", 10, unit="minutes", period="week")
    annotator = make_annotator(project)
    since = timezone.now() - timedelta(hours=1)
    slot = make_slot(make_instance(project), annotator, leased_at=since)
    reserve_purchases(project=project, purchases=[buy(str(slot.key), 2, minutes=5 * ONE)])
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [1, 2])],
        seconds=120,
    )
    now = states(project)
    assert (now["money"].settled, now["money"].reserved) == (2 * ONE, 0)
    assert (now["minutes"].settled, now["minutes"].reserved) == (2 * ONE, 0)


def test_an_instance_that_is_dropped_gives_back_what_its_places_hold(project: Project) -> None:
    allow(project, "all", 10)
    allow(project, "day", 10, period="day")
    instance = make_instance(project, state="flagged")
    slot = make_slot(instance, state="withdrawn")
    reserve_purchases(project=project, purchases=[buy(str(slot.key), 2)])
    drop(instance=instance, by=None)
    assert {each.reserved for each in states(project).values()} == {0}
