"""The chart of the leaderboard of generators."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from django.utils.translation import gettext as _

from frontend.numbers import local

from .charts import COLOURS, Chart, both_widths

MOST = 30


def rating_chart(places: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Ratings with their intervals, the best on top; None without any."""
    if not places:
        return None
    values = [
        {"name": row["name"], "v": row["rating"], "low": row["low"], "high": row["high"]}
        for row in places[:MOST]
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False))
    )
    scale = alt.Scale(zero=False, nice=True, padding=8)
    colour = COLOURS["ours"]
    rule = base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round", color=colour).encode(
        x=alt.X("low:Q", title=_("rating"), scale=scale, axis=alt.Axis(tickCount=6)), x2="high:Q"
    )
    dot = base.mark_point(filled=True, size=95, opacity=1, color=colour).encode(
        x=alt.X("v:Q", scale=scale)
    )
    rows = [
        [v["name"], local(f"{v['v']:.0f}"), local(f"{v['low']:.0f} – {v['high']:.0f}")]
        for v in values
    ]
    head = [_("Generator"), _("Rating"), _("%(share)s interval") % {"share": "95 %"}]
    return both_widths(
        alt.layer(rule, dot), _("Ratings of the generators"), 26 * len(values), head, rows
    )
