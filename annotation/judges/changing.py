"""What may change of a judge that is there: its prices, and that it is asked no more."""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .models import Judge, JudgeRun, RunState, Stage

PRICES = ("price_per_1k_input_micros", "price_per_1k_output_micros", "price_per_call_micros")


@transaction.atomic
def set_prices(*, judge: Judge, actor: User, **prices: int) -> Judge:
    """What calls cost from now on, in micros; calls that were made keep what they cost.

    Raises:
        InvalidInput: a price is missing or negative.
    """
    if set(prices) != set(PRICES) or min(prices.values()) < 0:
        raise InvalidInput(_("Enter the prices as amounts from 0."))
    for name, value in prices.items():
        setattr(judge, name, value)
    judge.price_known = True
    judge.save(update_fields=[*prices, "price_known"])
    _note("judge priced", judge, actor, **prices)
    return judge


@transaction.atomic
def retire(*, judge: Judge, actor: User) -> Judge:
    """Ask it no more; its labels stay.

    Raises:
        Conflict: it is being asked.
    """
    going = JudgeRun.objects.filter(judge=judge, state__in=(RunState.WAITING, RunState.RUNNING))
    if going.exists():
        raise Conflict(_("The judge is being asked: stop that run first."))
    judge.stage = Stage.RETIRED
    judge.save(update_fields=["stage"])
    _note("judge retired", judge, actor)
    return judge


@transaction.atomic
def bring_back(*, judge: Judge, actor: User) -> Judge:
    """Let a retired judge be asked again."""
    Judge.objects.filter(pk=judge.pk, stage=Stage.RETIRED).update(stage=Stage.ACTIVE)
    judge.refresh_from_db(fields=["stage"])
    _note("judge brought back", judge, actor)
    return judge


def _note(action: str, judge: Judge, actor: User, **data: int) -> None:
    record(action=action, actor=actor, project=judge.project, target=f"judge {judge.pk}", **data)
