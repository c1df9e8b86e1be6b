"""What differs between two snapshots, by walking their files side by side. Pure.

Both are sorted by instance id, so memory is that of two batches, whatever their size.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.instances.content import EVEN
from core.exceptions import InvalidInput

from .files import LABEL_FILES

BATCH = 2000
SHOWN = 200
KINDS = ("instance added", "instance removed", "split moved", "consensus flipped")
LABEL_KINDS = ("label added", "label removed")
# What makes two labels the same one: annotators answer a criterion once for one purpose.
LABEL = ("criterion", "annotator", "purpose", "ranking", "scores", "tie_kind", "created_at")


@dataclass(frozen=True)
class Change:
    """One difference. `before` and `after` are a split, a winner, or a pseudonym and an answer."""

    instance_id: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Diff:
    """`query` has the keys that differ with both values; `changes` the first so many."""

    query: dict[str, list[Any]]
    counts: dict[str, int]
    changes: list[Change]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def diff(before: Path, after: Path, queries: Sequence[Mapping[str, Any]]) -> Diff:
    """Of two snapshots' folders; `queries` are theirs.

    Raises:
        InvalidInput: the files of one are not sorted: it was built by an early version.
    """
    counts: Counter[str] = Counter(dict.fromkeys((*KINDS, *LABEL_KINDS), 0))
    first: list[Change] = []
    for change in changes(before, after):
        counts[change.what] += 1
        if len(first) < SHOWN:
            first.append(change)
    return Diff(query_diff(*queries), dict(counts), first)


def query_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """[before, after] of each key that differs; None where it is absent."""
    names = sorted({*before, *after})
    return {
        name: [before.get(name), after.get(name)]
        for name in names
        if before.get(name) != after.get(name)
    }


def changes(before: Path, after: Path) -> Iterator[Change]:
    """All differences: of instances, then of consensus, then of labels, each by instance id."""
    yield from _instances(before, after)
    yield from _consensus(before, after)
    yield from _labels(before, after)


def _instances(before: Path, after: Path) -> Iterator[Change]:
    columns = ["instance_id", "split"]
    for name, old, new in _beside(
        _groups(before / "instances.parquet", columns),
        _groups(after / "instances.parquet", columns),
    ):
        if not old:
            yield Change(name, "instance added", after=new[0]["split"])
        elif not new:
            yield Change(name, "instance removed", before=old[0]["split"])
        elif old[0]["split"] != new[0]["split"]:
            yield Change(name, "split moved", old[0]["split"], new[0]["split"])


def _consensus(before: Path, after: Path) -> Iterator[Change]:
    """Pairs from ratings give an instance several rows: they compare only as many."""
    for name, old, new in _beside(_rows(before), _rows(after)):
        for one, other in zip(old, new, strict=False):
            first, second = winner(one["score"]), winner(other["score"])
            if first != second:
                yield Change(name, "consensus flipped", first, second)


def winner(score: Sequence[float | None]) -> str:
    """The positions of the best, from 1, such as `1` or `1=2`."""
    known = [each for each in score if each is not None]
    best = max(known, default=0.0)
    places = [n for n, each in enumerate(score, 1) if each is not None and best - each < EVEN]
    return "=".join(map(str, places))


def _labels(before: Path, after: Path) -> Iterator[Change]:
    columns = ["instance_id", *LABEL]
    for name, old, new in _beside(
        _groups(before / "annotations.parquet", columns),
        _groups(after / "annotations.parquet", columns),
    ):
        was = Counter(_said(label) for label in old)
        now = Counter(_said(label) for label in new)
        for each in sorted((was - now).elements()):
            yield Change(name, "label removed", before=" ".join(each[:4]))
        for each in sorted((now - was).elements()):
            yield Change(name, "label added", after=" ".join(each[:4]))


def _said(label: Mapping[str, Any]) -> tuple[str, ...]:
    answer = label["ranking"] or label["scores"] or label["tie_kind"]
    return (
        *(label["annotator"], label["criterion"], label["purpose"], str(answer)),
        label["created_at"],
    )


Group = tuple[str, list[dict[str, Any]]]


def _groups(path: Path, columns: list[str]) -> Iterator[Group]:
    """The rows of each instance, in the order of the file."""
    if not path.is_file():
        raise InvalidInput("A snapshot from before there were labels in it cannot be compared.")
    with pq.ParquetFile(path) as file:
        rows = (
            row
            for batch in file.iter_batches(batch_size=BATCH, columns=columns)
            for row in batch.to_pylist()
        )
        for name, group in groupby(rows, key=lambda row: row["instance_id"]):
            yield name, list(group)


def _rows(folder: Path) -> Iterator[Group]:
    """The rows of all splits, each file sorted, merged by instance."""
    paths = [path for path in sorted(folder.glob("*.parquet")) if path.stem not in LABEL_FILES]
    walks = [_groups(path, ["instance_id", "score"]) for path in paths]
    heads = {number: head for number, walk in enumerate(walks) if (head := next(walk, None))}
    while heads:
        number = min(heads, key=lambda each: heads[each][0])
        yield heads.pop(number)
        if head := next(walks[number], None):
            heads[number] = head


def _beside(
    before: Iterator[Group], after: Iterator[Group]
) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
    """The groups of both by instance; one that only one has is empty in the other."""
    before, after = _sorted(before), _sorted(after)
    old, new = next(before, None), next(after, None)
    while old or new:
        if new is None or (old and old[0] < new[0]):
            assert old is not None  # noqa: S101 - one of both is there
            yield old[0], old[1], []
            old = next(before, None)
        elif old is None or new[0] < old[0]:
            yield new[0], [], new[1]
            new = next(after, None)
        else:
            yield old[0], old[1], new[1]
            old, new = next(before, None), next(after, None)


def _sorted(groups: Iterator[Group]) -> Iterator[Group]:
    last = ""
    for name, rows in groups:
        if name < last:
            raise InvalidInput("A snapshot of an early version is not sorted: build it again.")
        last = name
        yield name, rows
