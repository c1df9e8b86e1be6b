"""Criteria that the labels of a file answer and the project does not ask yet."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import Project, User
from annotation.projects.models import Kind
from annotation.projects.selectors import criteria_of
from annotation.projects.services import add_criterion
from core.exceptions import InvalidInput

from .label_parsing import is_number

# (lowest, levels) in the order they are tried: the first that holds every score is taken.
SCALES = ((1, 5), (0, 5), (1, 7), (1, 10), (0, 11), (-2, 5), (-3, 7), (-5, 11))
MOST_CRITERIA = 50


@dataclass
class _Brought:
    """What the labels of one key look like."""

    ranked: bool = False
    low: float = 0
    high: float = 0
    scored: bool = False
    whole: bool = True

    def take(self, label: Mapping[str, Any]) -> None:
        self.ranked = self.ranked or label.get("ranking") is not None
        scores = label.get("scores")
        for score in scores if isinstance(scores, list) else []:
            if is_number(score):
                self.low = min(self.low, score) if self.scored else score
                self.high = max(self.high, score) if self.scored else score
                self.scored = True
                self.whole = self.whole and score == int(score)

    def fields(self) -> dict[str, Any]:
        """How such labels are asked for: a rating where whole scores fit a scale, else as the
        project asks."""
        if self.ranked or not self.scored or not self.whole:
            return {}
        for lowest, levels in SCALES:
            if lowest <= self.low and self.high < lowest + levels:
                return {"kind": Kind.RATING, "lowest": lowest, "levels": levels}
        return {}


def bring_criteria(
    *, project: Project, values: Iterable[Mapping[str, Any]], by: User | None
) -> list[str]:
    """Add a criterion for every key that labels of these values name and the project has not.

    Returns the new keys.

    Raises:
        InvalidInput: a key is none, or there are more than `MOST_CRITERIA` of them.
    """
    there = {each.key for each in criteria_of(project)}
    found: dict[str, _Brought] = {}
    for label in (label for value in values for label in _labels(value)):
        key = label.get("criterion")
        if isinstance(key, str) and key and key not in there:
            if key not in found and len(found) >= MOST_CRITERIA:
                raise InvalidInput(f"The file names more than {MOST_CRITERIA} criteria.")
            found.setdefault(key, _Brought()).take(label)
    for key, brought in found.items():
        name = key.replace("_", " ").replace("-", " ").strip().capitalize() or key
        add_criterion(project=project, by=by, key=key, name=name[:80], **brought.fields())
    return list(found)


def _labels(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for place in ("human", "ai"):
        given = value.get(place)
        if isinstance(given, list):
            yield from (label for label in given if isinstance(label, dict))
