"""Earnings: derived once each, taken back by retractions, frozen by payouts."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import Project, User
from annotation.labels.models import Annotator
from annotation.labels.revising import revise
from annotation.labels.services import Answer, submit, undo
from annotation.queue.models import Slot
from annotation.workforce import payments, selectors
from annotation.workforce.models import Earning, Payout, PayoutLine
from annotation.workforce.pay import Terms, amount, decimal, paid_seconds, terms_for
from core.exceptions import Conflict, InvalidInput
from core.spreadsheets import as_text
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_slot,
    make_user,
)

pytestmark = pytest.mark.django_db
START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner=owner, criteria=[("one", "One", "?"), ("two", "Two", "?")])


@pytest.fixture
def person(project: Project) -> Annotator:
    return make_annotator(project)


def rate(project: Project, owner: User, **fields: Any) -> None:
    values: dict[str, Any] = {
        "basis": "label",
        "micros": 250_000,
        "currency": "EUR",
        "valid_from": timezone.now() - timedelta(days=1),
    }
    payments.add_rate(project=project, actor=owner, **(values | fields))


def label(person: Annotator, seconds: float = 30, held: float = 300) -> Slot:
    """One submit on both criteria, of an instance that was held so many seconds."""
    slot = make_slot(
        make_instance(person.project),
        person,
        leased_at=timezone.now() - timedelta(seconds=held),
    )
    submit(
        slot_key=slot.key,
        annotator=person,
        client_id=uuid.uuid4(),
        answers=[Answer("one", [1, 2]), Answer("two", [2, 1])],
        seconds=seconds,
    )
    return slot


def owed(project: Project) -> list[tuple[int, int, float]]:
    return [(one.amount, one.labels, round(one.seconds, 3)) for one in selectors.owed(project)]


def test_a_submit_on_two_criteria_is_one_line(
    project: Project, owner: User, person: Annotator
) -> None:
    rate(project, owner)
    label(person)
    assert payments.derive(project=project) == 1
    assert payments.derive(project=project) == 0
    assert owed(project) == [(250_000, 1, 30)]


def test_an_undo_adds_a_line_against_it(project: Project, owner: User, person: Annotator) -> None:
    rate(project, owner)
    label(person)
    payments.derive(project=project)
    undo(annotator=person, project=project)
    assert payments.derive(project=project) == 1
    assert owed(project) == [(0, 0, 0)]
    assert list(Earning.objects.order_by("pk").values_list("amount", flat=True)) == [
        250_000,
        -250_000,
    ]


def test_a_submit_undone_before_it_was_derived_and_given_again(
    project: Project, owner: User, person: Annotator
) -> None:
    rate(project, owner)
    slot = label(person)
    undo(annotator=person, project=project)
    submit(
        slot_key=slot.key,
        annotator=person,
        client_id=uuid.uuid4(),
        answers=[Answer("one", [1, 2]), Answer("two", [1, 2])],
        seconds=10,
    )
    assert payments.derive(project=project) == 3
    assert owed(project) == [(250_000, 1, 10)]


@pytest.mark.parametrize("derived_between", [True, False])
def test_an_edit_is_no_second_label_and_is_undone_with_the_first(
    project: Project, owner: User, person: Annotator, derived_between: bool
) -> None:
    rate(project, owner)
    slot = label(person)
    for choice in ([2, 1], [1, 1]):
        revise(
            slot_key=slot.key,
            annotator=person,
            client_id=uuid.uuid4(),
            answers=[
                Answer("one", choice, "tie" if choice == [1, 1] else ""),
                Answer("two", [1, 2]),
            ],
            # None since what was sent before: `tests/attacks/test_pay_twice.py`.
            seconds=0,
        )
        if derived_between:
            payments.derive(project=project)
    payments.derive(project=project)
    assert owed(project) == [(250_000, 1, 30)]
    undo(annotator=person, project=project)
    payments.derive(project=project)
    assert owed(project) == [(0, 0, 0)]


def test_hours_are_paid_without_idle_and_never_more_than_was_held(
    project: Project, owner: User, person: Annotator
) -> None:
    rate(project, owner, basis="hour", micros=36_000_000, most_seconds=120)
    label(person, seconds=60)
    label(person, seconds=5000)
    payments.derive(project=project)
    assert owed(project) == [(600_000 + 1_200_000, 2, 180)]
    label(person, seconds=100, held=2)
    payments.derive(project=project)
    line = Earning.objects.order_by("-pk")[0]
    assert 1.9 < line.seconds < 4


def test_a_rate_of_the_cohort_goes_before_that_of_everybody(
    project: Project, owner: User, person: Annotator
) -> None:
    expert = make_annotator(project, cohort="experts")
    rate(project, owner)
    rate(project, owner, cohort="experts", micros=900_000)
    label(person)
    label(expert)
    payments.derive(project=project)
    assert owed(project) == [(900_000, 1, 30), (250_000, 1, 30)]


def test_work_without_a_rate_waits_for_one_that_is_valid_from_earlier(
    project: Project, owner: User, person: Annotator
) -> None:
    label(person)
    assert payments.derive(project=project) == 0
    rate(project, owner, valid_from=timezone.now() + timedelta(days=1))
    assert payments.derive(project=project) == 0
    rate(project, owner)
    assert payments.derive(project=project) == 1


def test_a_new_rate_changes_no_line(project: Project, owner: User, person: Annotator) -> None:
    rate(project, owner)
    label(person)
    payments.derive(project=project)
    rate(project, owner, micros=999_000, valid_from=timezone.now() - timedelta(hours=1))
    assert payments.derive(project=project) == 0
    label(person)
    payments.derive(project=project)
    assert owed(project) == [(1_249_000, 2, 60)]


def test_nobody_is_paid_for_labels_that_no_person_gave(project: Project, owner: User) -> None:
    rate(project, owner)
    for kind, simulated in (("judge", False), ("import", False), ("person", True)):
        someone = make_annotator(project, kind=kind, simulated=simulated)
        slot = make_slot(make_instance(project), someone)
        make_annotation(slot.instance, someone, slot=slot)
    assert payments.derive(project=project) == 0


def test_the_database_keeps_a_line_as_it_is(
    project: Project, owner: User, person: Annotator
) -> None:
    rate(project, owner)
    label(person)
    payments.derive(project=project)
    for change in (lambda: Earning.objects.update(amount=1), Earning.objects.all().delete):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


def test_a_bonus_needs_a_reason_and_is_added_once(
    owner: User, person: Annotator, project: Project
) -> None:
    key = uuid.uuid4()
    for _ in range(2):
        payments.add_bonus(
            annotator=person,
            actor=owner,
            micros=5_000_000,
            currency="eur",
            reason="training",
            key=key,
        )
    assert owed(project) == [(5_000_000, 0, 0)]
    for fields in ({"reason": " "}, {"micros": 0}, {"currency": "€"}, {"micros": 10**11}):
        values = {"micros": 1, "currency": "EUR", "reason": "x"} | fields
        with pytest.raises(InvalidInput):
            payments.add_bonus(annotator=person, actor=owner, **values)  # type: ignore[arg-type]
    assert Earning.objects.count() == 1


def test_a_payout_freezes_its_lines(project: Project, owner: User, person: Annotator) -> None:
    rate(project, owner)
    label(person)
    payout = payments.approve(project=project, currency="EUR", actor=owner)
    assert selectors.owed(project) == []
    with pytest.raises(Conflict, match="Nobody is owed"):
        payments.approve(project=project, currency="EUR", actor=owner)
    undo(annotator=person, project=project)
    payments.derive(project=project)
    # What is taken back after the approval is owed back, and nobody gets a negative payout.
    assert owed(project) == [(-250_000, -1, -30)]
    with pytest.raises(Conflict):
        payments.approve(project=project, currency="EUR", actor=owner)
    assert payout.lines.count() == 1
    label(person)
    label(person)
    second = payments.approve(project=project, currency="EUR", actor=owner)
    assert second.lines.aggregate(sum=Sum("earning__amount"))["sum"] == 250_000


def test_a_payout_is_paid_once_and_then_stays(
    project: Project, owner: User, person: Annotator
) -> None:
    rate(project, owner)
    label(person)
    first = payments.approve(project=project, currency="EUR", actor=owner)
    payments.withdraw(payout=first, actor=owner)
    assert owed(project) == [(250_000, 1, 30)]
    second = payments.approve(project=project, currency="EUR", actor=owner)
    paid = payments.mark_paid(payout=second, reference=" B-77 ", actor=owner)
    assert (paid.reference, paid.paid_at is not None) == ("B-77", True)
    with pytest.raises(Conflict, match="already"):
        payments.mark_paid(payout=second, reference="again", actor=owner)
    with pytest.raises(Conflict, match="bonus"):
        payments.withdraw(payout=second, actor=owner)
    assert Payout.objects.get() == second


def test_currencies_are_paid_apart(project: Project, owner: User, person: Annotator) -> None:
    for currency in ("EUR", "USD"):
        payments.add_bonus(
            annotator=person, actor=owner, micros=1_000_000, currency=currency, reason="x"
        )
    payments.approve(project=project, currency="EUR", actor=owner)
    assert [one.currency for one in selectors.owed(project)] == ["USD"]


def test_the_file_for_payroll(project: Project, owner: User) -> None:
    person = make_annotator(project, "=cmd()")
    rate(project, owner, basis="hour", micros=36_000_000)
    label(person, seconds=60)
    payout = payments.approve(project=project, currency="EUR", actor=owner)
    payments.mark_paid(payout=payout, reference="@ref", actor=owner)
    (row,) = selectors.payroll(Payout.objects.get())
    today = timezone.now().date().isoformat()
    assert row == (
        person.pseudonym,
        "'=cmd()",
        today,
        today,
        "1",
        "0.0167",
        "0.60",
        "EUR",
        "'@ref",
    )
    assert len(row) == len(selectors.PAYROLL)


def test_deriving_takes_a_constant_number_of_queries(
    project: Project,
    owner: User,
    person: Annotator,
    django_assert_num_queries: Callable[[int], AbstractContextManager[None]],
) -> None:
    rate(project, owner)
    for _ in range(5):
        label(person)
    # A savepoint and its release, the lock, the rates, the submits without a line, the insert.
    with django_assert_num_queries(6):
        assert payments.derive(project=project) == 5


@pytest.mark.django_db(transaction=True)
def test_deriving_and_approving_at_once_pays_nothing_twice() -> None:
    owner = make_user()
    project = make_project(owner=owner, criteria=[("one", "One", "?"), ("two", "Two", "?")])
    person = make_annotator(project)
    rate(project, owner)
    for _ in range(4):
        label(person)

    def work(number: int) -> str:
        try:
            if number % 2:
                payments.derive(project=project)
            else:
                payments.approve(project=project, currency="EUR", actor=owner)
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(8)))
    assert outcomes.count("conflict") == 3
    assert Earning.objects.count() == 4
    assert PayoutLine.objects.count() == 4
    assert Payout.objects.count() == 1


def terms(**fields: Any) -> Terms:
    values: dict[str, Any] = {
        "key": 1,
        "cohort": "",
        "basis": "hour",
        "micros": 10_000_000,
        "currency": "EUR",
        "most_seconds": 600,
        "valid_from": START,
    }
    return Terms(**(values | fields))


def test_the_newest_valid_terms_hold() -> None:
    old, new = terms(key=1), terms(key=2, valid_from=START + timedelta(days=10))
    mine = terms(key=3, cohort="experts", valid_from=START - timedelta(days=9))
    every = [old, new, mine]
    assert terms_for(every, "", START + timedelta(days=9)) == old
    assert terms_for(every, "", START + timedelta(days=10)) == new
    assert terms_for(every, "experts", START + timedelta(days=10)) == mine
    assert terms_for([old], "", START - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, 0), (3600, 10_000_000), (1, 2778), (0.001, 3), (0.0001, 0)]
)
def test_hours_in_micros(seconds: float, expected: int) -> None:
    assert amount(terms(), seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "held", "expected"),
    [(None, 50, 0), (20, 50, 20), (90, 50, 50), (5000, 9000, 600), (-3, 50, 0)],
)
def test_paid_seconds(seconds: float | None, held: int, expected: float) -> None:
    end = START + timedelta(seconds=held)
    assert paid_seconds(seconds, most=600, began=START, submitted_at=end) == expected


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_starts_a_formula(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (2_500_000, "2.50"),
        (-1_230_000, "-1.23"),
        (10**13, "10000000.00"),
    ],
)
def test_amounts_lose_nothing(micros: int, text: str) -> None:
    assert decimal(micros) == text
