"""Reserve before, settle after. The database refuses what exceeds a budget.

Every write locks the budget's row first, so two writers never wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, F, Value

from accounts.models import Project
from annotation.labels.models import Annotator
from core.exceptions import BudgetExceeded, Conflict, InvalidInput

from .models import Budget, Entry, EntryState

OPEN = (EntryState.RESERVED, EntryState.UNKNOWN)
BATCH = 1000
# Raw, because every submit asks this.
SET_ASIDE = """
SELECT entry.* FROM annotation_entry AS entry
JOIN annotation_budget AS budget ON budget.id = entry.budget_id
WHERE budget.project_id = %(project)s AND entry.subject = %(subject)s
  AND entry.state = ANY(%(open)s) LIMIT 1
"""


@transaction.atomic
def create_budget(
    *, project: Project, name: str, limit_micros: int, currency: str = "USD"
) -> Budget:
    """A budget of `limit_micros` millionths of `currency`.

    Raises:
        InvalidInput: the limit is negative, or the project has a budget of this name.
    """
    if limit_micros < 0:
        raise InvalidInput("A budget cannot be negative: give a limit of 0 or more.")
    if Budget.objects.filter(project=project, name=name).exists():
        raise InvalidInput(f"The project has a budget named {name!r}: choose another name.")
    return Budget.objects.create(project=project, name=name, limit=limit_micros, currency=currency)


def reserve(
    *, budget: Budget, subject: str, amount: int, annotator: Annotator | None = None
) -> Entry:
    """Set `amount` micros aside for `subject` (`slot:<key>`, `judge-call:<id>`).

    Raises:
        BudgetExceeded: the budget has less than that left; `extra` holds `missing` in micros.
        Conflict: money is already set aside or spent for this subject.
    """
    return reserve_many(budget=budget, amounts={subject: amount}, annotator=annotator)[0]


def reserve_many(
    *, budget: Budget, amounts: Mapping[str, int], annotator: Annotator | None = None
) -> list[Entry]:
    """Set money aside for many subjects at once: all of them, or none.

    Raises:
        BudgetExceeded, Conflict, InvalidInput: as `reserve`; nothing was reserved.
    """
    if any(amount < 0 for amount in amounts.values()):
        raise InvalidInput("A reservation cannot be negative.")
    entries = [
        Entry(
            budget=budget,
            subject=subject,
            annotator=annotator,
            state=EntryState.RESERVED,
            reserved=amount,
        )
        for subject, amount in amounts.items()
    ]
    try:
        with transaction.atomic():
            _set_aside(budget, sum(amounts.values()))
            return Entry.objects.bulk_create(entries, batch_size=BATCH)
    except IntegrityError as error:
        raise Conflict(
            "Money is already set aside for this label: settle or release that entry first."
        ) from error


def _set_aside(budget: Budget, amount: int) -> None:
    # What is owed beyond reservations is gone too: who charges more than was set aside is not
    # paid without end.
    committed = F("settled") + F("reserved") + F("unknown") + F("debt")
    fits = Budget.objects.filter(pk=budget.pk, limit__gte=committed + _micros(amount))
    if fits.update(reserved=F("reserved") + _micros(amount)):
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


def settle_subject(*, project: Project, subject: str, amount: int | None = None) -> Entry | None:
    """Pay for what `subject` names, by default what was reserved for it.

    Returns None where no money is set aside for it in any budget of the project.
    """
    values = {"project": project.pk, "subject": subject, "open": [*OPEN]}
    entry = next(iter(Entry.objects.raw(SET_ASIDE, values)), None)
    if entry is None:
        return None
    return settle(entry=entry, amount=entry.reserved if amount is None else amount)


@transaction.atomic
def _settle(budget_id: int, amounts: Mapping[str, int], *, strict: bool = False) -> int:
    if any(amount < 0 for amount in amounts.values()):
        raise InvalidInput("A price cannot be negative.")
    entries = _lock_open(budget_id, amounts, strict=strict)
    held = _held(entries)
    for entry in entries:
        amount = amounts[entry.subject]
        entry.state = EntryState.SETTLED
        entry.settled = min(amount, entry.reserved)
        entry.debt = amount - entry.settled
    _write_settled(entries)
    Budget.objects.filter(pk=budget_id).update(
        reserved=F("reserved") - _micros(held[EntryState.RESERVED]),
        unknown=F("unknown") - _micros(held[EntryState.UNKNOWN]),
        settled=F("settled") + _micros(sum(entry.settled for entry in entries)),
        debt=F("debt") + _micros(sum(entry.debt for entry in entries)),
    )
    return len(entries)


def _write_settled(entries: list[Entry]) -> None:
    """Most cost what was reserved: one statement for those, a list of values for the others."""
    exact = [entry.pk for entry in entries if entry.settled == entry.reserved and not entry.debt]
    others = [entry for entry in entries if entry.settled != entry.reserved or entry.debt]
    Entry.objects.filter(pk__in=exact).update(state=EntryState.SETTLED, settled=F("reserved"))
    Entry.objects.bulk_update(others, ["state", "settled", "debt"], batch_size=BATCH)


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
