"""Pictures of an explanation."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from django.utils.translation import gettext as _

from annotation.explaining.words import title
from frontend.charts import COLOURS, Chart, both_widths
from frontend.numbers import local

Json = dict[str, Any]
# Colours and shapes that differ in both: nobody has to tell red from green.
LOOKS = (
    ("var(--human)", "circle"),
    ("var(--judge)", "square"),
    ("var(--accent)", "triangle-up"),
    ("var(--ink-3)", "diamond"),
)
MINUS = "\N{MINUS SIGN}"


def forest(sources: Sequence[tuple[str, Sequence[Json]]], *, label: str) -> Chart | None:
    """Coefficients with intervals, one row per factor and one mark per source (at most four); the
    factors in the order of the first source's strength."""
    sources = [each for each in sources[: len(LOOKS)] if each[1]]
    if not sources:
        return None
    values = [_mark(name, row) for name, rows in sources for row in rows]
    order = list(dict.fromkeys(row["factor"] for row in sorted(values, key=_strength(sources))))
    names = [name for name, _rows in sources]
    looks = LOOKS[: len(names)]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("factor:N", sort=order, title=None, axis=alt.Axis(labelLimit=130, ticks=False)),
        yOffset=alt.YOffset("source:N", sort=names),
        color=alt.Color(
            "source:N",
            scale=alt.Scale(domain=names, range=[colour for colour, _shape in looks]),
            legend=alt.Legend(title=None, orient="top", columns=2, labelLimit=250, offset=14),
        ),
    )
    axis = alt.Axis(tickCount=6)
    words = _("log odds per standard deviation")
    rule = base.mark_rule(strokeWidth=3, opacity=0.4, strokeCap="round").encode(
        x=alt.X("low:Q", title=words, axis=axis), x2="high:Q"
    )
    dot = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=alt.X("v:Q"),
        shape=alt.Shape(
            "source:N",
            scale=alt.Scale(domain=names, range=[shape for _colour, shape in looks]),
            legend=None,
        ),
    )
    zero = (
        alt.Chart(alt.Data(values=[{"x": 0}]))
        .mark_rule(color="var(--ink-3)", strokeDash=[3, 3])
        .encode(x="x:Q")
    )
    height = len(order) * (12 + 9 * len(names))
    head = [_("Factor"), _("Source"), _("Coefficient"), _("interval of 95 %")]
    rows = [
        [each["factor"], each["source"], signed(each["v"]), each["interval"]]
        for each in sorted(values, key=lambda each: order.index(each["factor"]))
    ]
    return both_widths(alt.layer(zero, rule, dot), label, height, head, rows)


def _mark(name: str, row: Json) -> Json:
    value, low, high = row["value"], row["low"], row["high"]
    told = low is not None
    return {
        "factor": title(row["key"]),
        "source": name,
        "v": value,
        "low": low if told else value,
        "high": high if told else value,
        "interval": f"{signed(low)} … {signed(high)}" if told else "–",
    }


def _strength(sources: Sequence[tuple[str, Sequence[Json]]]) -> Any:
    first = {title(row["key"]): row["value"] for row in sources[0][1]}
    return lambda row: -first.get(row["factor"], -1e9)


def signed(value: float) -> str:
    return local(f"{value:+.2f}").replace("-", MINUS)


def conflict_map(rows: Sequence[Json], names: Mapping[str, str]) -> Chart | None:
    """How often the winner on one criterion loses on the other, as a map; None without a pair."""
    if not rows:
        return None
    cells = [
        {
            "a": names[a],
            "b": names[b],
            "v": row["value"],
            "said": local(f"{100 * row['value']:.0f}"),
        }
        for row in rows
        for a, b in ((row["a"], row["b"]), (row["b"], row["a"]))
    ]
    order = [name for key, name in names.items() if any(key in (r["a"], r["b"]) for r in rows)]
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("a:N", sort=order, title=None, axis=alt.Axis(labelAngle=-30, labelLimit=110)),
        y=alt.Y("b:N", sort=order, title=None, axis=alt.Axis(labelLimit=110)),
    )
    tile = base.mark_rect(color=COLOURS["bad"], cornerRadius=3).encode(
        opacity=alt.Opacity(
            "v:Q", scale=alt.Scale(domain=[0, 0.6], range=[0.06, 0.6], clamp=True), legend=None
        )
    )
    text = base.mark_text(fontSize=12, color="var(--ink)").encode(text="said:N")
    table = [
        [
            f"{names[row['a']]} – {names[row['b']]}",
            local(f"{100 * row['value']:.1f} %"),
            interval_of(row),
            local(f"{row['labels']:,}"),
        ]
        for row in rows
    ]
    head = [_("Criteria"), _("Conflict"), _("interval of 95 %"), _("Pairs")]
    height = 34 * len(order)
    label = _("How often who wins on one criterion loses on another, in per cent")
    return both_widths(alt.layer(tile, text), label, height, head, table)


def interval_of(row: Json) -> str:
    if row["low"] is None:
        return "–"
    return local(f"{100 * row['low']:.1f} – {100 * row['high']:.1f} %")


def diversity_chart(found: Json | None) -> Chart | None:
    """How many instances are how diverse."""
    if not found:
        return None
    width = 1 / len(found["bins"])
    values = [{"from": start, "to": start + width, "n": count} for start, count in found["bins"]]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=COLOURS["accent"])
        .encode(
            x=alt.X("from:Q", bin="binned", title=_("diversity"), axis=alt.Axis(tickCount=6)),
            x2="to:Q",
            y=alt.Y("n:Q", title=_("instances"), axis=alt.Axis(tickCount=4, tickMinStep=1)),
        )
    )
    rows = [
        [local(f"{v['from']:.2f} – {v['to']:.2f}"), local(f"{v['n']:,}")] for v in values if v["n"]
    ]
    head = [_("Diversity"), _("Instances")]
    return both_widths(chart, _("Diversity of completions by instance"), 170, head, rows)
