"""The forms that start a trial or a search for criteria: what was chosen, and what it will cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.judges.models import Judge, Prompt, Stage
from annotation.judges.workbench.forecasting import Forecast
from annotation.judges.workbench.mining import Order
from annotation.judges.workbench.trials import Trial, bases_of
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from core.exceptions import ApplicationError, InvalidInput, NotFound
from routing.budgets.selectors import payable

from .fields import number

# Instances of a trial, pairs of a search and criteria that it asks for, unless somebody says else.
TRIED = 30
PAIRS, CANDIDATES = 30, 8
Wish = TypeVar("Wish", Trial, Order)


@dataclass(frozen=True)
class Told:
    """What it will cost, or why it cannot be started."""

    forecast: Forecast | None
    currency: str = ""
    problem: str = ""


def trial_of(project: Project, prompt: Prompt, sent: QueryDict) -> Trial:
    """The trial that a form asks for; fields that were not sent have their defaults.

    Raises:
        InvalidInput, NotFound: a field says what is not there.
    """
    return Trial(
        prompt=prompt,
        base=base_of(project, sent.get("base")),
        criterion=criterion_in(project, sent.get("criterion", "")),
        count=number(sent.get("count", ""), TRIED),
        budget=budget_of(project, sent.get("budget", "")),
    )


def order_of(project: Project, sent: QueryDict) -> Order:
    """The search for criteria that a form asks for.

    Raises:
        InvalidInput, NotFound: as `trial_of`.
    """
    own = [line.strip() for line in sent.get("own", "").splitlines() if line.strip()]
    return Order(
        judge=base_of(project, sent.get("base"), stage=Stage.ACTIVE),
        criterion=criterion_in(project, sent.get("criterion", "")),
        pairs=number(sent.get("pairs", ""), PAIRS),
        # A box that is not marked is not sent, nor is any field of a form not filled in yet.
        propose=sent.get("propose") == "on" or "pairs" not in sent,
        own=own,
        most=number(sent.get("most", ""), CANDIDATES),
        budget=budget_of(project, sent.get("budget", "")),
    )


def told(project: Project, wish: Callable[[], Wish], forecast: Callable[[Wish], Forecast]) -> Told:
    """What a wish will cost, in words where it cannot be had."""
    try:
        found = wish()
        budget = found.budget or payable(project).first()
        return Told(forecast(found), budget.currency if budget else "")
    except ApplicationError as error:
        return Told(None, problem=error.message)


def base_of(project: Project, typed: str | None, **fields: Any) -> Judge:
    """The judge chosen; the first that is offered where a form was not filled in yet.

    Raises:
        InvalidInput: none was chosen, or it cannot be asked.
    """
    offered = bases_of(project).filter(**fields)
    judge = offered.first() if typed is None else offered.filter(pk=number(typed, 0)).first()
    if judge is None:
        raise InvalidInput(_("Choose the judge that is asked."))
    return judge


def budget_of(project: Project, typed: str) -> Budget | None:
    """The budget chosen; none where none was."""
    if not typed:
        return None
    budget = payable(project).filter(pk=number(typed, 0)).first()
    if budget is None:
        raise NotFound(_("There is no such budget in this project."))
    return budget


def criterion_in(project: Project, key: str) -> Criterion:
    """The criterion of this key, or the main one."""
    criteria = criteria_of(project)
    if not criteria:
        raise NotFound(_("The project asks nothing yet: add a criterion."))
    return next((each for each in criteria if each.key == key), criteria[0])
