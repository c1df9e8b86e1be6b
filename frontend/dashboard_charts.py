"""Charts of the dashboard: each with its words and the table of its figures."""

from collections.abc import Sequence
from math import floor, isnan

import altair as alt
from django.utils.translation import gettext as _

from annotation.dashboards.agreement import Week
from annotation.dashboards.periods import Unit
from annotation.dashboards.selectors import Bin, Bucket
from frontend.numbers import local

from .charts import COLOURS, Chart, both_widths

FORMATS: dict[Unit, str] = {"hour": "%H:%M", "day": "%-d %b", "week": "%-d %b"}


def throughput_chart(buckets: Sequence[Bucket], unit: Unit) -> Chart | None:
    """Labels per bucket, people below and judges on top; None without any label."""
    if not any(bucket.total for bucket in buckets):
        return None
    names = {"people": _("people"), "judges": _("judges"), "other": _("imports")}
    kinds = [name for name in names if any(getattr(bucket, name) for bucket in buckets)]
    values = [
        {
            "at": bucket.start.strftime(FORMATS[unit]),
            "place": place,
            "n": getattr(bucket, kind),
            "who": names[kind],
        }
        for place, bucket in enumerate(buckets)
        for kind in kinds
    ]
    colours = {"people": COLOURS["ours"], "judges": COLOURS["judge"], "other": COLOURS["other"]}
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar()
        .encode(
            x=_order(_("hour") if unit == "hour" else _("day") if unit == "day" else _("week of")),
            y=alt.Y("n:Q", title=_("labels"), axis=alt.Axis(tickCount=5, tickMinStep=1)),
            color=alt.Color(
                "who:N",
                scale=alt.Scale(
                    domain=[names[kind] for kind in kinds],
                    range=[colours[kind] for kind in kinds],
                ),
                legend=alt.Legend(title=None, orient="top"),
            ),
        )
    )
    rows = [
        [bucket.start.strftime("%Y-%m-%d %H:%M" if unit == "hour" else "%Y-%m-%d")]
        + [f"{getattr(bucket, kind):,}" for kind in kinds]
        for bucket in buckets
        if bucket.total
    ]
    head = [_("From (UTC)"), *(names[kind] for kind in kinds)]
    return both_widths(chart, _("Labels over time"), 220, head, rows)


def _order(title: str) -> alt.X:
    """An axis of buckets in the order given, with as many names as fit."""
    axis = alt.Axis(labelOverlap="greedy", labelSeparation=8, labelAngle=0, ticks=False)
    return alt.X("at:O", sort=alt.EncodingSortField("place"), title=title, axis=axis)


def agreement_chart(weeks: Sequence[Week]) -> Chart | None:
    """α of each week as a dot on its interval; None without a week that has a value."""
    known = [week for week in weeks if not isnan(week.estimate.value)]
    if not known:
        return None
    values = [
        {
            "at": week.start.strftime(FORMATS["week"]),
            "place": place,
            "a": week.estimate.value,
            "low": _or(week.estimate.low, week.estimate.value),
            "high": _or(week.estimate.high, week.estimate.value),
        }
        for place, week in enumerate(known)
    ]
    lowest = min([0.0, *(_or(week.estimate.low, week.estimate.value) for week in known)])
    # Down to the next quarter, so that the lowest interval ends inside the chart.
    scale = alt.Scale(domain=[floor(lowest * 4) / 4, 1])
    base = alt.Chart(alt.Data(values=values)).encode(x=_order(_("week of")))
    colour = alt.value(COLOURS["ours"])
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round").encode(
        y=alt.Y("low:Q", title=_("Krippendorff’s α"), scale=scale, axis=alt.Axis(tickCount=5)),
        y2="high:Q",
        color=colour,
    )
    dot = base.mark_point(filled=True, size=95, opacity=1).encode(
        y=alt.Y("a:Q", scale=scale), color=colour
    )
    rows = [
        [
            week.start.strftime("%Y-%m-%d"),
            local(f"{week.estimate.value:.2f}"),
            _interval(week),
            str(week.estimate.clusters),
        ]
        for week in known
    ]
    head = [_("Week of"), "α", _("%(share)s interval") % {"share": "95 %"}, _("Prompts")]
    return both_widths(alt.layer(rule, dot), _("Agreement of people by week"), 220, head, rows)


def _interval(week: Week) -> str:
    low, high = week.estimate.low, week.estimate.high
    return local(f"{low:.2f} – {high:.2f}") if not isnan(low) else "–"


def _or(value: float, instead: float) -> float:
    """NaN is no place on a chart."""
    return instead if isnan(value) else value


def times_chart(bins: Sequence[Bin]) -> Chart | None:
    """How many labels took how long; None without any."""
    if not any(each.count for each in bins):
        return None
    values = [
        {"at": _span(each), "place": place, "n": each.count} for place, each in enumerate(bins)
    ]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar()
        .encode(
            x=_order(_("seconds on the instance")),
            y=alt.Y("n:Q", title=_("labels"), axis=alt.Axis(tickCount=5, tickMinStep=1)),
            color=alt.value(COLOURS["ours"]),
        )
    )
    rows = [[_span(each), f"{each.count:,}"] for each in bins]
    return both_widths(chart, _("Time on the instance"), 200, [_("Seconds"), _("Labels")], rows)


def _span(each: Bin) -> str:
    return f"> {each.low}" if each.high is None else f"{each.low}–{each.high}"
