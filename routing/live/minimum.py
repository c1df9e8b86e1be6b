"""The least a budget must hold while a project routes live: its part of the audit arm."""

from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.ledger.models import Unit
from annotation.ledger.several import quantity
from core.exceptions import InvalidInput
from routing.budgets.models import Allowance
from routing.budgets.spending import Purchase, covers
from routing.budgets.windows import open_window
from routing.strategies import audit

from . import money
from .models import LiveRouting, Mode
from .work import Work, waiting


def check_audit_arm(allowance: Allowance) -> None:
    """Refuse a limit that cannot pay for its part of the audit arm of what waits.

    A limit of 0 is meant to pay for nothing, and may be set.

    Raises:
        InvalidInput: naming the `minimum`, in millionths of the unit too.
    """
    live = LiveRouting.objects.exclude(mode=Mode.OFF).filter(project=allowance.project)
    row = live.select_related("project__protocol", "judge__annotator").first()
    if row is None or row.judge is None or not allowance.limit:
        return
    bought = audit_arm(Work(row))
    part = sum(_amount(allowance, each) for each in bought if covers(allowance, each))
    budget = open_window(allowance, timezone.now()).budget
    minimum = budget.settled + budget.reserved + budget.unknown + part
    if part and allowance.limit < minimum:
        raise InvalidInput(
            _(
                "What is spent or set aside and the audit arm of what waits take %(minimum)s: give "
                "at least that, or pause live routing first."
            )
            % {"minimum": quantity(minimum, allowance.unit, allowance.currency)},
            minimum=minimum,
        )


def audit_arm(work: Work) -> list[Purchase]:
    """What the audit arm of the waiting instances buys: people's labels and the judge's."""
    keys = list(waiting(work.project).order_by().values_list("pk", "external_id"))
    drawn = audit.draw(
        [key for _pk, key in keys], work.salt, work.live.audit_share, at_least_one=False
    )
    ids = [pk for (pk, _key), hit in zip(keys, drawn, strict=True) if hit]
    people = money.of_audit(work, work.rows(work.project.instances.filter(pk__in=ids)))
    count = len(ids) * len(work.criteria)
    judged = work.judge.annotator.price_micros * count
    return people + money.of_judge(work.judge, judged, count)


def _amount(allowance: Allowance, purchase: Purchase) -> int:
    by_unit = {
        Unit.MONEY: purchase.money,
        Unit.LABELS: purchase.labels,
        Unit.MINUTES: purchase.minutes,
    }
    return by_unit[Unit(allowance.unit)]
