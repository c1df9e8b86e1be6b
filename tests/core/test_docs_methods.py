"""The index of methods and the tables behind it say the same, each method once."""

import re
from collections import Counter

import pytest

from tests.core.test_docs import ROOT, text_of

DOCS = ROOT / "docs"
STATES = ("expressed", "partly", "not yet")
ROW = re.compile(r"^\| ([\d, ]+) \|", re.M)
GROUP = re.compile(
    r"^\| (.+?) \| \[([\w-]+\.md)\]\(\2\) \| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M
)


def index() -> list[tuple[str, str, int, list[list[str]]]]:
    """(group, page, number of methods, ids by state) of each line of the index."""
    found = GROUP.findall(text_of(DOCS / "methods.md"))
    return [
        (group, page, int(count), [re.findall(r"\d+", ids) for ids in states])
        for group, page, count, *states in found
    ]


def told(page: str) -> Counter[str]:
    """How often each id is the subject of a row of a page's tables."""
    rows = ROW.findall(text_of(DOCS / page))
    return Counter(name for row in rows for name in re.findall(r"\d+", row))


def test_every_method_is_in_one_group_and_state() -> None:
    ids = Counter(name for *_, states in index() for part in states for name in part)
    assert len(index()) == 17
    assert ids
    assert set(ids.values()) == {1}


@pytest.mark.parametrize("line", index(), ids=lambda line: line[0])
def test_every_method_of_the_index_has_one_row_on_its_page(
    line: tuple[str, str, int, list[list[str]]],
) -> None:
    _, page, count, states = line
    ids = [name for part in states for name in part]
    assert len(ids) == count
    pages = {page for _, page, *_ in index()}
    for name in ids:
        assert {other: told(other)[name] for other in pages if told(other)[name]} == {page: 1}


def test_the_counts_are_those_of_the_lists() -> None:
    sums = [sum(len(states[k]) for *_, states in index()) for k in range(len(STATES))]
    words = f"Of {sum(sums)} methods {sums[0]} are expressed, {sums[1]} partly, {sums[2]} not yet."
    assert words in text_of(DOCS / "methods.md")


def test_what_is_not_expressed_says_what_is_missing() -> None:
    """A row of a method that is partly here or not at all has a reason; `–` alone is none."""
    for _, page, _, (_, partly, missing) in index():
        for name in (*partly, *missing):
            (row,) = re.findall(
                rf"^\| (?:[\d, ]*\b)?{name}\b[\d, ]* \|.*$", text_of(DOCS / page), re.M
            )
            cells = [cell.strip() for cell in row.strip("|").split("|")[2:]]
            assert any(len(cell) > 8 for cell in cells), row
