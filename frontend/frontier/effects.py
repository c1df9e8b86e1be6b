"""A router's columns as dots with whiskers, its learning curve, and what to be warned of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from frontend.charts import Chart, Line, line_chart
from frontend.numbers import local
from routing.decisions.models import Router
from routing.frontier.explanation import (
    FEW,
    Effect,
    dropped_of,
    figure_changes,
    models_of,
    notes_of,
)
from routing.strategies.registry import SPECS

WIDTH = 180
# Columns shown at once; all of them can be unfolded.
MOST_EFFECTS = 20


@dataclass(frozen=True)
class Whisker:
    """An effect and its place on a scale that all rows share."""

    effect: Effect
    zero: str
    dot: str
    start: str
    length: str

    @property
    def side(self) -> str:
        """Which way it clearly points: to people, to the judge, or neither."""
        if not self.effect.clear:
            return ""
        return "human" if self.effect.contrast > 0 else "judge"


def strongest(effects: Sequence[Effect]) -> list[Effect]:
    """The heaviest in either direction, in their order."""
    heaviest = sorted(effects, key=lambda each: -abs(each.contrast))[:MOST_EFFECTS]
    return sorted(heaviest, key=lambda each: -each.contrast)


def whiskers(effects: Sequence[Effect]) -> list[Whisker]:
    """All on one scale, from the lowest end of a whisker to the highest."""
    ends = [0.0]
    for each in effects:
        ends += [value for value in (each.contrast, each.low, each.high) if value is not None]
    low, high = min(ends), max(ends)
    room = (high - low) or 1.0

    def place(value: float) -> float:
        return 8 + (WIDTH - 16) * (value - low) / room

    rows = []
    for each in effects:
        left = each.contrast if each.low is None else each.low
        right = each.contrast if each.high is None else each.high
        rows.append(
            Whisker(
                each,
                f"{place(0):.1f}",
                f"{place(each.contrast):.1f}",
                f"{place(left):.1f}",
                f"{place(right) - place(left):.1f}",
            )
        )
    return rows


def titled(router: Router) -> str:
    """The strategy by its title; one that is no more, by its key."""
    spec = SPECS.get(router.strategy)
    return spec.title if spec else router.strategy


def kind_name(kind: str) -> str:
    names = {"linear": _("linear"), "quadratic": _("quadratic"), "boosted": _("boosted trees")}
    return names.get(kind, kind)


def used_kind(router: Router) -> str:
    """The kind of predictor the router decides by."""
    model = router.parameters.get("predictor", {}).get("model", {})
    return str(router.report.get("model") or model.get("kind", "linear"))


def named_models(router: Router) -> list[tuple[str, dict[str, Any]]]:
    """Held-out figures of each kind tried, by its name; `used` marks the one in use."""
    used = used_kind(router)
    return [
        (kind_name(kind), {**found, "used": kind == used})
        for kind, found in models_of(router).items()
    ]


def named_figures(now: Router, before: Router | None) -> list[dict[str, Any]]:
    """Figures of two versions with their names."""
    names = {
        "dual_labelled": _("dual-labelled"),
        "prompts": _("prompts"),
        "disagreements": _("judge wrong"),
        "spearman": "ρ",
        "r2": "R²",
        "rmse": "RMSE",
    }
    return [
        {"title": names[row.name], "before": row.before, "now": row.now}
        for row in figure_changes(now, before)
    ]


def curve_chart(router: Router) -> Chart | None:
    """Held-out error against how many mixes were fitted; None without a predictor."""
    colours = iter(("judge", "people", "other"))
    used = used_kind(router)
    lines = []
    for kind, found in models_of(router).items():
        curve = [(float(fit["mixes"]), 100 * fit["rmse"]) for fit in found["learning_curve"]]
        lines.append(Line(kind_name(kind), curve, "ours" if kind == used else next(colours)))
    return line_chart(
        lines,
        x=_("mixes fitted"),
        y=_("error, points"),
        label=_("Held-out error of the performance predictor against the number of mixes"),
    )


def warnings_of(router: Router) -> list[str]:
    """Sentences: few labels, no signal, and what the fit itself had to say."""
    found = []
    if 0 < router.dual_labelled < FEW:
        found.append(
            ngettext(
                "Fitted on %(n)s dual-labelled instance only: take its figures as rough.",
                "Fitted on %(n)s dual-labelled instances only: take its figures as rough.",
                router.dual_labelled,
            )
            % {"n": local(f"{router.dual_labelled:,}")}
        )
    r2, rho = router.report.get("r2"), router.report.get("spearman")
    if "rmse" in router.report and (r2 is None or rho is None or r2 <= 0 or rho < 0.1):
        found.append(
            _(
                "This predictor cannot tell mixes apart: on held-out mixes it orders them no "
                "better than chance."
            )
        )
    dropped = dropped_of(router)
    if dropped:
        found.append(_("Not used: %(features)s.") % {"features": "; ".join(dropped)})
    return [*found, *notes_of(router)]
