"""A budget is never exceeded, also when many reserve at once."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from annotation.ledger import services as ledger
from annotation.ledger.models import Budget, Entry, EntryState
from annotation.ledger.selectors import state
from core.exceptions import BudgetExceeded, Conflict, InvalidInput
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def budget_of(limit: int) -> Budget:
    return ledger.create_budget(project=make_project(), name="labels", limit_micros=limit)


def test_reserve_then_settle_below_the_reservation_frees_the_rest() -> None:
    budget = budget_of(1000)
    entry = ledger.reserve(budget=budget, subject="slot:a", amount=400)
    assert state(budget).free == 600
    ledger.settle(entry=entry, amount=250)
    now = state(budget)
    assert (now.settled, now.reserved, now.free, now.debt) == (250, 0, 750, 0)


def test_settling_above_the_reservation_becomes_debt() -> None:
    budget = budget_of(1000)
    entry = ledger.reserve(budget=budget, subject="slot:a", amount=1000)
    entry = ledger.settle(entry=entry, amount=1300)
    assert (entry.state, entry.settled, entry.debt) == (EntryState.SETTLED, 1000, 300)
    now = state(budget)
    assert (now.settled, now.debt, now.free) == (1000, 300, 0)


def test_what_is_owed_is_not_there_to_be_reserved() -> None:
    budget = budget_of(1000)
    ledger.settle(entry=ledger.reserve(budget=budget, subject="slot:a", amount=100), amount=700)
    assert state(budget).free == 300
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve(budget=budget, subject="slot:b", amount=301)
    assert refused.value.extra["missing"] == 1
    ledger.reserve(budget=budget, subject="slot:b", amount=300)


@pytest.mark.parametrize("amount", [2**31, 2**32 + 100, 10**15])
def test_amounts_of_more_than_32_bits_are_whole(amount: int) -> None:
    """A thousand labels at three dollars are more than 2**31 micros."""
    with pytest.raises(BudgetExceeded):
        ledger.reserve(budget=budget_of(1000), subject="slot:x", amount=amount)
    budget = budget_of(3 * amount)
    ledger.reserve(budget=budget, subject="slot:a", amount=amount)
    ledger.reserve(budget=budget, subject="slot:b", amount=amount)
    assert state(budget).reserved == 2 * amount
    ledger.mark_unknown_many(budget=budget, subjects=["slot:b"])
    ledger.settle_many(budget=budget, amounts={"slot:a": amount + amount // 2})
    now = state(budget)
    assert (now.settled, now.unknown, now.debt) == (amount, amount, amount // 2)
    ledger.release_many(budget=budget, subjects=["slot:b"])
    assert state(budget).unknown == 0


def test_release_gives_back_and_the_subject_can_be_reserved_again() -> None:
    budget = budget_of(100)
    ledger.release(entry=ledger.reserve(budget=budget, subject="slot:a", amount=100))
    assert state(budget).free == 100
    assert ledger.reserve(budget=budget, subject="slot:a", amount=100).state == EntryState.RESERVED


def test_unknown_stays_charged_until_it_is_resolved() -> None:
    budget = budget_of(100)
    entry = ledger.mark_unknown(entry=ledger.reserve(budget=budget, subject="x", amount=60))
    assert (state(budget).unknown, state(budget).free) == (60, 40)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(budget=budget, subject="y", amount=50)
    ledger.settle(entry=entry, amount=50)
    assert (state(budget).unknown, state(budget).settled, state(budget).free) == (0, 50, 50)


def test_refusal_says_what_is_missing_and_writes_nothing() -> None:
    budget = budget_of(100)
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve_many(budget=budget, amounts={"a": 60, "b": 70})
    assert refused.value.extra["missing"] == 30
    assert state(budget).free == 100
    assert not Entry.objects.exists()


def test_a_subject_is_paid_once() -> None:
    budget = budget_of(100)
    entry = ledger.reserve(budget=budget, subject="a", amount=10)
    with pytest.raises(Conflict):
        ledger.reserve_many(budget=budget, amounts={"b": 10, "a": 10})
    assert state(budget).reserved == 10
    ledger.settle(entry=entry, amount=10)
    with pytest.raises(Conflict):
        ledger.settle(entry=entry, amount=10)
    with pytest.raises(Conflict):
        ledger.release(entry=entry)
    assert state(budget).settled == 10


def test_settle_subject_pays_what_was_reserved_and_ignores_what_was_not() -> None:
    budget = budget_of(100)
    ledger.reserve(budget=budget, subject="slot:a", amount=30)
    assert ledger.settle_subject(project=budget.project, subject="slot:a") == 1
    assert state(budget).settled == 30
    assert ledger.settle_subject(project=budget.project, subject="slot:a") == 0
    assert ledger.settle_subject(project=make_project(), subject="slot:a") == 0


def test_many_are_settled_and_released_in_bulk() -> None:
    budget = budget_of(10_000)
    ledger.reserve_many(budget=budget, amounts={f"s{n}": 10 for n in range(500)})
    assert ledger.settle_many(budget=budget, amounts={f"s{n}": 8 for n in range(300)}) == 300
    assert ledger.release_many(budget=budget, subjects=[f"s{n}" for n in range(300, 400)]) == 100
    assert ledger.mark_unknown_many(budget=budget, subjects=["s400", "s0"]) == 1
    now = state(budget)
    assert (now.settled, now.reserved, now.unknown) == (2400, 990, 10)


def test_the_database_refuses_an_exceeded_budget() -> None:
    budget = budget_of(100)
    with pytest.raises(IntegrityError, match="budget_never_exceeded"), transaction.atomic():
        Budget.objects.filter(pk=budget.pk).update(settled=101)


def test_negative_amounts_are_refused() -> None:
    budget = budget_of(100)
    with pytest.raises(InvalidInput):
        ledger.reserve(budget=budget, subject="a", amount=-1)
    with pytest.raises(InvalidInput):
        ledger.create_budget(project=budget.project, name="b", limit_micros=-1)


@pytest.mark.django_db(transaction=True)
def test_threads_never_reserve_more_than_there_is() -> None:
    budget = budget_of(1000)
    outcomes: list[str] = []
    start = threading.Barrier(20)

    def reserve_three(name: int) -> None:
        start.wait()
        for n in range(3):
            try:
                entry = ledger.reserve(budget=budget, subject=f"{name}/{n}", amount=30)
                if n == 1:
                    ledger.settle(entry=entry, amount=40)
                outcomes.append("reserved")
            except BudgetExceeded:
                outcomes.append("refused")
        connection.close()

    threads = [threading.Thread(target=reserve_three, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = state(budget)
    # Each settlement at 40 keeps 30 and owes 10; what is owed is not there for the others.
    assert len(outcomes) == 60
    assert 30 * outcomes.count("reserved") == now.settled + now.reserved
    assert now.settled + now.reserved <= 1000
    assert now.settled + now.reserved + now.debt > 1000 - 30
    assert now.debt == 10 * Entry.objects.filter(state=EntryState.SETTLED).count()
