"""The frontier as its page shows it: the plan looked at, the saved one, and the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from accounts.models import Project
from frontend.numbers import local
from routing.decisions.models import Router
from routing.frontier.curve import Line
from routing.frontier.plan import Plan, Spending, first_limit, plan
from routing.frontier.selectors import Payer, payers_of, sheet_of, spending_of
from routing.frontier.sheet import MODEL, Sheet
from routing.live.models import LiveRouting

from .picture import Picture, picture, words
from .wishes import Scale, axis_of, chosen, said, scale, unit_of, wished

WIDE, NARROW = (720, 340), (340, 300)
# Of one tag so many rows are shown.
MOST_GROUPS = 12
TITLES = {"domain": lazy("Domain"), "complexity": lazy("Complexity"), "safety": lazy("Safety")}


@dataclass(frozen=True)
class GroupRow:
    """One word of a tag: instances to people, of how many, and under the saved budget."""

    name: str
    people: int
    of: int
    percent: float
    before: int


@dataclass(frozen=True)
class TableRow:
    """A budget, how many it sends to people, and what every line says there."""

    limit: str
    people: int
    shares: list[float]


@dataclass(frozen=True)
class Shown:
    """Everything the page needs of the frontier."""

    sheet: Sheet
    payers: list[Payer]
    payer: Payer | None
    money: Spending
    plan: Plan
    saved: Plan | None
    scale: Scale
    limit: str
    minimum: str
    too_low: bool
    wide: Picture
    narrow: Picture
    legend: list[tuple[str, str]]
    groups: list[tuple[str, list[GroupRow]]]
    notes: list[str]
    axis: str
    saved_limit: str
    sentence: str

    @property
    def model_level(self) -> bool:
        return self.sheet.kind == MODEL

    @property
    def label(self) -> str:
        """The picture in words; its figures follow as a table."""
        return _("%(title)s for each line, against the budget. %(sentence)s.") % {
            "title": _("Predicted accuracy of a reward model")
            if self.model_level
            else _("Expected share of right labels"),
            "sentence": self.sentence,
        }

    @property
    def currency(self) -> str:
        return (self.payer.allowance.currency if self.payer else "") or "USD"

    @property
    def total(self) -> int:
        return self.plan.people_money + self.plan.judge_money

    @property
    def table(self) -> list[TableRow]:
        """The lines at eleven budgets."""
        allowance = self.payer.allowance if self.payer else None
        rows = []
        for place in np.linspace(0, len(self.sheet), 11).round().astype(int).tolist():
            values = [float(np.interp(place, line.at, line.value)) for line in self.sheet.lines]
            rows.append(TableRow(said(int(self.money.needed[place]), allowance), place, values))
        return rows

    @property
    def cautions(self) -> list[str]:
        return cautions_of(self.sheet)

    @property
    def prepared(self) -> Any:
        return parse_datetime(self.sheet.facts["prepared"])

    @property
    def is_saved(self) -> bool:
        return self.saved is not None and self.saved.limit == self.plan.limit

    @property
    def change_points(self) -> float | None:
        """Points of performance above the saved budget."""
        return None if self.saved is None else 100 * (self.plan.value - self.saved.value)

    @property
    def more_people(self) -> int:
        return self.plan.instances - (self.saved.instances if self.saved else 0)


def shown(project: Project, router: Router | None, wish: Mapping[str, str]) -> Shown | None:
    """The frontier under what the form asks for; None before it was prepared.

    Raises:
        InvalidInput: the budget asked for is no amount.
        NotFound: the allowance asked for is not there.
    """
    sheet = sheet_of(router) if router else None
    if sheet is None:
        return None
    live = LiveRouting.objects.filter(project=project).first()
    return show(sheet, payers_of(project), live, wish)


def show(
    sheet: Sheet, payers: list[Payer], live: LiveRouting | None, wish: Mapping[str, str]
) -> Shown:
    """`shown` of what is read already."""
    payer = chosen(payers, wish.get("allowance"))
    money = spending_of(sheet, payer, live)
    saved = payer.allowance.limit if payer else None
    unit = unit_of(payer)
    limit = wished(wish, unit, otherwise=first_limit(money, saved))
    allowance = payer.allowance if payer else None
    seen = plan(sheet, money, limit)
    before = None if saved is None else plan(sheet, money, saved)
    return Shown(
        sheet=sheet,
        payers=payers,
        payer=payer,
        money=money,
        plan=seen,
        saved=before,
        scale=scale(money, unit, limit, saved),
        limit=said(limit, allowance),
        minimum=said(money.minimum, allowance),
        too_low=limit < money.minimum,
        wide=picture(sheet, money, limit=limit, saved=saved, width=WIDE[0], height=WIDE[1]),
        narrow=picture(sheet, money, limit=limit, saved=saved, width=NARROW[0], height=NARROW[1]),
        legend=legend_of(sheet),
        groups=_groups(seen, before),
        notes=notes_of(sheet),
        axis=axis_of(payer),
        saved_limit="" if saved is None else said(saved, allowance),
        sentence=_sentence(sheet, seen, said(limit, allowance)),
    )


def _groups(seen: Plan, before: Plan | None) -> list[tuple[str, list[GroupRow]]]:
    found = []
    for name, rows in seen.groups.items():
        old = {row.name: row.people for row in before.groups[name]} if before else {}
        kept = rows[:MOST_GROUPS]
        found.append(
            (
                str(TITLES[name]),
                [GroupRow(r.name, r.people, r.of, r.percent, old.get(r.name, 0)) for r in kept],
            )
        )
    return found


def _sentence(sheet: Sheet, seen: Plan, limit: str) -> str:
    """What a screen reader is told when the slider rests."""
    return _("%(limit)s: %(people)s of %(all)s instances to people, %(value)s predicted") % {
        "limit": limit,
        "people": local(f"{seen.instances:,}"),
        "all": local(f"{len(sheet):,}"),
        "value": local(f"{100 * seen.value:.1f} %"),
    }


def legend_of(sheet: Sheet) -> list[tuple[str, str]]:
    """(key, words) of each line, with how it was estimated where that differs."""
    named = words()
    rows = [(line.key, named[line.key]) for line in sheet.lines]
    seed = sheet.facts["dual"] if sheet.kind == MODEL else sheet.facts["used"]
    where = _("oracle, on %(n)s dual-labelled instances, rescaled") % {"n": local(f"{seed:,}")}
    return [(key, where if key == "oracle" else name) for key, name in rows]


def notes_of(sheet: Sheet) -> list[str]:
    """How each line was estimated, in sentences."""
    facts = sheet.facts
    keys = {line.key for line in sheet.lines}
    if sheet.kind == MODEL:
        notes = [
            _(
                "Lines are what the performance predictor says of a reward model trained on %(n)s "
                "labels of this mix: it was fitted on mixes of that size, so counts of the open "
                "instances are scaled to it. The random mix is its expected counts. The band is "
                "95 %% of the held-out mixes’ error around the prediction."
            )
            % {"n": local(f"{facts['seed']:,}")}
        ]
        if "oracle" in keys:
            notes.append(
                _(
                    "The oracle is not predicted but measured: reward models trained on the "
                    "dual-labelled instances, people’s labels first where the judge is wrong."
                )
            )
    else:
        notes = [
            _(
                "Expected share of right labels in the mix, people’s counted as right. How often "
                "the judge is wrong at each score was learned from %(n)s dual-labelled instances "
                "on which people do not tie; the band is 95 %% of resampled prompts and, where no "
                "error was seen, of what that leaves possible. Random and oracle follow from how "
                "often the judge is wrong."
            )
            % {"n": local(f"{facts['used']:,}")}
        ]
    if "judge-uncertainty" not in keys and facts["strategy"] != "judge-uncertainty":
        notes.append(
            _("Judge uncertainty is not drawn: the judge has not labelled most open instances.")
        )
    return notes


def cautions_of(sheet: Sheet) -> list[str]:
    """Where the lines are not to be believed: no signal, no room for an oracle, another world."""
    if sheet.kind != MODEL:
        return _flattering(sheet)
    found = []
    if no_signal(sheet):
        found.append(
            _(
                "This predictor cannot tell mixes apart here: on held-out mixes Spearman’s ρ is "
                "%(rho)s and R² %(r2)s. Take the order of the lines as chance; more dual-labelled "
                "instances or a larger proxy may help."
            )
            % {"rho": _two(sheet.facts["spearman"]), "r2": _two(sheet.facts["r2"])}
        )
    oracle = next((line for line in sheet.lines if line.key == "oracle"), None)
    if oracle is not None:
        found += _measured(sheet, oracle)
    return found


def _flattering(sheet: Sheet) -> list[str]:
    """How often the judge is wrong is measured where the router was fitted."""
    if sheet.facts["unseen"]:
        return []
    return [
        _(
            "The router was fitted on the instances that say how often the judge is wrong, so "
            "its line is flattering until the audit arm holds more labels."
        )
    ]


def _measured(sheet: Sheet, oracle: Line) -> list[str]:
    """What proxies measured on the dual-labelled instances says about the prediction."""
    found = []
    first, last, best = oracle.value[0], oracle.value[-1], oracle.value.max()
    chance = 1.96 * float(np.sqrt(2 * best * (1 - best) / sheet.facts["dual"]))
    if best - first < chance:
        found.append(
            _(
                "Even an oracle’s mix trains reward models of this size no better than chance can "
                "explain: %(best)s against %(first)s with the judge alone, where %(least)s points "
                "could be told on %(n)s instances. Differences between mixes cannot be told here."
            )
            % {
                "best": local(f"{100 * best:.1f} %"),
                "first": local(f"{100 * first:.1f} %"),
                "least": local(f"{100 * chance:.1f}"),
                "n": local(f"{sheet.facts['dual']:,}"),
            }
        )
    predicted = float(sheet.ours.value[-1])
    if abs(predicted - last) > 1.96 * sheet.facts["rmse"] + chance:
        found.append(
            _(
                "All to people is predicted at %(predicted)s; measured on the dual-labelled "
                "instances it is %(last)s: the open instances differ from those it was fitted on."
            )
            % {
                "predicted": local(f"{100 * predicted:.1f} %"),
                "last": local(f"{100 * last:.1f} %"),
            }
        )
    return found


def _two(value: float | None) -> str:
    return "–" if value is None else local(f"{value:.2f}").replace("-", "−")


def no_signal(sheet: Sheet) -> bool:
    """Whether the predictor cannot tell mixes apart on held-out ones."""
    facts = sheet.facts
    if sheet.kind != MODEL:
        return False
    r2, rho = facts["r2"], facts["spearman"]
    return r2 is None or rho is None or r2 <= 0 or rho < 0.1
