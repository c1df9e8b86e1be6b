"""Charts as SVG made on the server: no chart script on the page, no inline style.

Colours are the stylesheet's variables, written as presentation attributes, so that one SVG is
right in light and in dark. Each chart comes in two widths, because text in an SVG shrinks with it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Any

import altair as alt
import vl_convert
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from frontend.numbers import local

WIDE, NARROW = 720, 290
MOST_POINTS = 400
COLOURS = {
    "ours": "var(--human)",
    "judge": "var(--judge)",
    "people": "var(--b)",
    "other": "var(--ink-3)",
    "accent": "var(--accent)",
    "good": "var(--good)",
    "bad": "var(--bad)",
}

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One chart with its words and the table that holds the same figures."""

    label: str
    wide: SafeString
    narrow: SafeString
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Line:
    """Points under a name; `kind` colours it (ours, judge, people, other), `faint` stays behind."""

    name: str
    points: Points
    kind: str
    faint: bool = False


@dataclass(frozen=True)
class Bar:
    """A value with its interval; `kind` colours it (ours, judge, people, other)."""

    name: str
    value: float
    low: float
    high: float
    kind: str


def line_chart(lines: Sequence[Line], *, x: str, y: str, label: str) -> Chart | None:
    """Lines of (x, y) points; None where there is no point."""
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    values = [
        {"x": at, "y": value, "name": line.name, "opacity": 0.3 if line.faint else 1}
        for line in lines
        for at, value in thin(line.points)
    ]
    names, colours = [line.name for line in lines], [COLOURS[line.kind] for line in lines]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_line(strokeWidth=2, strokeJoin="round", clip=True)
        .encode(
            x=alt.X("x:Q", title=x, axis=alt.Axis(grid=False, tickCount=6), scale=_tight()),
            y=alt.Y("y:Q", title=y, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=False)),
            opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(title=None, orient="top", symbolType="stroke"),
            ),
        )
    )
    rows = [
        [line.name, local(f"{at:g}"), local(f"{value:.4f}")]
        for line in lines
        if not line.faint
        for at, value in line.points[-50:]
    ]
    return both_widths(chart, label, 250, [_("Line"), x, y], rows)


def _tight() -> alt.Scale:
    """An axis that begins and ends with the data."""
    return alt.Scale(zero=False, nice=False)


def interval_chart(bars: Sequence[Bar], *, x: str, label: str) -> Chart | None:
    """A dot with its interval per row, in the order given; values are shares shown in per cent."""
    if not bars:
        return None
    values = [
        {"name": b.name, "v": 100 * b.value, "low": 100 * b.low, "high": 100 * b.high, "k": b.kind}
        for b in bars
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False)),
        color=alt.Color(
            "k:N",
            legend=None,
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        ),
    )
    scale = alt.Scale(zero=False, nice=True, padding=8)
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round").encode(
        x=alt.X("low:Q", title=x, scale=scale, axis=alt.Axis(tickCount=6)), x2="high:Q"
    )
    dot = base.mark_point(filled=True, size=95, opacity=1).encode(x=alt.X("v:Q", scale=scale))
    rows = [
        [
            b.name,
            local(f"{100 * b.value:.1f} %"),
            local(f"{100 * b.low:.1f} – {100 * b.high:.1f} %"),
        ]
        for b in bars
    ]
    interval = _("%(share)s interval") % {"share": "95 %"}
    return both_widths(alt.layer(rule, dot), label, 30 * len(bars), [_("Mix"), x, interval], rows)


def smooth(line: Points, window: int) -> list[tuple[float, float]]:
    """Each point as the mean of itself and up to `window` - 1 points before it."""
    values = [value for _, value in line]
    return [
        (at, fmean(values[max(0, place + 1 - window) : place + 1]))
        for place, (at, _) in enumerate(line)
    ]


def thin(line: Points) -> Points:
    """At most `MOST_POINTS` points, evenly taken, the last one always."""
    every = -(-len(line) // MOST_POINTS)
    return line if every <= 1 else [*line[:-1:every], line[-1]]


def both_widths(
    chart: Any, label: str, height: int, head: list[str], rows: list[list[str]]
) -> Chart:
    """The chart as SVG in both widths, with its words and its table."""
    wide, narrow = (_svg(chart, width, height) for width in (WIDE, NARROW))
    return Chart(label, wide, narrow, head, rows)


def one_width(
    chart: Any, label: str, size: tuple[int, int], head: list[str], rows: list[list[str]]
) -> Chart:
    """A chart so small that one picture of (width, height) is right on every screen."""
    picture = _svg(chart, *size)
    return Chart(label, picture, picture, head, rows)


def _svg(chart: Any, width: int, height: int) -> SafeString:
    sized = chart.properties(width=width, height=height, padding=4)
    sized = sized.configure(**_config())
    spec = json.dumps(sized.to_dict(), sort_keys=True)
    return mark_safe(_render(spec, local("."), local(",")))  # noqa: S308 - see below


def _config() -> dict[str, Any]:
    words = {"labelColor": "var(--ink-2)", "titleColor": "var(--ink-2)", "labelFontSize": 12}
    axis = words | {
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "domainColor": "var(--line-strong)",
        "tickColor": "var(--line-strong)",
        "gridColor": "var(--line)",
        "labelPadding": 6,
        "titlePadding": 10,
    }
    legend = words | {"labelFontSize": 12.5, "offset": 6}
    return {
        "background": "transparent",
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
    }


@lru_cache(maxsize=256)
def _render(spec: str, decimal: str, thousands: str) -> str:
    """SVG of a Vega-Lite specification; Vega escapes every text in it."""
    figures = {"decimal": decimal, "thousands": thousands, "grouping": [3], "currency": ["", ""]}
    return str(vl_convert.vegalite_to_svg(spec, format_locale=figures))
