"""The frontier as SVG: paths drawn here, so that a move of the slider costs milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from django.utils.translation import gettext as _

from frontend.numbers import local
from routing.features.table import Floats
from routing.frontier.curve import Line
from routing.frontier.plan import Spending
from routing.frontier.sheet import Sheet

MILLION = 1_000_000
START, END, TOP, BOTTOM = 52, 14, 12, 44
# Lines of the legend in the order in which they are drawn: the router's own last, on top.
BACK_TO_FRONT = ("oracle", "random", "judge-uncertainty", "ours")


@dataclass(frozen=True)
class Stroke:
    """One line of the picture; `dots` are its points where it was measured at a few only."""

    key: str
    path: str
    band: str
    dots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tick:
    place: str
    text: str


@dataclass(frozen=True)
class Marker:
    """The budget saved, or the one looked at; None of `y` where it lies off the line."""

    x: str
    y: str
    # Where its words begin or end, so that they stay inside.
    anchor: str
    text_x: str


@dataclass(frozen=True)
class Picture:
    """One width of the chart."""

    width: int
    height: int
    strokes: tuple[Stroke, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    ends: tuple[tuple[str, str, str], ...]
    below: str
    candidate: Marker
    saved: Marker | None
    left: int = START
    top: int = TOP

    @property
    def right(self) -> int:
        return self.width - END

    @property
    def floor(self) -> int:
        return self.height - BOTTOM

    @property
    def middle(self) -> int:
        return (self.left + self.right) // 2

    @property
    def plot_height(self) -> int:
        return self.floor - self.top


@dataclass(frozen=True)
class _Axes:
    """Places on the picture of amounts (millionths) and of shares."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: int
    height: int

    def x(self, amount: float) -> float:
        inside = self.width - START - END
        return START + inside * (amount - self.x0) / max(self.x1 - self.x0, 1)

    def y(self, value: float) -> float:
        inside = self.height - TOP - BOTTOM
        return TOP + inside * (self.y1 - value) / max(self.y1 - self.y0, 1e-9)

    def path(self, amounts: Floats, values: Floats) -> str:
        points = (f"{self.x(a):.1f} {self.y(v):.1f}" for a, v in zip(amounts, values, strict=True))
        return "M" + "L".join(points)


def picture(
    sheet: Sheet, money: Spending, *, limit: int, saved: int | None, width: int, height: int
) -> Picture:
    """The chart of a sheet under the terms of an allowance; `limit` is looked at."""
    axes = _axes(sheet, money, max(money.maximum, saved or 0), (width, height))
    lines = sorted(sheet.lines, key=lambda line: BACK_TO_FRONT.index(line.key))
    ours = sheet.ours
    return Picture(
        width,
        height,
        tuple(_stroke(line, money, axes) for line in lines),
        tuple(
            Tick(f"{axes.x(at * MILLION):.1f}", local(f"{at:,.10g}"))
            for at in _round_steps(axes.x0 / MILLION, axes.x1 / MILLION, 6 if width > 400 else 3)
        ),
        tuple(
            Tick(f"{axes.y(at):.1f}", local(f"{100 * at:.10g}"))
            for at in _round_steps(axes.y0, min(axes.y1, 1.0), 5)
        ),
        tuple(
            (key, f"{axes.x(money.needed[place]):.1f}", f"{axes.y(ours.value[place]):.1f}")
            for key, place in (("all-judge", 0), ("all-human", -1))
        ),
        f"{axes.x(min(money.minimum, axes.x1)) - START:.1f}",
        _marker(ours, money, limit, axes),
        None if saved is None else _marker(ours, money, saved, axes),
    )


def _axes(sheet: Sheet, money: Spending, most: int, size: tuple[int, int]) -> _Axes:
    values = [v for line in sheet.lines for v in (line.value, line.low, line.high) if v is not None]
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    room = 0.06 * max(high - low, 0.004)
    return _Axes(int(money.needed[0]), most, low - room, high + room, *size)


def _stroke(line: Line, money: Spending, axes: _Axes) -> Stroke:
    amounts = money.at(line.at)
    band = ""
    if line.low is not None and line.high is not None:
        there, back = axes.path(amounts, line.high), axes.path(amounts[::-1], line.low[::-1])
        band = f"{there}L{back[1:]}Z"
    few = line.key == "oracle" and len(line.at) < 20
    dots = zip(amounts, line.value, strict=True) if few else ()
    return Stroke(
        line.key,
        axes.path(amounts, line.value),
        band,
        tuple((f"{axes.x(a):.1f}", f"{axes.y(v):.1f}") for a, v in dots),
    )


def _marker(line: Line, money: Spending, limit: int, axes: _Axes) -> Marker:
    at = axes.x(min(max(limit, axes.x0), axes.x1))
    value = float(np.interp(money.bought(limit), line.at, line.value))
    late = at > (START + axes.width) / 2
    return Marker(
        f"{at:.1f}",
        f"{axes.y(value):.1f}",
        "end" if late else "start",
        f"{at + (-9 if late else 9):.1f}",
    )


def _round_steps(low: float, high: float, most: int) -> Sequence[float]:
    """At most `most` + 1 round numbers between the ends."""
    if high <= low:
        return [low]
    raw = (high - low) / most
    size = 10.0 ** floor(log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def words() -> dict[str, str]:
    """The lines of the legend by key."""
    return {
        "ours": _("this router"),
        "judge-uncertainty": _("where the judge is unsure"),
        "random": _("random mix"),
        "oracle": _("oracle"),
        "all-judge": _("all to the judge"),
        "all-human": _("all to people"),
    }
