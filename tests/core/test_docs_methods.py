"""The index of methods and the tables behind it say the same, each method once."""

import re
from collections import Counter

import pytest

from tests.core.test_docs import ROOT, text_of

DOCS = ROOT / "docs"
# The parts of the index: what the best state is called, and how many groups there are.
PARTS = {"training": ("expressed", 17), "data": ("served", 9)}
DATA = "\n## What methods need of data\n"
Group = tuple[str, str, int, list[list[str]]]
ROW = re.compile(r"^\| ([\d, ]+) \|", re.M)
GROUP = re.compile(
    r"^\| (.+?) \| \[([\w-]+\.md)\]\(\2\) \| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M
)


def part_of_index(part: str) -> str:
    """The text of one part of the index."""
    return dict(zip(PARTS, text_of(DOCS / "methods.md").split(DATA), strict=True))[part]


def index(part: str) -> list[Group]:
    """(group, page, number of methods, ids by state) of each line of a part of the index."""
    found = GROUP.findall(part_of_index(part))
    return [
        (group, page, int(count), [re.findall(r"\d+", ids) for ids in states])
        for group, page, count, *states in found
    ]


def told(page: str) -> Counter[str]:
    """How often each id is the subject of a row of a page's tables."""
    rows = ROW.findall(text_of(DOCS / page))
    return Counter(name for row in rows for name in re.findall(r"\d+", row))


LINES = [(part, line) for part in PARTS for line in index(part)]


@pytest.mark.parametrize("part", PARTS)
def test_every_method_is_in_one_group_and_state(part: str) -> None:
    ids = Counter(name for *_, states in index(part) for state in states for name in state)
    assert len(index(part)) == PARTS[part][1]
    assert ids
    assert set(ids.values()) == {1}


@pytest.mark.parametrize(("part", "line"), LINES, ids=[f"{part}-{row[0]}" for part, row in LINES])
def test_every_method_of_the_index_has_one_row_on_its_page(part: str, line: Group) -> None:
    _, page, count, states = line
    ids = [name for state in states for name in state]
    assert len(ids) == count
    pages = {page for _, page, *_ in index(part)}
    for name in ids:
        assert {other: told(other)[name] for other in pages if told(other)[name]} == {page: 1}


@pytest.mark.parametrize("part", PARTS)
def test_the_counts_are_those_of_the_lists(part: str) -> None:
    best, _ = PARTS[part]
    sums = [sum(len(states[k]) for *_, states in index(part)) for k in range(3)]
    words = f"Of {sum(sums)} methods {sums[0]} are {best}, {sums[1]} partly, {sums[2]} not yet."
    assert words in part_of_index(part)


def test_what_is_not_expressed_says_what_is_missing() -> None:
    """A row of a method that is partly here or not at all has a reason; `–` alone is none."""
    for _, (_, page, _, (_, partly, missing)) in LINES:
        for name in (*partly, *missing):
            (row,) = re.findall(
                rf"^\| (?:[\d, ]*\b)?{name}\b[\d, ]* \|.*$", text_of(DOCS / page), re.M
            )
            cells = [cell.strip() for cell in row.strip("|").split("|")[2:]]
            assert any(len(cell) > 8 for cell in cells), row


def test_what_data_serve_is_shown_by_tests_that_are_there() -> None:
    """A row names a test; one that is not served in full says after it what is missing."""
    rows = {name: row for row in DATA_ROWS for name in re.findall(r"\d+", row[0])}
    for *_, (served, partly, missing) in index("data"):
        for name in (*served, *partly):
            files = re.findall(r"`(tests/[\w/]+\.py)`", rows[name][-1])
            assert files, name
            assert all((ROOT / file).is_file() for file in files), name
        assert all("; " in rows[name][-1] for name in partly)
        assert all("*not yet*" in rows[name][-2] for name in missing)


DATA_ROWS = [
    row.strip("| ").split(" | ")
    for row in re.findall(r"^\| \d.*$", text_of(DOCS / "methods-data.md"), re.M)
]
