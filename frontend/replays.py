"""A replay as its page shows it: names, curves and rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.judges.models import Judge
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from routing.lab.contestants import ALL_HUMAN, ALL_JUDGE, ORACLE, RANDOM, SIGNAL
from routing.lab.replay import BUDGETS, CONSENSUS, HELD_OUT
from routing.lab.services import Wanted

from .charts import Chart, both_widths
from .numbers import local
from .replay_words import sensitivity_of, stake_verdicts

NAMES: Mapping[str, str | Promise] = {
    ALL_HUMAN: gettext_lazy("All human"),
    ALL_JUDGE: gettext_lazy("All judge"),
    RANDOM: gettext_lazy("Random mix"),
    ORACLE: gettext_lazy("Oracle"),
    "hyper-linear": gettext_lazy("HyPER, linear"),
    "hyper-quadratic": gettext_lazy("HyPER, quadratic"),
    "hyper-boosted": gettext_lazy("HyPER, boosted trees"),
    "influence": gettext_lazy("Influence of a label"),
    "learned": gettext_lazy("Learned combination"),
    "learned-error": gettext_lazy("Learned error"),
    "judge-uncertainty": gettext_lazy("Judge uncertainty"),
    "reward-uncertainty": gettext_lazy("Reward-model uncertainty"),
    "small-margin": gettext_lazy("Small margin"),
    "d-optimal": gettext_lazy("D-optimal design"),
    f"{SIGNAL}judge_flip": gettext_lazy("Swap flip alone"),
    f"{SIGNAL}judge_confidence": gettext_lazy("Judge confidence alone"),
    f"{SIGNAL}panel_disagreement": gettext_lazy("Panel disagreement alone"),
    f"{SIGNAL}judge_gap": gettext_lazy("Order gap alone"),
    f"{SIGNAL}panel_spread": gettext_lazy("Panel spread alone"),
}
TRUTHS: Mapping[str, str | Promise] = {
    HELD_OUT: gettext_lazy("votes held out from what is bought"),
    CONSENSUS: gettext_lazy("the strict majority of all votes"),
}
# Colour and dash of a line; what is not named here stays grey and dashed.
_STYLES = {
    "learned": ("var(--human)", [1, 0]),
    "hyper-linear": ("var(--accent)", [1, 0]),
    "influence": ("var(--good)", [1, 0]),
    "judge-uncertainty": ("var(--bad)", [1, 0]),
    ORACLE: ("var(--ink)", [6, 3]),
    RANDOM: ("var(--ink-3)", [2, 3]),
    ALL_HUMAN: ("var(--b)", [10, 4]),
    ALL_JUDGE: ("var(--judge)", [10, 4]),
}
_GREYS = ([5, 2], [3, 2], [8, 2, 2, 2], [4, 4], [1, 2], [7, 3], [2, 2])
# Lines whose interval is drawn; of all others it is in the table.
_BANDS = ("learned", RANDOM)
_HEIGHT = 340


@dataclass(frozen=True)
class Level:
    """One level of the picture: its curves, or the sentence why there are none."""

    key: str
    chart: Chart | None
    sentence: str


def name_of(key: str) -> str:
    return str(NAMES.get(key, key))


def levels(figures: Mapping[str, Any]) -> list[Level]:
    """Labels, and reward models where these data can tell mixes apart."""
    found = [Level("label", _curves(figures, "label_accuracy", _("label accuracy, %")), "")]
    sensitivity = figures["sensitivity"]
    if sensitivity is None:
        return found
    can_tell = sensitivity["can_tell"]
    y = _("accuracy of the reward model, %")
    chart = _curves(figures, "model_accuracy", y) if can_tell else None
    return [*found, Level("model", chart, sensitivity_of(figures))]


def tables(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One table a budget: what it pays, its rows in order of label accuracy, its verdict."""
    found, verdicts = [], stake_verdicts(figures, name_of)
    for stake, verdict in zip(figures["stakes"], verdicts, strict=True):
        rows = [
            row | {"title": name_of(row["key"])}
            for row in figures["points"]
            if row["budget"] == stake["budget"]
        ]
        rows.sort(key=lambda row: -(row["label_accuracy"] or {"value": 0})["value"])
        found.append({"stake": stake, "rows": rows, "verdict": verdict})
    return found


def wanted_of(sent: QueryDict, judges: list[Judge], criteria: list[Criterion]) -> Wanted:
    """What the form asks for.

    Raises:
        InvalidInput: no judge, or a number that is none.
    """
    judge = next((j for j in judges if str(j.pk) == sent.get("judge")), None)
    if judge is None:
        raise InvalidInput(_("Choose the judge whose labels people's are held against."))
    return Wanted(
        judge=judge,
        criterion=next((c for c in criteria if c.key == sent.get("criterion")), None),
        strategies=[key for key in sent.getlist("strategy") if key],
        budgets=_shares(sent.get("budgets", "")),
        seeds=_whole(sent.get("seeds", "10")),
        truth=sent.get("truth", HELD_OUT),
        name=sent.get("name", ""),
    )


def budgets_shown() -> str:
    return ", ".join(f"{100 * share:g}" for share in BUDGETS)


def _shares(text: str) -> list[float]:
    parts = text.replace("%", " ").replace(";", ",").replace(",", " ").split()
    try:
        return [float(part) / 100 for part in parts]
    except ValueError:
        raise InvalidInput(_("Give budgets as per cent, such as 10, 25, 50.")) from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(_("Give the number of seeds as a whole number.")) from None


def _curves(figures: Mapping[str, Any], level: str, y: str) -> Chart | None:
    """Accuracy against cost, one line a strategy; people and judge alone as lines across."""
    points = [row for row in figures["points"] if row[level]]
    if not points:
        return None
    keys = list(dict.fromkeys(row["key"] for row in points))
    styles = _styles(keys)
    values = _values(points, level)
    across = [v for v in values if v["key"] in (ALL_HUMAN, ALL_JUDGE)]
    lines = [v for v in values if v["key"] not in (ALL_HUMAN, ALL_JUDGE)]
    names = [name_of(key) for key in keys]
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(domain=names, range=[styles[key][0] for key in keys]),
        legend=alt.Legend(
            title=None,
            orient="bottom",
            columns=2,
            symbolType="stroke",
            symbolOpacity=1,
            symbolSize=250,
            columnPadding=14,
            symbolStrokeWidth=2.5,
        ),
    )
    dash = alt.StrokeDash(
        "name:N", scale=alt.Scale(domain=names, range=[styles[key][1] for key in keys])
    )
    layers = _layers(lines, across, colour, dash, figures["unit"], y)
    label = _("%(level)s against cost, one line for each strategy") % {"level": y}
    head = [_("Strategy"), _("cost"), y, _("%(share)s interval") % {"share": "95 %"}]
    rows = [
        [
            v["name"],
            local(f"{v['cost']:.0f}"),
            local(f"{v['v']:.1f}"),
            local(f"{v['low']:.1f} – {v['high']:.1f}"),
        ]
        for v in values
    ]
    return both_widths(alt.layer(*layers), label, _HEIGHT, head, rows)


def _layers(  # noqa: PLR0917
    lines: list[dict[str, Any]],
    across: list[dict[str, Any]],
    colour: alt.Color,
    dash: alt.StrokeDash,
    unit: str,
    y: str,
) -> list[Any]:
    x = alt.X(
        "cost:Q",
        title=_("cost, %(unit)s") % {"unit": unit},
        axis=alt.Axis(grid=False, tickCount=6),
        scale=alt.Scale(zero=False, nice=False, padding=10),
    )
    scale = alt.Scale(zero=False, padding=6)
    up = alt.Y("v:Q", title=y, scale=scale, axis=alt.Axis(tickCount=6))
    base = alt.Chart(alt.Data(values=lines))
    banded = [v for v in lines if v["key"] in _BANDS]
    band = alt.Chart(alt.Data(values=banded)).mark_area(opacity=0.13)
    rules = alt.Chart(alt.Data(values=across[:2])).mark_rule(strokeWidth=1.5)
    return [
        band.encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q", color=colour),
        rules.encode(y=up, color=colour, strokeDash=dash),
        base.mark_line(strokeWidth=2).encode(x=x, y=up, color=colour, strokeDash=dash),
        base.mark_point(filled=True, size=28, opacity=1).encode(x=x, y=up, color=colour),
    ]


def _values(points: list[dict[str, Any]], level: str) -> list[dict[str, Any]]:
    seen: set[str] = set()
    found = []
    for row in points:
        if row["key"] in (ALL_HUMAN, ALL_JUDGE):
            # The same at every budget.
            if row["key"] in seen:
                continue
            seen.add(row["key"])
        interval = row[level]
        found.append(
            {
                "key": row["key"],
                "name": name_of(row["key"]),
                "cost": row["cost"],
                "v": 100 * interval["value"],
                "low": 100 * interval["low"],
                "high": 100 * interval["high"],
            }
        )
    return found


def _styles(keys: list[str]) -> dict[str, tuple[str, list[int]]]:
    grey = iter(_GREYS * 3)
    return {key: _STYLES.get(key) or ("var(--ink-3)", next(grey)) for key in keys}
