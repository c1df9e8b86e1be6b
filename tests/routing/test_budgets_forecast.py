"""When a budget ends: the pure forecast, and what a project has spent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.ledger.models import Entry
from annotation.ledger.services import settle_subject
from annotation.queue.models import Pool
from routing.budgets.forecasting import Forecast, Outlook, Spent, forecast
from routing.budgets.selectors import outlines, spent
from routing.budgets.spending import reserve_purchases
from tests.factories import make_instance, make_project, make_slot

from .budget_scene import ONE, allow, buy, free_judge

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def of(days: list[float], left: float, ends: datetime | None = None) -> Forecast:
    return forecast(Spent(days, 0, 0.5, 40), left, NOW, ends)


def test_steady_spending_ends_when_division_says() -> None:
    found = forecast(Spent([10.0] * 10, 5.0, 0.5, 100), 40.0, NOW, None)
    assert found.outlook == Outlook.ENDS
    assert found.at == found.earliest == found.latest == NOW + timedelta(days=4)
    assert (found.low, found.rate, found.high) == (10, 10, 10)


def test_days_that_differ_give_an_interval_around_the_date() -> None:
    found = of([2, 20, 5, 11, 1, 30, 8, 3], 100)
    assert found.low < found.rate < found.high
    assert found.earliest is not None
    assert found.at is not None
    assert found.latest is not None
    assert found.earliest < found.at < found.latest


@pytest.mark.parametrize("count", [3, 12, 60])
def test_few_days_are_judged_by_their_purchases(count: int) -> None:
    """The fewer purchases, the wider the interval; the rate stays what it is."""
    found = forecast(Spent([], float(count), 0.5, count), 50.0, NOW, None)
    assert found.rate == 2 * count
    assert found.high / found.low == pytest.approx(
        np.exp(2 * 1.645 / np.sqrt(count + 0.5)), rel=0.35
    )


def test_what_can_be_said_without_a_date() -> None:
    assert forecast(Spent([], 0, 0.5, 0), 50, NOW, None).outlook == Outlook.NOTHING
    assert of([10.0] * 5, 0).outlook == Outlook.OVER
    soon = NOW + timedelta(days=2)
    assert of([10.0] * 5, 1000, soon).outlook == Outlook.BEYOND
    assert of([10.0] * 5, 10, soon).outlook == Outlook.ENDS
    assert of([1e-9] * 5, 1000).outlook == Outlook.BEYOND


def test_the_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        days = chance.poisson(30, 13).astype(float)
        found = forecast(Spent([*days], 0.0, 0.0, int(days.sum())), 1e4, NOW, None)
        held += found.low <= 30 <= found.high
    assert 0.8 < held / 300 < 0.97


@pytest.mark.django_db
def test_spending_is_told_once_by_pool_and_judge() -> None:
    project = make_project()
    judge = free_judge(project)
    allow(project, "all", 100)
    allow(project, "day", 100, period="day")
    experts = Pool.objects.create(project=project, cohort="", requires=["clinical"])
    regular, expert = (
        make_slot(make_instance(project)),
        make_slot(make_instance(project), pool=experts),
    )
    purchases = [
        buy(str(regular.key), 2),
        buy(str(expert.key), 5, "expert"),
        replace(buy("call", 1, "judges", judge_id=judge.pk), subject="judge-call:1"),
    ]
    reserve_purchases(project=project, purchases=purchases)
    for each in purchases:
        settle_subject(project=project, subject=each.subject)
    found = {(row.spender, row.judge): row.amount / ONE for row in spent(project, "money")}
    assert found == {("regular", ""): 2, ("expert", ""): 5, ("judges", "judge"): 1}


@pytest.mark.django_db
def test_outlines_ask_as_often_for_many_budgets_as_for_one() -> None:
    project = make_project()

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            outlines(project)
        return len(seen)

    allow(project, "0", 100)
    few = queries()
    for number in range(1, 6):
        allow(project, str(number), 100, period="week")
    reserve_purchases(project=project, purchases=[buy(str(n)) for n in range(20)])
    settle_subject(project=project, subject="slot:1")
    Entry.objects.filter(state="settled").update(settled_at=timezone.now() - timedelta(days=2))
    assert queries() == few
    assert {each.forecast.outlook for each in outlines(project)} <= {
        Outlook.ENDS,
        Outlook.BEYOND,
    }
