"""The chart of what was spent under a project's budgets."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

import altair as alt
from django.utils.translation import gettext as _

from annotation.ledger.several import MICROS
from frontend.charts import COLOURS, Chart, both_widths
from frontend.numbers import local
from routing.budgets.selectors import SHOWN_DAYS, Spending


def spending_chart(rows: Sequence[Spending], unit: str, today: date) -> Chart | None:
    """What was spent each day on people and judges: 30 days at most; None without any."""
    week = today - timedelta(days=6)
    first = max(today - timedelta(days=SHOWN_DAYS - 1), min([week, *(row.day for row in rows)]))
    by_day: dict[tuple[date, str], int] = defaultdict(int)
    for row in rows:
        by_day[row.day, "judges" if row.spender == "judges" else "people"] += row.amount
    names = {"people": _("people"), "judges": _("judges")}
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    kinds = [kind for kind in names if any(by_day.get((day, kind)) for day in days)]
    if not kinds:
        return None
    values = [
        {
            "at": day.strftime("%-d %b"),
            "place": place,
            "n": by_day.get((day, kind), 0) / MICROS,
            "who": names[kind],
        }
        for place, day in enumerate(days)
        for kind in kinds
    ]
    chart = _bars(values, unit, {names[kind]: COLOURS[_colour(kind)] for kind in kinds})
    table = [
        [f"{day:%Y-%m-%d}"]
        + [local(f"{by_day.get((day, kind), 0) / MICROS:,.2f}") for kind in kinds]
        for day in days
        if any(by_day.get((day, kind)) for kind in kinds)
    ]
    head = [_("Day (UTC)"), *(names[kind] for kind in kinds)]
    return both_widths(chart, _("Spent a day"), 200, head, table)


def _colour(kind: str) -> str:
    return "judge" if kind == "judges" else "ours"


def _bars(values: list[dict[str, object]], unit: str, colours: dict[str, str]) -> alt.Chart:
    axis = alt.Axis(labelOverlap="greedy", labelSeparation=8, labelAngle=0, ticks=False)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_bar()
        .encode(
            x=alt.X("at:O", sort=alt.EncodingSortField("place"), title=None, axis=axis),
            y=alt.Y("n:Q", title=unit, axis=alt.Axis(tickCount=5)),
            color=alt.Color(
                "who:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(title=None, orient="top"),
            ),
        )
    )
