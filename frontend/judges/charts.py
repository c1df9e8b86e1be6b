"""Charts of the judge report."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from django.utils.translation import gettext as _

from frontend.charts import COLOURS, Chart, both_widths
from frontend.numbers import local

# Wide apart: the width of a text is only guessed where the chart is made.
LEGEND = alt.Legend(title=None, orient="top", symbolType="circle", columnPadding=32)
Bins = Sequence[Mapping[str, Any]]


def reliability_chart(before: Bins, after: Bins) -> Chart | None:
    """How often people agree at each confidence, raw and calibrated; the diagonal is perfect."""
    series = [
        (name, bins, colour)
        for name, bins, colour in (
            (_("as it says"), before, COLOURS["judge"]),
            (_("calibrated"), after, COLOURS["ours"]),
        )
        if bins
    ]
    values = [
        {"x": 100 * each["confidence"], "y": 100 * _share(each), "n": each["labels"], "k": name}
        for name, bins, _colour in series
        for each in bins
    ]
    if not values:
        return None
    colour = alt.Color(
        "k:N",
        scale=alt.Scale(
            domain=[name for name, *_rest in series], range=[each for *_rest, each in series]
        ),
        legend=LEGEND,
    )
    low = min(40.0, *(value["y"] - 4 for value in values))
    scale = alt.Scale(domain=[max(0.0, low), 100], nice=False)
    ideal = (
        alt.Chart(alt.Data(values=[{"x": 50, "y": 50}, {"x": 100, "y": 100}]))
        .mark_line(strokeDash=[4, 4], strokeWidth=1.5, color=COLOURS["other"])
        .encode(x=alt.X("x:Q", scale=alt.Scale(domain=[50, 100])), y=alt.Y("y:Q", scale=scale))
    )
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "x:Q",
            title=_("the judge's confidence, %"),
            scale=alt.Scale(domain=[50, 100]),
            axis=alt.Axis(grid=False, tickCount=5),
        ),
        y=alt.Y("y:Q", title=_("people agree, %"), scale=scale, axis=alt.Axis(tickCount=6)),
        color=colour,
    )
    line = base.mark_line(strokeWidth=2, opacity=0.5)
    dots = base.mark_point(filled=True, opacity=1).encode(
        size=alt.Size("n:Q", legend=None, scale=alt.Scale(range=[40, 220]))
    )
    rows = [
        [v["k"], local(f"{v['x']:.1f} %"), local(f"{v['y']:.1f} %"), local(f"{v['n']:,}")]
        for v in values
    ]
    head = [_("Which"), _("Confidence"), _("People agree"), _("Labels")]
    return both_widths(
        alt.layer(ideal, line, dots), _("Confidence against agreement"), 260, head, rows
    )


def _share(each: Mapping[str, Any]) -> float:
    right = each["right"]
    return float(right["value"] if isinstance(right, Mapping) else right)


def drift_chart(periods: Bins) -> Chart | None:
    """Agreement and flips of successive stretches with their intervals; None without two."""
    names = {"agree": _("agrees with people"), "flips": _("flips")}
    kinds = {"agree": "ours", "flips": "judge"}
    values = [
        {
            "n": number,
            "v": 100 * found["value"],
            "low": max(0.0, 100 * _or(found["low"], found["value"])),
            "high": min(100.0, 100 * _or(found["high"], found["value"])),
            "k": names[key],
        }
        for number, period in enumerate(periods, 1)
        for key in names
        if (found := period[key])
    ]
    if len({value["n"] for value in values}) < 2:
        return None
    there = [key for key in names if any(value["k"] == names[key] for value in values)]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("n:O", title=_("stretch of labels"), axis=alt.Axis(labelAngle=0, grid=False)),
        color=alt.Color(
            "k:N",
            scale=alt.Scale(
                domain=[names[key] for key in there],
                range=[COLOURS[kinds[key]] for key in there],
            ),
            legend=LEGEND,
        ),
    )
    scale = alt.Scale(zero=False, nice=True)
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round").encode(
        y=alt.Y("low:Q", title="%", scale=scale, axis=alt.Axis(tickCount=5)), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=1.5, opacity=0.5).encode(y=alt.Y("v:Q", scale=scale))
    dot = base.mark_point(filled=True, size=80, opacity=1).encode(y=alt.Y("v:Q", scale=scale))
    rows = [
        [
            str(v["n"]),
            v["k"],
            local(f"{v['v']:.1f} %"),
            local(f"{v['low']:.1f} – {v['high']:.1f} %"),
        ]
        for v in values
    ]
    head = [_("Stretch"), _("What"), _("Share"), _("%(share)s interval") % {"share": "95 %"}]
    return both_widths(
        alt.layer(rule, line, dot), _("Agreement and flips over time"), 220, head, rows
    )


def gap_chart(gaps: Sequence[Sequence[float]]) -> Chart | None:
    """How far apart the two orders of one pair are; None where nothing was asked twice."""
    if not any(count for _end, count in gaps):
        return None
    values = [{"at": local(f"≤ {end:.1f}"), "place": n, "n": c} for n, (end, c) in enumerate(gaps)]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=COLOURS["judge"])
        .encode(
            x=alt.X(
                "at:O",
                sort=alt.EncodingSortField("place"),
                title=_("gap between the orders"),
                axis=alt.Axis(labelAngle=0, ticks=False, labelOverlap="greedy"),
            ),
            y=alt.Y("n:Q", title=_("pairs"), axis=alt.Axis(tickCount=4, tickMinStep=1)),
        )
    )
    rows = [[str(v["at"]), local(f"{v['n']:,}")] for v in values]
    head = [_("Gap"), _("Pairs")]
    return both_widths(chart, _("Gap between the two orders"), 160, head, rows)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
