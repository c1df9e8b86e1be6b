"""What labels cost, and setting money aside for them."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from annotation.judges.models import Judge
from annotation.judges.runs import costs
from annotation.ledger.models import Entry, EntryState
from annotation.queue.models import Slot
from annotation.queue.money import subject_of
from annotation.queue.pools import cohorts_of
from core.exceptions import BudgetExceeded
from routing.budgets.models import Spender
from routing.budgets.spending import Purchase, affordable, reserve_purchases

from .models import LiveRouting
from .work import Row, Work

LABEL = 1_000_000
# Subjects of what is set aside for the audit arm: "audit:<instance>:<place>".
AUDIT = "audit:"
# Of the price of one criterion asked alone.
READING = 0.5


def of_slots(live: LiveRouting, slots: Iterable[Slot], criteria: int) -> list[Purchase]:
    """What is bought with these slots, their pools read along; `criteria`: how many there are."""
    return [
        _purchase(
            live,
            subject_of(slot.key),
            expert=bool(slot.pool and slot.pool.requires),
            part=part_of(len(slot.criteria), criteria),
        )
        for slot in slots
    ]


def part_of(asked: int, criteria: int) -> float:
    """The part of a whole label's price that so many of the criteria cost; none asked means all.

    Reading the instance is `READING` of what one criterion alone costs, and is paid once.
    """
    if not asked or criteria < 2:
        return 1.0
    return (READING + asked * (1 - READING)) / (READING + criteria * (1 - READING))


def _purchase(live: LiveRouting, subject: str, *, expert: bool, part: float = 1.0) -> Purchase:
    price = live.expert_price_micros if expert else live.human_price_micros
    return Purchase(
        subject=subject,
        spender=Spender.EXPERT if expert else Spender.REGULAR,
        money=round(price * part),
        labels=LABEL,
        minutes=round(live.seconds_per_label / 60 * LABEL * part),
    )


def of_judge(judge: Judge, amount: int, labels: int) -> list[Purchase]:
    """A purse of `amount` micros for so many labels; nothing where the judge is free."""
    if not costs(judge) or not labels:
        return []
    return [
        Purchase("planned:judge", Spender.JUDGES, amount, labels=labels * LABEL, judge_id=judge.pk)
    ]


def _planned(work: Work, rows: Iterable[Row]) -> list[Purchase]:
    return [
        _purchase(work.live, f"planned:{row.pk}:{place}", expert=row.expert)
        for row in rows
        for place in range(row.places)
    ]


def of_audit(work: Work, rows: Iterable[Row]) -> list[Purchase]:
    """What is set aside for places of the audit arm until they are there."""
    return [
        _purchase(work.live, subject, expert=row.expert)
        for row in rows
        for subject in audit_subjects(work, [row.pk])
    ]


def audit_subjects(work: Work, instances: Iterable[int]) -> list[str]:
    """The subjects of `of_audit` of these instances."""
    places = len(cohorts_of(work.protocol, work.protocol.overlap))
    return [f"{AUDIT}{pk}:{place}" for pk in instances for place in range(places)]


def audited_in(subject: str) -> int:
    """The instance that a subject of `of_audit` is about."""
    return int(subject.split(":")[1])


def _set_aside(work: Work, rows: Iterable[Row]) -> set[int]:
    """Those of the rows whose places are paid for already. One query."""
    subjects = audit_subjects(work, [row.pk for row in rows])
    held = Entry.objects.filter(
        budget__project=work.project, state=EntryState.RESERVED, subject__in=subjects
    )
    return {audited_in(subject) for subject in held.values_list("subject", flat=True).distinct()}


def how_many(work: Work, rows: Sequence[Row], *, first: Sequence[Purchase] = ()) -> int:
    """How many of the rows, in this order, can be paid after what comes `first`.

    What was set aside for rows of the audit arm is theirs. −1: not even what comes first.
    """
    paid = _set_aside(work, rows)
    buying = [row for row in rows if row.pk not in paid]
    left = affordable(work.project, [*first, *_planned(work, buying)]) - len(first)
    if left < 0:
        return -1
    count = 0
    for row in rows:
        left -= 0 if row.pk in paid else row.places
        if left < 0:
            break
        count += 1
    return count


def missing(work: Work, rows: Sequence[Row], first: Sequence[Purchase]) -> str:
    """What paying for these rows lacks, as the budget says it: the attempt is taken back."""
    try:
        with transaction.atomic():
            reserve_purchases(project=work.project, purchases=[*first, *_planned(work, rows)])
            transaction.set_rollback(True)
    except BudgetExceeded as error:
        return f"The audit arm cannot be paid. {error.message}"[:300]
    return ""
