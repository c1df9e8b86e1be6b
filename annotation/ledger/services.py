"""Reserve before, settle after. The database refuses what exceeds a budget.

Every write locks the budget's row first, so two writers never wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, F, Value

from accounts.models import Project
from annotation.labels.models import Annotator
from core.exceptions import BudgetExceeded, Conflict, InvalidInput

from . import several
from .models import Budget, Entry, EntryState, Unit

OPEN = (EntryState.RESERVED, EntryState.UNKNOWN)
# Statements over lists, because every call to a judge passes through both.
SET_ASIDE_IN_BUDGET = """
UPDATE annotation_budget SET reserved = reserved + %(amount)s::bigint
WHERE id = %(budget)s AND "limit" >= settled + reserved + unknown + debt + %(amount)s::bigint
"""
RESERVE = """
INSERT INTO annotation_entry
  (created_at, key, budget_id, annotator_id, subject, state, reserved, settled, debt)
SELECT clock_timestamp(), gen_random_uuid(), %s, %s, v.subject, 'reserved', v.amount, 0, 0
FROM unnest(%s::text[], %s::bigint[]) AS v(subject, amount)
"""
SETTLE = """
WITH open AS (
  SELECT entry.id, entry.state, entry.reserved, least(v.amount, entry.reserved) AS settled,
         greatest(v.amount - entry.reserved, 0) AS debt
  FROM unnest(%(subjects)s::text[], %(amounts)s::bigint[]) AS v(subject, amount)
  JOIN annotation_entry AS entry ON entry.budget_id = %(budget)s AND entry.subject = v.subject
    AND entry.state IN ('reserved', 'unknown')
), paid AS (
  UPDATE annotation_entry AS entry
  SET state = 'settled', settled = open.settled, debt = open.debt, settled_at = clock_timestamp()
  FROM open WHERE entry.id = open.id
), total AS (
  SELECT count(*) AS entries, coalesce(sum(settled), 0) AS settled, coalesce(sum(debt), 0) AS debt,
         coalesce(sum(reserved) FILTER (WHERE state = 'reserved'), 0) AS reserved,
         coalesce(sum(reserved) FILTER (WHERE state = 'unknown'), 0) AS unknown
  FROM open
)
UPDATE annotation_budget AS budget SET
  reserved = budget.reserved - total.reserved, unknown = budget.unknown - total.unknown,
  settled = budget.settled + total.settled, debt = budget.debt + total.debt
FROM total WHERE budget.id = %(budget)s
RETURNING total.entries
"""


@transaction.atomic
def create_budget(
    *,
    project: Project,
    name: str,
    limit_micros: int,
    currency: str = "USD",
    unit: str = Unit.MONEY,
) -> Budget:
    """A budget of `limit_micros` millionths of `currency`, or of the `unit`.

    Raises:
        InvalidInput: the limit is negative, or the project has a budget of this name.
    """
    if limit_micros < 0:
        raise InvalidInput("A budget cannot be negative: give a limit of 0 or more.")
    if Budget.objects.filter(project=project, name=name).exists():
        raise InvalidInput(f"The project has a budget named {name!r}: choose another name.")
    return Budget.objects.create(
        project=project, name=name, limit=limit_micros, currency=currency, unit=unit
    )


def reserve(
    *, budget: Budget, subject: str, amount: int, annotator: Annotator | None = None
) -> Entry:
    """Set `amount` micros aside for `subject` (`slot:<key>`, `judge-call:<id>`).

    Raises:
        BudgetExceeded: the budget has less than that left; `extra` holds `missing` in micros.
        Conflict: money is already set aside or spent for this subject.
    """
    reserve_many(budget=budget, amounts={subject: amount}, annotator=annotator)
    return Entry.objects.get(budget=budget, subject=subject, state=EntryState.RESERVED)


def reserve_many(
    *, budget: Budget, amounts: Mapping[str, int], annotator: Annotator | None = None
) -> None:
    """Set money aside for many subjects at once: all of them, or none.

    Raises:
        BudgetExceeded, Conflict, InvalidInput: as `reserve`; nothing was reserved.
    """
    if any(amount < 0 for amount in amounts.values()):
        raise InvalidInput("A reservation cannot be negative.")
    by = annotator.pk if annotator else None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _set_aside(budget, sum(amounts.values()))
            cursor.execute(RESERVE, [budget.pk, by, list(amounts), list(amounts.values())])
    except IntegrityError as error:
        raise Conflict(
            "Money is already set aside for this label: settle or release that entry first."
        ) from error


def _set_aside(budget: Budget, amount: int) -> None:
    # What is owed beyond reservations is gone too: who charges more than was set aside is not
    # paid without end.
    with connection.cursor() as cursor:
        cursor.execute(SET_ASIDE_IN_BUDGET, {"budget": budget.pk, "amount": amount})
        if cursor.rowcount:
            return
    budget.refresh_from_db()
    committed_now = budget.settled + budget.reserved + budget.unknown + budget.debt
    missing = committed_now + amount - budget.limit
    raise BudgetExceeded(
        f"The budget {budget.name!r} lacks {missing / 1e6:.6f} {budget.currency} for this: "
        "raise its limit or ask for fewer labels.",
        missing=missing,
        budget=budget.pk,
    )


def _micros(amount: int) -> Value:
    """An amount beside a column: a bare number would be sent with 32 bits, the rest cut off."""
    return Value(amount, output_field=BigIntegerField())


def settle(*, entry: Entry, amount: int) -> Entry:
    """Pay `amount` micros; what is above the reservation becomes the budget's debt.

    Raises:
        Conflict: the entry was settled or released before.
    """
    _settle(entry.budget_id, {entry.subject: amount}, strict=True)
    entry.refresh_from_db()
    return entry


def settle_many(*, budget: Budget, amounts: Mapping[str, int]) -> int:
    """Pay many subjects of one budget; those without an open entry are left alone.

    Returns the number of entries settled.
    """
    return _settle(budget.pk, amounts)


def settle_subject(
    *, project: Project, subject: str, amount: int | None = None, seconds: float | None = None
) -> int:
    """Pay for what `subject` names in every budget of the project that holds something for it.

    Budgets of money pay `amount` micros, those of minutes `seconds`; by default, and in budgets of
    labels, what was reserved. Returns the number of entries settled.
    """
    prices: dict[str, int] = {}
    if amount is not None:
        prices[Unit.MONEY] = amount
    if seconds is not None:
        prices[Unit.MINUTES] = round(seconds / 60 * several.MICROS)
    return several.settle(project_id=project.pk, subject=subject, prices=prices)


@transaction.atomic
def _settle(budget_id: int, amounts: Mapping[str, int], *, strict: bool = False) -> int:
    if any(amount < 0 for amount in amounts.values()):
        raise InvalidInput("A price cannot be negative.")
    # The lock is a statement of its own: the next one then sees what was paid meanwhile.
    Budget.objects.select_for_update().only("pk").get(pk=budget_id)
    values: dict[str, Any] = {
        "subjects": list(amounts),
        "amounts": list(amounts.values()),
        "budget": budget_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, values)
        entries = int(cursor.fetchone()[0])
    if strict and not entries:
        raise Conflict("This entry was settled or released before.")
    return entries


def release(*, entry: Entry) -> Entry:
    """Give the reservation back: nothing was bought.

    Raises:
        Conflict: the entry was settled or released before.
    """
    _give_back(entry.budget_id, [entry.subject], strict=True)
    entry.refresh_from_db()
    return entry


def release_many(*, budget: Budget, subjects: Iterable[str]) -> int:
    """Give many reservations back; returns the number of entries released."""
    return _give_back(budget.pk, list(subjects))


@transaction.atomic
def _give_back(budget_id: int, subjects: list[str], *, strict: bool = False) -> int:
    entries = _lock_open(budget_id, subjects, strict=strict)
    held = _held(entries)
    Entry.objects.filter(pk__in=[entry.pk for entry in entries]).update(state=EntryState.RELEASED)
    Budget.objects.filter(pk=budget_id).update(
        reserved=F("reserved") - _micros(held[EntryState.RESERVED]),
        unknown=F("unknown") - _micros(held[EntryState.UNKNOWN]),
    )
    return len(entries)


@transaction.atomic
def mark_unknown(*, entry: Entry) -> Entry:
    """Nobody knows whether this was bought (a call in flight at a kill): it stays charged.

    Raises:
        Conflict: the entry is not a reservation any more.
    """
    if not mark_unknown_many(budget=entry.budget, subjects=[entry.subject]):
        raise Conflict("Only a reservation can become unknown.")
    entry.refresh_from_db()
    return entry


@transaction.atomic
def mark_unknown_many(*, budget: Budget, subjects: Iterable[str]) -> int:
    """`mark_unknown` for many subjects; returns the number of entries changed."""
    entries = [
        entry
        for entry in _lock_open(budget.pk, list(subjects))
        if entry.state == EntryState.RESERVED
    ]
    amount = sum(entry.reserved for entry in entries)
    Entry.objects.filter(pk__in=[entry.pk for entry in entries]).update(state=EntryState.UNKNOWN)
    Budget.objects.filter(pk=budget.pk).update(
        reserved=F("reserved") - _micros(amount), unknown=F("unknown") + _micros(amount)
    )
    return len(entries)


def _lock_open(budget_id: int, subjects: Iterable[str], *, strict: bool = False) -> list[Entry]:
    """The entries of these subjects that still hold money, with the budget's row locked."""
    Budget.objects.select_for_update().get(pk=budget_id)
    entries = list(
        Entry.objects.filter(budget_id=budget_id, subject__in=list(subjects), state__in=OPEN)
    )
    if strict and not entries:
        raise Conflict("This entry was settled or released before.")
    return entries


def _held(entries: Iterable[Entry]) -> dict[str, int]:
    held: dict[str, int] = {EntryState.RESERVED: 0, EntryState.UNKNOWN: 0}
    for entry in entries:
        held[entry.state] += entry.reserved
    return held
