"""Charts of the quality pages."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from django.utils.translation import gettext as _

from frontend.numbers import local

from .charts import COLOURS, Chart, both_widths
from .quality_rows import Row


def time_chart(agreement: Mapping[str, Any]) -> Chart | None:
    """α of successive stretches of labels with its interval; None without two."""
    periods = [p for p in agreement.get("over_time", []) if p["alpha"]["value"] is not None]
    if len(periods) < 2:
        return None
    values = [
        {
            "n": number,
            "v": period["alpha"]["value"],
            "low": _or(period["alpha"]["low"], period["alpha"]["value"]),
            "high": _or(period["alpha"]["high"], period["alpha"]["value"]),
        }
        for number, period in enumerate(periods, 1)
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("n:O", title=_("stretch of labels"), axis=alt.Axis(labelAngle=0, grid=False))
    )
    scale = alt.Scale(zero=False, nice=True)
    colour = COLOURS["ours"]
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round", color=colour).encode(
        y=alt.Y("low:Q", title="α", scale=scale, axis=alt.Axis(tickCount=5)), y2="high:Q"
    )
    dot = base.mark_point(filled=True, size=80, opacity=1, color=colour).encode(
        y=alt.Y("v:Q", scale=scale)
    )
    rows = [
        [
            f"{p['from'][:10]} – {p['until'][:10]}",
            local(f"{v['v']:.2f}"),
            local(f"{v['low']:.2f} – {v['high']:.2f}"),
        ]
        for p, v in zip(periods, values, strict=True)
    ]
    head = [_("Labels from – until"), "α", _("%(share)s interval") % {"share": "95 %"}]
    return both_widths(alt.layer(rule, dot), _("Agreement over time"), 180, head, rows)


def skill_chart(rows: Sequence[Row]) -> Chart | None:
    """Reliability with its interval, the best on top; None without any."""
    known = [
        (row, cell.found)
        for row in rows
        for cell in row.cells
        if cell.key == "skill" and cell.found
    ]
    known.sort(key=lambda pair: -pair[1]["value"])
    if not known:
        return None
    values = [
        {
            "name": row.annotator.pseudonym,
            "v": 100 * found["value"],
            "low": 100 * _or(found["low"], found["value"]),
            "high": 100 * _or(found["high"], found["value"]),
            "k": "judge" if row.annotator.kind == "judge" else "ours",
        }
        for row, found in known[:25]
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False)),
        color=alt.Color(
            "k:N",
            legend=None,
            scale=alt.Scale(domain=["ours", "judge"], range=[COLOURS["ours"], COLOURS["judge"]]),
        ),
    )
    scale = alt.Scale(zero=False, nice=True, padding=8)
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round").encode(
        x=alt.X("low:Q", title=_("reliability, %"), scale=scale, axis=alt.Axis(tickCount=6)),
        x2="high:Q",
    )
    dot = base.mark_point(filled=True, size=95, opacity=1).encode(x=alt.X("v:Q", scale=scale))
    table = [[v["name"], f"{v['v']:.0f} %", f"{v['low']:.0f} – {v['high']:.0f} %"] for v in values]
    head = [_("Annotator"), _("Reliability"), _("%(share)s interval") % {"share": "95 %"}]
    return both_widths(
        alt.layer(rule, dot), _("Reliability of annotators"), 26 * len(values), head, table
    )


def seconds_chart(bins: Sequence[Sequence[float]]) -> Chart | None:
    """How long labels took, in bins that double; None without any."""
    if not any(count for _end, count in bins):
        return None
    values = [{"at": f"< {end:g}", "place": n, "n": c} for n, (end, c) in enumerate(bins)]
    values[-1]["at"] = "≥ 512"
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=COLOURS["ours"])
        .encode(
            x=alt.X(
                "at:O",
                sort=alt.EncodingSortField("place"),
                title=_("seconds on an instance"),
                axis=alt.Axis(labelAngle=0, ticks=False, labelOverlap="greedy"),
            ),
            y=alt.Y("n:Q", title=_("labels"), axis=alt.Axis(tickCount=4, tickMinStep=1)),
        )
    )
    rows = [[str(v["at"]), str(v["n"])] for v in values]
    head = [_("Seconds"), _("Labels")]
    return both_widths(chart, _("Time on an instance"), 160, head, rows)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
