"""The rows that a run could train on, before any filter: streamed, always in the same order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from annotation.datasets.ratings import deciding, means
from annotation.labels.answers import SCORED
from annotation.projects.models import Kind
from core.hashing import canonical_json

from .labels import Case, Row, attributes_of, cases, content_of, source_of, stored, worth_of

FACTS = ("instance_id", "prompt_hash", "score", "pair_p", "weight", "source", "unranked")
CONTENT = ("prompt", "completions", "margin", "own_prompts", "generators", "licences", "simulated")
BLANK: Row = {
    **{"annotator": "", "attributes": None, "tags": [], "pair_p": None, "margin": 0.0},
    **{"weight": 1.0, "unranked": [], "propensity": None},
}


@dataclass(frozen=True)
class Reading:
    """Where the rows come from: the folder of a snapshot, and what was asked in its project."""

    folder: Path
    criterion: str
    asks: str
    rated: tuple[str, ...]
    from_ratings: bool
    mode: str

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any], mode: str) -> "Reading":
        """What the manifest of the snapshot says; a file from elsewhere asks for pairs."""
        query = manifest.get("query") or {}
        asked = {row["key"]: row["asks"] for row in manifest.get("criteria") or ()}
        criterion = str(query.get("criterion", ""))
        return cls(
            folder=folder,
            criterion=criterion,
            asks=asked.get(criterion, Kind.PAIRWISE),
            rated=tuple(key for key, asks in asked.items() if asks in SCORED),
            from_ratings=query.get("pairs_from_ratings") is not None,
            mode=mode,
        )

    @property
    def from_labels(self) -> bool:
        """Whether rows are made of the labels, not of the rows of consensus."""
        return self.mode == "annotators" or (self.asks in SCORED and not self.from_ratings)

    @property
    def has_labels(self) -> bool:
        return (self.folder / "instances.parquet").is_file()

    def rows(self, split: str, *, content: bool, beside: bool) -> Iterator[Row]:
        """The rows of a split; without `content` only what filters ask.

        Args:
            beside: look up tags, propensities and attributes too, where the rows are consensus.
        """
        if self.from_labels:
            yield from self._of_labels(split, content)
        elif beside and self.has_labels:
            yield from self._beside(split, content)
        else:
            yield from self._consensus(split, content)

    def _consensus(self, split: str, content: bool) -> Iterator[Row]:
        columns = [*FACTS, *(CONTENT if content else ())]
        for row in stored(self.folder / f"{split}.parquet", columns):
            yield BLANK | {name: value for name, value in row.items() if value is not None}

    def _beside(self, split: str, content: bool) -> Iterator[Row]:
        """Rows of consensus with what the labels' files say: both have one order of instances."""
        names = (row["instance_id"] for row in stored(self._instances, ["instance_id"]))
        known = np.sort(np.fromiter(map(hash, names), np.int64))
        walk = cases(self.folder, content=False)
        case = Case({"instance_id": None}, ())
        for row in self._consensus(split, content):
            if _has(known, hash(row["instance_id"])):
                while case.instance["instance_id"] != row["instance_id"]:
                    case = next(walk)
                row |= {"tags": case.instance["tags"], "propensity": case.propensity}
                if content and not self.from_ratings:
                    rated = attributes_of(case, self.rated, len(row["completions"]))
                    row["attributes"] = canonical_json(rated) if rated else None
            yield row

    @property
    def _instances(self) -> Path:
        return self.folder / "instances.parquet"

    def _of_labels(self, split: str, content: bool) -> Iterator[Row]:
        for case in cases(self.folder, content=content):
            if case.instance["split"] == split:
                about = content_of(case.instance) if content else {}
                for row in self._labelled(case):
                    yield self._filled(row, case, about) if content else row

    def _labelled(self, case: Case) -> Iterator[Row]:
        """What the labels of one instance say: one row each, or together where they are scores."""
        labels = case.on(self.criterion)
        shared = {name: case.instance[name] for name in ("instance_id", "prompt_hash", "tags")}
        shared = BLANK | shared | {"propensity": case.propensity, "simulated": False}
        if self.mode == "consensus":
            counted = [dict(label) for label in deciding(labels)]
            yield from self._scored(counted, shared | {"source": _together(counted)})
            return
        for label in labels:
            own = shared | {
                "annotator": label["annotator"],
                "source": source_of(label),
                "simulated": label["simulated"],
            }
            if self.asks in SCORED:
                yield from self._scored([label], own)
            elif len(label["ranking"]) > 1:
                yield own | _ranked(label)

    def _scored(self, labels: Sequence[Row], shared: Row) -> Iterator[Row]:
        count = max((len(label["scores"]) for label in labels), default=0)
        values = means(labels, count)
        if self.asks == Kind.BINARY:
            for place, share in enumerate(values):
                if share is not None and share != 0.5:
                    yield shared | {
                        "score": [float(share > 0.5)],
                        "places": [place],
                        "share": max(share, 1 - share),
                    }
        elif any(value is not None for value in values):
            yield shared | {
                "score": values,
                "unranked": [place for place, value in enumerate(values) if value is None],
            }

    def _filled(self, row: Row, case: Case, about: Row) -> Row:
        """The row with its content; of one completion where it is about one."""
        count = len(about["completions"])
        rated = attributes_of(case, self.rated, count, row["annotator"] or None)
        places = row.get("places", range(count))
        if "places" in row:
            rated.pop(self.criterion, None)
        chosen = {key: [values[place] for place in places] for key, values in rated.items()}
        parts = {
            name: [value[place] for place in places] if isinstance(value, list) else value
            for name, value in about.items()
        }
        return row | parts | {"attributes": canonical_json(chosen) if chosen else None}


def _ranked(label: Mapping[str, Any]) -> Row:
    worth = worth_of(label["ranking"])
    pair = len(worth) == 2
    return {
        "score": worth,
        "pair_p": worth[0] if pair else None,
        "margin": abs(label["strength"] or 0.0) if pair and worth[0] != worth[1] else 0.0,
        "unranked": label["unranked"] or [],
    }


def _together(labels: Sequence[Mapping[str, Any]]) -> str:
    found = {source_of(label) for label in labels}
    return found.pop() if len(found) == 1 else "both" if found else ""


def _has(known: np.ndarray[Any, np.dtype[np.int64]], wanted: int) -> bool:
    place = int(np.searchsorted(known, wanted))
    return place < len(known) and int(known[place]) == wanted


def agreement_of(row: Mapping[str, Any]) -> float:
    """How far the labels behind a row agree, from one half (a pair) to 1; NaN where unknown."""
    if row.get("share") is not None:
        return float(row["share"])
    if row["pair_p"] is not None:
        return float(max(row["pair_p"], 1 - row["pair_p"]))
    known = [score for score in row["score"] or () if score is not None]
    return float(max(known)) if known and max(known) <= 1 else float("nan")


def pairs_of(row: Mapping[str, Any]) -> int:
    """How many pairs of completions the row tells apart; 0 of a single completion."""
    if row["pair_p"] is not None:
        return int(row["pair_p"] != 0.5)
    unranked = set(row["unranked"])
    known = [s for k, s in enumerate(row["score"] or ()) if s is not None and k not in unranked]
    return sum(first != second for first, second in combinations(known, 2))
