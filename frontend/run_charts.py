"""The curves of training runs as small multiples; several runs share one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.charts import COLOURS, Chart, Line, Points, one_width, smooth, thin
from frontend.numbers import local
from training.runs.selectors import Series

# Steps of the running mean in front of many points; figures that are set do not scatter.
WINDOW = 9
EXACT = frozenset({"learning_rate"})
# Up to so many points are drawn as points too.
FEW = 12
WIDTH, HEIGHT = 370, 170
OVERLAID = ("ours", "judge", "people", "accent", "good", "bad")
Splits = Mapping[str, Mapping[str, Series]]
Band = Sequence[tuple[float, float, float]]
Words = str | Promise


@dataclass(frozen=True)
class Curve:
    """Which series of which split are one picture: (split, figure, words, kind of colour)."""

    label: Words
    lines: tuple[tuple[str, str, Words, str], ...]
    band: tuple[str, str, str] | None = None


CURVES = (
    Curve(
        _("Loss"),
        (("train", "loss", _("train"), "ours"), ("eval", "eval_loss", _("held out"), "judge")),
    ),
    Curve(
        _("Accuracy"),
        (
            ("train", "accuracy", _("train"), "ours"),
            ("eval", "eval_accuracy", _("held out"), "judge"),
        ),
        ("eval", "eval_accuracy_low", "eval_accuracy_high"),
    ),
    Curve(_("Margin of the preferred side"), (("train", "margin", _("train"), "ours"),)),
    Curve(
        _("Log-probability, nats"),
        (
            ("train", "logp_chosen", _("preferred"), "ours"),
            ("train", "logp_rejected", _("other side"), "people"),
        ),
    ),
    Curve(
        _("Log-ratio to the reference, nats"),
        (
            ("train", "log_ratio_chosen", _("preferred"), "ours"),
            ("train", "log_ratio_rejected", _("other side"), "people"),
        ),
    ),
    Curve(
        _("KL to the reference, nats"),
        (("train", "kl", _("train"), "ours"), ("eval", "eval_kl", _("held out"), "judge")),
    ),
    Curve(
        _("Length, tokens"),
        (
            ("train", "tokens_chosen", _("preferred"), "ours"),
            ("train", "tokens_rejected", _("other side"), "people"),
        ),
    ),
    Curve(_("Mean reward"), (("train", "mean_reward", _("train"), "ours"),)),
    Curve(
        _("Correlation of reward and length"),
        (("train", "length_correlation", _("train"), "ours"),),
    ),
    Curve(_("Learning rate"), (("train", "learning_rate", _("train"), "other"),)),
    Curve(_("Length of the gradient"), (("train", "gradient_norm", _("train"), "other"),)),
    Curve(_("Warm-up: language-model loss"), (("warmup", "loss", _("warm-up"), "other"),)),
)


def curves_of(splits: Splits) -> list[Chart]:
    """A picture for every curve that has points."""
    charts = [
        _picture(
            [_line(splits, *each) for each in curve.lines],
            str(curve.label),
            _band(splits, curve.band),
        )
        for curve in CURVES
    ]
    return [chart for chart in charts if chart]


def overlaid(runs: Sequence[tuple[str, Splits]]) -> list[Chart]:
    """A picture for every figure, with one line per run; at most six runs have own colours."""
    charts = []
    for curve in CURVES:
        for split, figure, words, _kind in curve.lines:
            lines = [
                Line(name, splits.get(split, {}).get(figure, []), OVERLAID[k % len(OVERLAID)])
                for k, (name, splits) in enumerate(runs)
            ]
            if figure not in EXACT and any(_many(line) for line in lines):
                lines = [_mean(line) for line in lines]
            label = f"{curve.label}, {words}" if len(curve.lines) > 1 else str(curve.label)
            charts.append(_picture(lines, label, ()))
    return [chart for chart in charts if chart]


def _line(splits: Splits, split: str, figure: str, words: Words, kind: str) -> Line:
    line = Line(str(words), splits.get(split, {}).get(figure, []), kind)
    return _mean(line) if _many(line) and figure not in EXACT else line


def _many(line: Line) -> bool:
    """Whether single steps only scatter."""
    return len(line.points) >= 4 * WINDOW


def _mean(line: Line) -> Line:
    return Line(line.name, smooth(line.points, WINDOW), line.kind)


def _band(splits: Splits, names: tuple[str, str, str] | None) -> Band:
    if names is None:
        return ()
    split, low, high = names
    found = splits.get(split, {})
    tops = dict(found.get(high, []))
    return [(step, value, tops[step]) for step, value in found.get(low, []) if step in tops]


def _picture(lines: Sequence[Line], label: str, band: Band) -> Chart | None:
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    layers = [_layer(lines)]
    if band:
        layers.insert(0, _area(band))
    layers += [_dots(line) for line in lines if len(line.points) <= FEW]
    step = str(_("step"))
    rows = [
        [line.name, local(f"{at:g}"), local(f"{value:.4g}")]
        for line in lines
        for at, value in line.points[-25:]
    ]
    return one_width(
        alt.layer(*layers), label, (WIDTH, HEIGHT), [str(_("Line")), step, label], rows
    )


def _layer(lines: Sequence[Line]) -> alt.Chart:
    values = [
        {"x": at, "y": value, "name": line.name}
        for line in lines
        for at, value in thin(line.points)
    ]
    drawn = alt.Chart(alt.Data(values=values)).mark_line(strokeWidth=2)
    names, colours = [line.name for line in lines], [COLOURS[line.kind] for line in lines]
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", columns=2, labelLimit=160)
    return drawn.encode(
        x=alt.X(
            "x:Q",
            title=None,
            axis=alt.Axis(grid=False, tickCount=5, tickMinStep=1),
            scale=alt.Scale(zero=False, nice=False),
        ),
        y=alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=False)),
        color=alt.Color(
            "name:N",
            scale=alt.Scale(domain=names, range=colours),
            legend=legend if len(lines) > 1 else None,
        ),
    )


def _dots(line: Line) -> alt.Chart:
    """The points themselves: a line of one point would not be seen."""
    values = [{"x": at, "y": value} for at, value in line.points]
    drawn = alt.Chart(alt.Data(values=values))
    return drawn.mark_point(filled=True, size=30, opacity=1, color=COLOURS[line.kind]).encode(
        x="x:Q", y="y:Q"
    )


def _area(band: Band) -> alt.Chart:
    points: Points = [(at, low) for at, low, _high in band]
    tops = {at: high for at, _low, high in band}
    values = [{"x": at, "low": low, "high": tops[at]} for at, low in thin(points)]
    drawn = alt.Chart(alt.Data(values=values)).mark_area(opacity=0.16, color=COLOURS["judge"])
    return drawn.encode(x="x:Q", y="low:Q", y2="high:Q")
