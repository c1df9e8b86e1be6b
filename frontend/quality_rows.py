"""The table of annotators on the quality page, from the figures of a report."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from annotation.labels.models import Annotator
from core.spreadsheets import as_text

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of shares, and where its figure lies."""

    key: str
    name: Any
    help: Any
    find: Callable[[Figures], Figures | None]


def _at(*path: str) -> Callable[[Figures], Figures | None]:
    def find(row: Figures) -> Figures | None:
        found: Any = row
        for name in path:
            found = (found or {}).get(name)
        return found if isinstance(found, Mapping) else None

    return find


def _skill(row: Figures) -> Figures | None:
    skill = row.get("skill")
    return {**skill["skill"], "labels": skill["labels"], "can_tell": True} if skill else None


COLUMNS = (
    Column("agree", _l("Agrees"), _l("sides with the majority of the others"), _at("agree")),
    Column("skill", _l("Reliability"), _l("by the chosen model"), _skill),
    Column("gold", _l("Gold"), _l("right where the answer is known"), _at("gold", "share")),
    Column("side", _l("Left"), _l("chose what was shown first"), _at("side")),
    Column(
        "length",
        _l("Longer"),
        _l("chose the longer more often than the others expected"),
        _at("length", "above"),
    ),
    Column("hasty", _l("Hasty"), _l("faster than the least time"), _at("speed", "hasty")),
    Column("consistent", _l("Consistent"), _l("says the same again"), _at("consistent")),
)
PLAIN = ("name", "labels", "seconds", "flips")


@dataclass(frozen=True)
class Cell:
    """A share with its interval. `few`: not enough labels to tell; `odd`: it stands out among
    all annotators, see `annotation.quality.unusual`."""

    key: str
    found: Figures | None
    few: bool
    odd: bool


@dataclass(frozen=True)
class Row:
    """One annotator: the figures of the report and the state as it is now."""

    annotator: Annotator
    figures: Figures
    cells: list[Cell]
    seconds: float | None
    flips: int | None

    @property
    def labels(self) -> int:
        return int(self.figures.get("labels") or 0)


def rows_of(figures: Figures, annotators: Mapping[int, Annotator]) -> list[Row]:
    """A row per annotator of the report that is still there."""
    return [
        _row(row, annotators[row["id"]])
        for row in figures.get("annotators", [])
        if row["id"] in annotators
    ]


def _row(row: Figures, annotator: Annotator) -> Row:
    influence = row.get("influence") or {}
    return Row(
        annotator=annotator,
        figures=row,
        cells=[_cell(column, row) for column in COLUMNS],
        seconds=(row.get("speed") or {}).get("median"),
        flips=influence.get("flipped"),
    )


def _cell(column: Column, row: Figures) -> Cell:
    found = column.find(row)
    known = found if found and found.get("value") is not None else None
    few = bool(known) and not (known or {}).get("can_tell", True)
    return Cell(column.key, known, few, column.key in row.get("unusual", []))


def sorted_rows(rows: Sequence[Row], key: str, *, down: bool) -> list[Row]:
    """By a column; rows without a figure come last either way."""
    known = [row for row in rows if _value(row, key) is not None]
    rest = [row for row in rows if _value(row, key) is None]
    return sorted(known, key=lambda row: _value(row, key), reverse=down) + rest


def _value(row: Row, key: str) -> Any:
    if key == "name":
        return row.annotator.pseudonym
    if key in {"labels", "seconds", "flips"}:
        return getattr(row, key)
    cell = next((cell for cell in row.cells if cell.key == key), None)
    return cell.found["value"] if cell and cell.found else None


def table_csv(rows: Sequence[Row], report_id: int) -> str:
    """The table for a spreadsheet; a text that could be read as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    head = ["annotator", "kind", "simulated", "state", "labels", "median_seconds", "flips"]
    for column in COLUMNS:
        head += [column.key, f"{column.key}_low", f"{column.key}_high", f"{column.key}_labels"]
    writer.writerow([*head, "report"])
    for row in rows:
        writer.writerow([*_plain(row), *_shares(row), report_id])
    return out.getvalue()


def _plain(row: Row) -> list[Any]:
    who = row.annotator
    return [
        as_text(who.pseudonym),
        who.kind,
        who.simulated,
        state_of(who),
        row.labels,
        row.seconds,
        row.flips,
    ]


def _shares(row: Row) -> list[Any]:
    return [
        (cell.found or {}).get(name)
        for cell in row.cells
        for name in ("value", "low", "high", "labels")
    ]


def state_of(annotator: Annotator) -> str:
    """Excluded, or as they are."""
    return _("excluded") if annotator.excluded_at else _("counts")
