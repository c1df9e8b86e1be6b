"""Looking into files before anything of them is imported: formats, columns, a trial of the head."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from accounts.models import Project
from annotation.instances.adapters import Guess, adapt, recognise
from annotation.instances.archives import unpacked
from annotation.instances.lines import Line
from annotation.instances.readers import read_rows
from annotation.instances.services import Preview, preview_records

from .given import Given

SAMPLE_ROWS = 50
SHOWN_ROWS = 3
SHOWN_VALUES = 3
SHOWN_CHARACTERS = 120
MOST_COLUMNS = 200
# Below it, or with a second guess this near, somebody is asked what the columns mean.
SURE = 0.6
NEAR = 0.05
COLUMNS = "columns"
# A larger archive is not unpacked while a person waits.
MOST_ZIP_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Column:
    """A column of the sample, with a few of its values as texts."""

    name: str
    values: list[str]


@dataclass(frozen=True)
class Look:
    """What is in a file. `adapter` is the one tried, empty where nothing could be.

    `sure` says that the guess needs nobody's word; `trial` is what an import of the first rows
    would do, None where it was not tried; `large` says that the file was not opened for its size.
    """

    guesses: list[Guess] = field(default_factory=list)
    adapter: str = ""
    sure: bool = False
    columns: list[Column] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    trial: Preview | None = None
    large: bool = False


def look_into(
    *, project: Project, given: Given | None, adapter: str = "auto", options: Mapping[str, Any]
) -> Look:
    """Recognise a file and try its first rows; media of an archive are kept already.

    No file stands for one that is too large to be had while somebody waits.

    With the adapter "" nothing is tried, with "auto" what the rows look like, if that is sure.

    Raises:
        InvalidInput: the file is refused as a whole, or there is no such adapter.
    """
    if given is None or (
        given.path.suffix == ".zip" and given.path.stat().st_size > MOST_ZIP_BYTES
    ):
        return Look(large=True)
    with _opened(given, project) as (path, name, refused):
        lines = iter(read_rows(path, name))
        head = list(islice(lines, SAMPLE_ROWS))
        rows = [line.value for line in head if line.value is not None]
        guesses = recognise(rows, name)
        sure = is_sure(guesses)
        tried = adapter if adapter != "auto" else guesses[0].adapter if sure else ""
        trial = _tried(project, tried, chain(head, lines), options, refused) if tried else None
    return Look(guesses, tried, sure, columns_of(rows), rows[:SHOWN_ROWS], trial)


def is_sure(guesses: Sequence[Guess]) -> bool:
    """Whether the best guess needs nobody's word."""
    if not guesses or guesses[0].confidence < SURE:
        return False
    return len(guesses) == 1 or guesses[0].confidence - guesses[1].confidence >= NEAR


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns of a sample in the order they appear, each with its first values."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in values and len(values) >= MOST_COLUMNS:
                continue
            shown = values.setdefault(name, [])
            if value not in (None, "") and len(shown) < SHOWN_VALUES:
                shown.append(str(value)[:SHOWN_CHARACTERS])
    return [Column(name, shown) for name, shown in values.items()]


def _is_large(path: Path) -> bool:
    return path.suffix == ".zip" and path.stat().st_size > MOST_ZIP_BYTES


def _tried(
    project: Project,
    adapter: str,
    lines: Iterator[Line],
    options: Mapping[str, Any],
    refused: list[tuple[str, str]],
) -> Preview:
    adapted = adapt(adapter, lines, options)
    return preview_records(project=project, lines=adapted, refused_files=refused)


@contextmanager
def _opened(given: Given, project: Project) -> Iterator[tuple[Path, str, list[tuple[str, str]]]]:
    """The file of rows, its name, and the media of an archive that were refused."""
    if given.path.suffix != ".zip":
        yield given.path, given.name, []
        return
    with unpacked(given.path, project, lambda: None) as (path, refused):
        yield path, path.name, refused
