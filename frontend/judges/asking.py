"""The form that asks a judge: what was chosen, and what it will take."""

from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.judges import selecting
from annotation.judges.estimating import Estimate, estimate
from annotation.judges.models import Judge
from annotation.judges.pricing import use_batch_prices
from annotation.judges.selecting import selected
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput, NotFound

from .forms import micros, text_of, whole

SELECTIONS: dict[str, Any] = {
    selecting.UNLABELLED: gettext_lazy("all without a label of this judge"),
    selecting.ALL: gettext_lazy("all"),
    selecting.STALE: gettext_lazy("those with a label under an older guideline"),
    selecting.FAILED: gettext_lazy("those whose calls failed"),
    selecting.TAG: gettext_lazy("those with the tag below"),
}


@dataclass(frozen=True)
class Wish:
    """What somebody wants a judge to be asked. `limit_micros`: of a new budget named `name`."""

    criteria: list[Criterion]
    selection: dict[str, Any]
    budget: Budget | None = None
    name: str = ""
    limit_micros: int = 0
    trial: bool = False
    retry_unknown: bool = False
    batch: bool = False


@dataclass(frozen=True)
class Forecast:
    """An estimate beside the money that is there. `left_micros` is None without a budget.

    `hidden`: the fields that ask for just this.
    """

    estimate: Estimate
    left_micros: int | None
    currency: str
    hidden: list[tuple[str, str]] = field(default_factory=list)

    @property
    def short(self) -> bool:
        """What is expected does not fit; the run will stop where the money ends."""
        return self.left_micros is not None and self.left_micros < self.estimate.expected_micros

    @property
    def tight(self) -> bool:
        """The most it could cost does not fit, although what is expected does."""
        return (
            not self.short
            and self.left_micros is not None
            and self.left_micros < self.estimate.most_micros
        )


def wish_of(judge: Judge, criteria: list[Criterion], form: QueryDict) -> Wish:
    """The form as it was sent.

    Raises:
        InvalidInput, NotFound: a field says what is not there.
    """
    keys = form.getlist("criterion")
    chosen = [each for each in criteria if each.key in keys]
    if not chosen:
        raise InvalidInput(_("Choose what the judge is asked: one criterion at least."))
    limit = micros(form, "limit")
    return Wish(
        criteria=chosen,
        selection=_selection(form),
        budget=None if limit else _budget(judge, text_of(form, "budget")),
        name=text_of(form, "budget_name") or _("Judges"),
        limit_micros=limit,
        trial=form.get("trial") == "on",
        retry_unknown=form.get("retry_unknown") == "on",
        batch=form.get("batch") == "on",
    )


def _selection(form: QueryDict) -> dict[str, Any]:
    of = form.get("of", selecting.UNLABELLED)
    if of not in SELECTIONS:
        raise InvalidInput(_("Choose which instances the judge is asked about."))
    selection: dict[str, Any] = {"of": of}
    if of == selecting.TAG:
        selection["tag"] = text_of(form, "tag")
        if not selection["tag"]:
            raise InvalidInput(_("Name the tag."))
    if most := whole(form, "most"):
        selection["most"] = most
    return selection


def _budget(judge: Judge, raw: str) -> Budget | None:
    if not raw:
        return None
    fits = raw.isascii() and raw.isdigit() and len(raw) < 19
    found = Budget.objects.filter(project=judge.project_id, pk=int(raw)).first() if fits else None
    if found is None:
        raise NotFound(_("There is no such budget in this project."))
    return found


def forecast_of(judge: Judge, wish: Wish, form: QueryDict) -> Forecast:
    """What it will take, and what is left to pay it.

    Raises:
        InvalidInput: the judge cannot be asked like this.
    """
    ids = list(selected(judge, wish.criteria, wish.selection).values_list("pk", flat=True))
    if wish.batch:
        use_batch_prices(judge)
    budget = wish.budget
    left = wish.limit_micros or None
    if budget is not None:
        left = budget.limit - budget.settled - budget.reserved - budget.unknown
    return Forecast(
        estimate=estimate(judge, wish.criteria, ids),
        left_micros=left,
        currency=budget.currency if budget else "",
        hidden=[(name, value) for name, values in form.lists() for value in values if value],
    )
