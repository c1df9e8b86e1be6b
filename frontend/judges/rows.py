"""The table of judges: its columns, their order, and the family that judges its own kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from annotation.judges.families import shared_family
from annotation.judges.models import Judge
from annotation.judges.selectors import Standing
from annotation.quality.bias import Share, wilson


@dataclass(frozen=True)
class Row:
    """A judge and its figures; shares are None where there is nothing to tell from.

    `akin`: the generators of its own family, which it may favour.
    """

    standing: Standing
    agreement: Share | None
    flips: Share | None
    akin: list[str]

    @property
    def judge(self) -> Judge:
        return self.standing.judge


def row_of(standing: Standing, generators: Collection[str]) -> Row:
    judge = standing.judge
    return Row(
        standing,
        wilson(standing.agreed, standing.shared),
        wilson(standing.flipped, standing.ordered),
        shared_family(judge.model, judge.family, generators),
    )


COLUMNS: dict[str, tuple[Any, Any]] = {
    "name": (_("Judge"), ""),
    "labels": (_("Labels"), ""),
    "agreement": (
        _("Agrees with people"),
        _("of pairs of its label and a person's, neither a tie, the share with one winner"),
    ),
    "flips": (_("Flips"), _("another answer when the order was turned round")),
    "spent": (_("Cost so far"), _("replies paid, and calls that may have been")),
    "each": (_("Per label"), ""),
    "failures": (_("No verdict"), _("calls that failed, could not be read, or are unknown")),
    "stale": (_("Stale"), _("labels made under an older guideline")),
}


def heads(key: str, *, down: bool) -> list[dict[str, Any]]:
    """The columns with the address that sorts by them."""
    return [
        {
            "key": name,
            "name": text,
            "help": hint,
            "sorted": ("descending" if down else "ascending") if name == key else "",
            "url": "?" + urlencode({"sort": name, "up": int(name == key and down)}),
        }
        for name, (text, hint) in COLUMNS.items()
    ]


def sorted_rows(rows: Sequence[Row], key: str, *, down: bool) -> list[Row]:
    """By a column; rows without a figure come last either way."""
    known = [row for row in rows if _value(row, key) is not None]
    rest = [row for row in rows if _value(row, key) is None]
    return sorted(known, key=lambda row: _value(row, key), reverse=down) + rest


def _value(row: Row, key: str) -> Any:
    standing = row.standing
    values = {
        "name": row.judge.name.lower(),
        "agreement": row.agreement and row.agreement.value,
        "flips": row.flips and row.flips.value,
        "spent": standing.spent_micros,
        "each": standing.per_label_micros,
        "failures": standing.failures,
        "stale": standing.stale,
    }
    return values.get(key, standing.labels)
