"""Writing what was decided about a batch, with its money, in one transaction.

The audit arm is written and reserved first, people's places and the judge's purse together: where
a window cannot pay for it nothing of the batch is written.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from annotation.judges.models import JudgeRun
from annotation.queue.models import Arm, Slot
from core.exceptions import BudgetExceeded, Conflict
from routing.budgets.spending import release_purchases, reserve_purchases
from routing.decisions.services import Choice, decide

from . import money
from .asking import Planned, open_run, through_run
from .models import Stall
from .work import Work


class Raced(Exception):
    """Somebody else spent the money meanwhile: choose again."""


class Stalled(Exception):
    """Nothing more can be routed: why, and what to do, in words."""

    def __init__(self, stall: Stall, reason: str) -> None:
        super().__init__(reason)
        self.stall, self.reason = stall, reason


@dataclass(frozen=True)
class Written:
    """Counts by arm and destination, and the runs to be done now."""

    counts: dict[str, int]
    runs: list[JudgeRun] = field(default_factory=list)


@transaction.atomic
def write(
    work: Work, audit: Sequence[Choice], others: Sequence[Choice], asked: Planned | None
) -> Written:
    """Decisions, assignments, places and money; `asked` is what the judge is asked of the audit.

    Raises:
        Stalled: the audit arm or the seed cannot be paid; nothing was written.
        Raced: what could be paid a moment ago cannot any more; nothing was written.
    """
    _write_arm(work, audit, Stall.AUDIT)
    runs = []
    if asked is not None and asked.instances and through_run(asked.judge):
        runs.append(_open_run(work, asked))
    _write_arm(work, others, Stall.SEED if _seeding(others) else Stall.NONE)
    counts = Counter(f"{choice.arm}:{choice.destination}" for choice in (*audit, *others))
    return Written(dict(counts), runs)


def _seeding(choices: Iterable[Choice]) -> bool:
    return any(choice.arm == Arm.SEED for choice in choices)


def _write_arm(work: Work, choices: Sequence[Choice], stall: Stall) -> None:
    if not choices:
        return
    decided = decide(
        project=work.project,
        choices=choices,
        router=work.live.router,
        overlap=work.protocol.overlap,
        judge=work.judge.annotator.pk,
    )
    if stall == Stall.AUDIT:
        # Their places take over, in this transaction, what was set aside for them.
        release_purchases(project=work.project, subjects=money.audit_subjects(work, decided))
    reserve_slots(work, decided, stall)


def reserve_slots(work: Work, instances: Iterable[int], stall: Stall) -> None:
    """Set the money of the open places of these instances aside.

    Raises:
        Stalled, Raced: a window cannot pay for all of them.
    """
    slots = Slot.objects.filter(instance__in=list(instances), state="open").select_related("pool")
    purchases = money.of_slots(work.live, slots, len(work.criteria))
    if not purchases:
        return
    try:
        reserve_purchases(project=work.project, purchases=purchases)
    except BudgetExceeded as error:
        if stall == Stall.NONE:
            raise Raced from error
        raise Stalled(stall, said(stall, error)) from error


def _open_run(work: Work, asked: Planned) -> JudgeRun:
    try:
        return open_run(work.project, asked)
    except BudgetExceeded as error:
        raise Stalled(Stall.AUDIT, said(Stall.AUDIT, error)) from error
    except Conflict as error:
        raise Stalled(Stall.JUDGE, error.message) from error


SAID = {
    Stall.AUDIT: "The audit arm cannot be paid. ",
    Stall.SEED: "The seed cannot be paid. ",
    Stall.JUDGE: "The judge cannot be paid. ",
}


def said(stall: Stall, error: BudgetExceeded) -> str:
    """What is missing, as the budget says it."""
    return f"{SAID[stall]}{error.message}"[:300]
