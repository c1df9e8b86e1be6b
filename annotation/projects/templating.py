"""What ready protocols are written with: the template itself, and its usual values."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .guidelines import GUIDELINES
from .models import Kind, TieKind

TIE, GOOD, BAD, CANNOT = (
    str(kind) for kind in (TieKind.TIE, TieKind.BOTH_GOOD, TieKind.BOTH_BAD, TieKind.CANNOT_JUDGE)
)
FIVE = {"strength_levels": 2, "ties": [TIE, CANNOT]}
FORCED = {"strength_levels": 2, "ties": [CANNOT]}
SEVEN = {"strength_levels": 3, "ties": [TIE, CANNOT]}
VOTE = {"strength_levels": 1, "ties": [TIE, BAD, CANNOT]}

COMPARE, RANK, SCORE, MEDIA = (
    _("Compare two"),
    _("Rank several"),
    _("Score one by one"),
    _("Pictures, sound, film"),
)


@dataclass(frozen=True)
class Template:
    """One ready protocol. `protocol` holds the fields of `Protocol` beside kind and overlap."""

    key: str
    name: str | Promise
    summary: str | Promise
    group: str | Promise
    kind: Kind
    criteria: Sequence[Mapping[str, Any]]
    example: str = "pair"
    overlap: int = 1
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def guideline(self) -> str:
        return GUIDELINES[self.key]

    def arguments(self) -> dict[str, Any]:
        """What `create_project` takes beside a name and an owner; a copy that may be changed."""
        return deepcopy(
            {
                "kind": str(self.kind),
                "criteria": [dict(criterion) for criterion in self.criteria],
                "overlap": self.overlap,
                "guideline": self.guideline,
                **self.protocol,
            }
        )


def ask(key: str, name: str, question: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "name": name, "question": question, **fields}


def rate(key: str, name: str, question: str, *labels: str) -> dict[str, Any]:
    """A rating from 0 with these names."""
    fields = {"kind": "rating", "lowest": 0, "levels": len(labels), "labels": list(labels)}
    return ask(key, name, question, **fields)


OVERALL = ask("overall", "Overall", "Which completion is better overall?")
