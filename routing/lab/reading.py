"""Files of the common schema: one instance a line, with people's votes and judges' verdicts."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.exceptions import InvalidInput
from routing.features.evidence import with_evidence
from routing.features.habits import Pairs
from routing.features.table import FeatureTable, Floats
from routing.features.text import FEATURES, extract, token_count
from routing.lab.dual import DualSet

_NO_PAIR = "do not have exactly two completions"
_NO_VOTE = "have no human label"
_NO_VERDICT = "have no label of the judge"


@dataclass(frozen=True)
class Line:
    """One pair: its texts, people's votes, and by judge (p, flip or None, sides of aspects).

    A vote and p are 1 where the first completion is preferred, ½ for a tie.
    """

    key: str
    prompt: str
    texts: tuple[str, str]
    generators: tuple[str, str] | None
    votes: tuple[float, ...]
    verdicts: Mapping[str, tuple[float, float | None]]
    sides: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class File:
    """The pairs of a file; `left_out` counts by reason what could not be used."""

    name: str
    lines: tuple[Line, ...]
    left_out: Mapping[str, int]

    @property
    def judges(self) -> list[str]:
        """Every judge that labelled at least one pair with human votes, by name."""
        return sorted({name for line in self.lines for name in line.verdicts})


def read(path: Path) -> File:
    """The pairs of a file of JSON lines, plain or gzip.

    Raises:
        InvalidInput: a line is no JSON, or lacks a part of the schema; says which.
    """
    found: list[Line] = []
    left_out: dict[str, int] = defaultdict(int)
    for number, raw in enumerate(_raw(path), 1):
        try:
            row = json.loads(raw)
            if len(row["responses"]) != 2:
                left_out[_NO_PAIR] += 1
                continue
            line = _line(row)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{path.name}, line {number}: {error!r}") from error
        if line.votes:
            found.append(line)
        else:
            left_out[_NO_VOTE] += 1
    return File(path.name.split(".")[0], tuple(found), dict(left_out))


def texts_of(file: File) -> list[str]:
    """Every distinct prompt-and-completion, in a fixed order: what an encoder embeds."""
    return sorted({embedded(line, text) for line in file.lines for text in line.texts})


def embedded(line: Line, text: str) -> str:
    return f"{line.prompt}\n\n{text}"


def dual_set(file: File, judge: str, vectors: Mapping[str, Floats] | None = None) -> DualSet:
    """The pairs that `judge` labelled, as input of a replay; prices are one label each.

    `vectors` are the embeddings of `texts_of`; without them the model level is not compared.
    """
    lines = [line for line in file.lines if judge in line.verdicts]
    p = np.array([line.verdicts[judge][0] for line in lines])
    lengths = np.array([[float(token_count(t)) for t in line.texts] for line in lines])
    differences = None if vectors is None else _differences(lines, vectors)
    skipped = len(file.lines) - len(lines)
    return DualSet(
        keys=tuple(line.key for line in lines),
        prompts=tuple(line.prompt for line in lines),
        votes=tuple(line.votes for line in lines),
        judge=p,
        features=_features(file, lines, judge, p, lengths, differences),
        length_difference=lengths[:, 0] - lengths[:, 1],
        vote_cost=np.ones(len(lines)),
        judge_cost=np.zeros(len(lines)),
        differences=differences,
        judge_name=judge,
        left_out=dict(file.left_out) | ({_NO_VERDICT: skipped} if skipped else {}),
    )


def _features(  # noqa: PLR0917
    file: File,
    lines: Sequence[Line],
    judge: str,
    p: Floats,
    lengths: Floats,
    differences: Floats | None,
) -> FeatureTable:
    text = [extract(line.prompt, line.texts) for line in lines]
    table = FeatureTable(FEATURES, np.array([[row[name] for name in FEATURES] for row in text]))
    flips = np.array([_number(line.verdicts[judge][1]) for line in lines])
    return with_evidence(
        table,
        [line.prompt for line in lines],
        p,
        others={
            name: np.array([_number(line.verdicts.get(name, (None,))[0]) for line in lines])
            for name in file.judges
            if name != judge
        },
        flip=None if np.isnan(flips).all() else flips,
        longer=np.log1p(lengths[:, 0]) - np.log1p(lengths[:, 1]),
        generators=_known_generators(lines),
        differences=differences,
        sides=_sides(lines, judge),
    )


def _known_generators(lines: Sequence[Line]) -> Pairs | None:
    """None where a line does not say who wrote its completions."""
    found = [line.generators for line in lines if line.generators is not None]
    return found if len(found) == len(lines) else None


def _sides(lines: Sequence[Line], judge: str) -> dict[str, Floats]:
    names = sorted({name for line in lines for name in line.sides.get(judge, {})})
    return {
        name: np.array([_number(line.sides.get(judge, {}).get(name)) for line in lines])
        for name in names
    }


def _differences(lines: Sequence[Line], vectors: Mapping[str, Floats]) -> Floats:
    pairs = [[vectors[embedded(line, text)] for text in line.texts] for line in lines]
    stacked = np.array(pairs, dtype=np.float64)
    return np.asarray(stacked[:, 0] - stacked[:, 1])


def _raw(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from (line for line in file if line.strip())


def _line(row: Mapping[str, Any]) -> Line:
    prompt = row["prompt"]
    first, second = row["responses"]
    given: dict[str, list[float]] = defaultdict(list)
    aspects: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    ordered: set[str] = set()
    for label in row.get("ai", ()):
        name = label["judge"]
        given[name].append(_vote(label["ranking"]))
        if label.get("order"):
            ordered.add(name)
        for aspect, ranking in (label.get("attributes") or {}).items():
            aspects[name][aspect].append(2 * _vote(ranking) - 1)
    return Line(
        key=row["id"],
        prompt=prompt if isinstance(prompt, str) else "\n".join(t["content"] for t in prompt),
        texts=(first["text"], second["text"]),
        generators=_generators(first, second),
        votes=tuple(_vote(label["ranking"]) for label in row["human"]),
        verdicts={
            name: (float(np.mean(ps)), _flip(ps) if name in ordered else None)
            for name, ps in given.items()
        },
        sides={n: {a: float(np.mean(v)) for a, v in each.items()} for n, each in aspects.items()},
    )


def _generators(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, str] | None:
    """Who wrote them, with the style they were asked for where the file names it."""
    if "model" not in first or "model" not in second:
        return None
    a, b = (" ".join(filter(None, (r["model"], r.get("style")))) for r in (first, second))
    return a, b


def _flip(ps: Sequence[float]) -> float | None:
    """1 where two orders prefer different completions; None where only one was asked."""
    return float(len({np.sign(p - 0.5) for p in ps}) > 1) if len(ps) > 1 else None


def _vote(ranking: Sequence[int]) -> float:
    first, second = ranking
    return 0.5 if first == second else float(first < second)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
