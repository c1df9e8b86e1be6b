"""The audit arm's money while the judge is asked about its batch, for the places it will get.

| moment                                   | what happens                                        |
|------------------------------------------|-----------------------------------------------------|
| before any judge is asked about a batch  | reserved with the judge's purse, both or nothing    |
| the batch is written                     | its places take it over in the same transaction     |
| a killed attempt is taken up             | still there; reserved anew for what is drawn again  |
| the batch is given up, or routing is off | given back                                          |
"""

from collections.abc import Iterable, Sequence

from django.db import transaction

from accounts.models import Project
from annotation.ledger.models import Entry, EntryState
from core.exceptions import BudgetExceeded
from routing.budgets.spending import release_purchases, reserve_purchases

from . import money
from .asking import Planned
from .models import Stall
from .work import Row, Work, waiting
from .writing import Stalled, said


@transaction.atomic
def set_aside(work: Work, rows: Sequence[Row], judged: Planned) -> None:
    """Set the places of these rows aside, if the judge can be paid beside them; again is the same.

    `judged`: what asking the judge about them costs, whose purse is taken right after.

    Raises:
        Stalled: the budget cannot pay; nothing is set aside that was not before.
    """
    if not rows:
        return
    give_back(work.project, [row.pk for row in rows])
    labels = len(judged.instances) * len(judged.criteria)
    first = money.of_judge(judged.judge, judged.most, labels)
    if money.how_many(work, rows, first=first) < len(rows):
        raise Stalled(Stall.AUDIT, money.missing(work, rows, first))
    try:
        reserve_purchases(project=work.project, purchases=money.of_audit(work, rows))
    except BudgetExceeded as error:
        # Somebody was faster, between the look and the lock.
        raise Stalled(Stall.AUDIT, said(Stall.AUDIT, error)) from error


def give_back(project: Project, instances: Iterable[int] | None = None) -> int:
    """Give back what is set aside for these instances, or for all; returns how many entries."""
    wanted = None if instances is None else set(instances)
    held = _held(project)
    subjects = [
        subject for subject in held if wanted is None or money.audited_in(subject) in wanted
    ]
    return release_purchases(project=project, subjects=subjects) if subjects else 0


def give_up(project: Project) -> int:
    """Give back what is set aside for instances that wait no more; returns how many entries."""
    held = {money.audited_in(subject) for subject in _held(project)}
    if not held:
        return 0
    still = set(waiting(project).filter(pk__in=held).values_list("pk", flat=True))
    return give_back(project, held - still)


def _held(project: Project) -> list[str]:
    rows = Entry.objects.filter(
        budget__project=project, state=EntryState.RESERVED, subject__startswith=money.AUDIT
    )
    return list(rows.values_list("subject", flat=True).distinct())
