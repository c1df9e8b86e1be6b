"""One shape for every measurement: a JSON line on stdout each, a table on stderr at the end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

FIELDS = ("bench", "case", "value", "unit", "peer", "peer_value", "ratio")


@dataclass
class Report:
    """The measurements of one benchmark; use it as a context manager.

    >>> with Report("queue") as report:
    ...     report.add("claim, 8 annotators", 13.0, "ms", peer="other", peer_value=52.0)
    """

    bench: str
    rows: list[dict[str, str | float | None]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def add(
        self,
        case: str,
        value: float,
        unit: str,
        *,
        peer: str | None = None,
        peer_value: float | None = None,
        higher_is_better: bool = False,
    ) -> None:
        """Print one measurement; the ratio is above 1 where we are better than the peer."""
        row: dict[str, str | float | None] = {
            "bench": self.bench,
            "case": case,
            "value": rounded(value),
            "unit": unit,
            "peer": peer,
            "peer_value": peer_value,
            "ratio": ratio(value, peer_value, higher_is_better=higher_is_better),
        }
        self.rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def not_measured(self, case: str, reason: str) -> None:
        """Say what is missing and why; it appears below the table."""
        self.missing.append((case, reason))

    def table(self) -> str:
        """The measurements for people."""
        headings = ("case", "value", "unit", "peer", "peer value", "ratio")
        names = ("case", "value", "unit", "peer", "peer_value", "ratio")
        lines = [headings, *(tuple(shown(row[name]) for name in names) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        text.insert(1, "  ".join("-" * width for width in widths))
        text += [f"not measured: {case}: {reason}" for case, reason in self.missing]
        return "\n".join([f"\n{self.bench}", *text])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        print(self.table(), file=sys.stderr, flush=True)


def ratio(value: float, peer_value: float | None, *, higher_is_better: bool) -> float | None:
    """How many times better `value` is than the peer's; None without a peer or a sensible one."""
    if peer_value is None or value <= 0 or peer_value <= 0:
        return None
    return rounded(value / peer_value if higher_is_better else peer_value / value)


def rounded(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")


def shown(cell: str | float | None) -> str:
    """A cell of the table."""
    return "" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell)
