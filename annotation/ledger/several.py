"""One purchase in several budgets at once: a label that falls under a day's limit and a whole's.

Budgets are locked in the order of their ids before anything is written, in every function here, so
two writers never wait for each other in a circle. Who gives back and sets aside in one transaction
does it in this order. Statements over lists: their number is the same for one label and for 10,000.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.exceptions import BudgetExceeded, Conflict, InvalidInput

from .models import Unit

MICROS = 1_000_000
LOCK = """
SELECT id, name, unit, currency, "limit", settled + reserved + unknown + debt
FROM annotation_budget WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
# The budgets that hold something for these subjects. Entries are read again behind the lock.
LOCK_HOLDERS = """
SELECT budget.id FROM annotation_budget AS budget
WHERE budget.project_id = %s AND budget.id IN (
  SELECT entry.budget_id FROM annotation_entry AS entry
  WHERE entry.subject = ANY(%s) AND entry.state IN ('reserved', 'unknown'))
ORDER BY budget.id FOR NO KEY UPDATE
"""
INSERT = """
INSERT INTO annotation_entry
  (created_at, key, budget_id, annotator_id, subject, state, reserved, settled, debt)
SELECT clock_timestamp(), gen_random_uuid(), v.budget, v.annotator, v.subject, 'reserved',
  v.amount, 0, 0
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
  AS v(budget, subject, amount, annotator)
"""
ADD = """
UPDATE annotation_budget AS budget SET reserved = budget.reserved + v.amount
FROM unnest(%s::bigint[], %s::bigint[]) AS v(id, amount) WHERE budget.id = v.id
"""
SETTLE = """
WITH open AS (
  SELECT entry.id, entry.budget_id, entry.state, entry.reserved,
         least(price.amount, entry.reserved) AS settled,
         greatest(price.amount - entry.reserved, 0) AS debt
  FROM annotation_entry AS entry JOIN annotation_budget AS budget ON budget.id = entry.budget_id
  CROSS JOIN LATERAL (SELECT coalesce(
    (%(prices)s::jsonb ->> budget.unit)::bigint, entry.reserved) AS amount) AS price
  WHERE entry.budget_id = ANY(%(budgets)s) AND entry.subject = %(subject)s
    AND entry.state IN ('reserved', 'unknown')
), paid AS (
  UPDATE annotation_entry AS entry
  SET state = 'settled', settled = open.settled, debt = open.debt, settled_at = clock_timestamp()
  FROM open WHERE entry.id = open.id
), total AS (
  SELECT budget_id, count(*) AS entries, sum(settled) AS settled, sum(debt) AS debt,
         coalesce(sum(reserved) FILTER (WHERE state = 'reserved'), 0) AS reserved,
         coalesce(sum(reserved) FILTER (WHERE state = 'unknown'), 0) AS unknown
  FROM open GROUP BY budget_id
)
UPDATE annotation_budget AS budget SET
  reserved = budget.reserved - total.reserved, unknown = budget.unknown - total.unknown,
  settled = budget.settled + total.settled, debt = budget.debt + total.debt
FROM total WHERE budget.id = total.budget_id
RETURNING total.entries
"""
GIVE_BACK = """
WITH open AS (
  SELECT id, budget_id, state, reserved FROM annotation_entry
  WHERE budget_id = ANY(%(budgets)s) AND subject = ANY(%(subjects)s)
    AND state IN ('reserved', 'unknown')
), freed AS (
  UPDATE annotation_entry AS entry SET state = 'released' FROM open WHERE entry.id = open.id
), total AS (
  SELECT budget_id, count(*) AS entries,
         coalesce(sum(reserved) FILTER (WHERE state = 'reserved'), 0) AS reserved,
         coalesce(sum(reserved) FILTER (WHERE state = 'unknown'), 0) AS unknown
  FROM open GROUP BY budget_id
)
UPDATE annotation_budget AS budget SET
  reserved = budget.reserved - total.reserved, unknown = budget.unknown - total.unknown
FROM total WHERE budget.id = total.budget_id
RETURNING total.entries
"""


@dataclass(frozen=True)
class Hold:
    """`amount` millionths of the budget's unit for `subject`, for whose label it is if known."""

    budget_id: int
    subject: str
    amount: int
    annotator_id: int | None = None


@transaction.atomic
def hold(holds: Sequence[Hold]) -> None:
    """Set all of these aside, or none.

    Raises:
        BudgetExceeded: a budget has less than that left; `extra` holds its id as `budget`, what
            is `missing` and the `minimum` that its limit must be, in millionths of its unit.
        Conflict: something is set aside or spent for a subject in one of the budgets.
    """
    totals: dict[int, int] = defaultdict(int)
    for each in holds:
        if each.amount < 0:
            raise InvalidInput(_("A reservation cannot be negative."))
        totals[each.budget_id] += each.amount
    columns: list[Any] = [
        [each.budget_id for each in holds],
        [each.subject for each in holds],
        [each.amount for each in holds],
        [each.annotator_id for each in holds],
    ]
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(totals)])
        for pk, *budget in cursor.fetchall():
            _refuse_if_short(pk, budget, totals[pk])
        try:
            with transaction.atomic():
                cursor.execute(INSERT, columns)
        except IntegrityError as error:
            raise Conflict(
                _("Something is set aside for this label already: settle or release it first.")
            ) from error
        cursor.execute(ADD, [list(totals), list(totals.values())])


def _refuse_if_short(pk: int, budget: Sequence[Any], amount: int) -> None:
    name, unit, currency, limit, committed = budget
    missing = committed + amount - limit
    if missing > 0:
        raise BudgetExceeded(
            _("The budget %(name)s lacks %(missing)s: raise its limit or ask for fewer labels.")
            % {"name": name, "missing": quantity(missing, unit, currency)},
            missing=missing,
            budget=pk,
            minimum=committed + amount,
        )


def quantity(micros: int, unit: str, currency: str = "") -> str:
    """An amount in words: `1.50 USD`, `3 labels`, `2.5 minutes`."""
    if unit == Unit.MONEY:
        # Whole cents where they are whole; a judge's call costs fractions of one.
        text = f"{micros / MICROS:.6f}".rstrip("0")
        whole, _dot, cents = text.partition(".")
        return f"{whole}.{cents.ljust(2, '0')} {currency}"
    number = f"{micros / MICROS:.1f}".removesuffix(".0")
    # Any fraction is several.
    count = 1 if number == "1" else max(2, round(micros / MICROS))
    if unit == Unit.LABELS:
        return ngettext("%(n)s label", "%(n)s labels", count) % {"n": number}
    return ngettext("%(n)s minute", "%(n)s minutes", count) % {"n": number}


def settle(*, project_id: int, subject: str, prices: dict[str, int]) -> int:
    """Pay for the subject in every budget of the project that holds something for it.

    `prices`: millionths by unit (`money`, `labels`, `minutes`); a unit without one is paid as it
    was set aside. What is above the reservation becomes the budget's debt. Returns how many
    entries were settled.
    """
    if any(price < 0 for price in prices.values()):
        raise InvalidInput(_("A price cannot be negative."))
    return _in_holders(
        SETTLE, project_id, [subject], {"subject": subject, "prices": json.dumps(prices)}
    )


def give_back(*, project_id: int, subjects: Sequence[str]) -> int:
    """Release the subjects in every budget that holds something; returns how many entries."""
    return _in_holders(GIVE_BACK, project_id, list(subjects), {"subjects": list(subjects)})


def _in_holders(
    statement: str, project_id: int, subjects: list[str], values: dict[str, Any]
) -> int:
    # No savepoint: every submit passes here, and nobody goes on after an error of these.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(LOCK_HOLDERS, [project_id, subjects])
        budgets = [pk for (pk,) in cursor.fetchall()]
        if not budgets:
            return 0
        cursor.execute(statement, values | {"budgets": budgets})
        return sum(int(entries) for (entries,) in cursor.fetchall())
