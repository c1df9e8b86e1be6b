"""Every format that rows are read from, and what is refused in words."""

import csv
import datetime
import gzip
import io
import json
import resource
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Project
from annotation.instances.archives import unpacked
from annotation.instances.readers import Line, count_rows, opening, parquet, read_rows, values
from core.exceptions import ApplicationError, InvalidInput

ROWS: list[dict[str, Any]] = [
    {"a": 'quotes ", brackets [{ and \\ backslashes', "b": [{"c": 1}]},
    {"a": "é\n\N{GRINNING FACE}", "b": []},
]
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


def lines_of(tmp_path: Path, content: bytes, name: str) -> list[Line]:
    path = tmp_path / name
    path.write_bytes(content)
    lines = list(read_rows(path))
    assert count_rows(path) >= len([line for line in lines if line.error is None])
    return lines


def refusal(tmp_path: Path, content: bytes, name: str) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    for reading in (lambda: list(read_rows(path)), lambda: count_rows(path)):
        with pytest.raises(InvalidInput) as refused:
            reading()
    return refused.value.message


def table(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _csv(separator: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerows([["a", "b"], *([row["a"], json.dumps(row["b"])] for row in ROWS)])
    return out.getvalue().encode()


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
        ("lines.json", "\n".join(map(json.dumps, ROWS)).encode()),
        ("list.json", json.dumps(ROWS).encode()),
        ("pretty.json", json.dumps(ROWS, indent=2).encode()),
        ("wrapped.json", json.dumps({"n": 2, "data": ROWS, "more": [{"x": {}}]}).encode()),
        ("unnamed", json.dumps(ROWS).encode()),
        ("in.parquet", table(a=[row["a"] for row in ROWS], b=[row["b"] for row in ROWS])),
    ],
)
def test_every_format_gives_the_same_rows(
    tmp_path: Path, name: str, content: bytes, packing: str
) -> None:
    lines = lines_of(tmp_path, PACK[packing](content), name + packing)
    assert [line.value for line in lines] == ROWS
    assert all(line.error is None for line in lines)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";")])
def test_a_table_gives_texts_by_column(
    tmp_path: Path, name: str, separator: str, packing: str
) -> None:
    content = PACK[packing](b"\xef\xbb\xbf" + _csv(separator))
    lines = lines_of(tmp_path, content, name + packing)
    expected = [{"a": row["a"], "b": json.dumps(row["b"])} for row in ROWS]
    assert [line.value for line in lines] == expected


def test_an_object_alone_is_one_row(tmp_path: Path) -> None:
    row = {"id": 1, "responses": ROWS}
    for content in (json.dumps(row), json.dumps(row, indent=1)):
        assert [line.value for line in lines_of(tmp_path, content.encode(), "one.json")] == [row]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.text('ab"\\[{é', max_size=5),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**63), 2**63)
                | st.text('x"\\]},', max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text("k", max_size=2), inner, max_size=3)
                ),
                max_leaves=6,
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=6,
    ),
    indent=st.sampled_from([None, 1]),
)
def test_a_list_is_cut_at_the_borders_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = json.dumps(rows, indent=indent, ensure_ascii=False).encode()
    assert [line.value for line in lines_of(folder, content, "given.json")] == rows


def test_a_row_that_spans_many_blocks_is_whole(tmp_path: Path) -> None:
    rows = [{"a": 'x\\"' * 700_000}, {"b": 1}]
    found = lines_of(tmp_path, json.dumps(rows).encode(), "long.json")
    assert [line.value for line in found] == rows


def test_broken_rows_of_a_list_spoil_no_others(tmp_path: Path) -> None:
    content = b'[{"a": 1}, 7, "x", {"a": NaN}, {"a" 1}, [1], {"b": 2}]'
    lines = lines_of(tmp_path, content, "odd.json")
    assert [line.value for line in lines] == [{"a": 1}, *[None] * 5, {"b": 2}]
    assert "NaN is not a JSON number" in str(lines[3].error)


def test_an_overlong_row_of_a_list_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MAX_LINE_BYTES", 3_000_000)
    many = {"a": ["y" * 100] * 50_000}
    lines = lines_of(tmp_path, json.dumps([{"a": 1}, many, {"b": 2}]).encode(), "long.json")
    assert [line.value for line in lines] == [{"a": 1}, None, {"b": 2}]
    assert "longer than 2 MiB" in str(lines[1].error)


def test_marks_against_formulas_are_taken_from_our_own_tables_alone(tmp_path: Path) -> None:
    ours = b"text,formula_escape\n'=1+1,'\n''=1,'\n'quoted','\n"
    found = [line.value for line in lines_of(tmp_path, ours, "ours.csv")]
    assert found == [{"text": "=1+1"}, {"text": "'=1"}, {"text": "'quoted'"}]
    (theirs,) = lines_of(tmp_path, b"text,more\n'=1+1,'\n", "theirs.csv")
    assert theirs.value == {"text": "'=1+1", "more": "'"}


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["in.jsonl", "in.csv", "in.json"])
def test_what_stands_before_a_cut_is_read(tmp_path: Path, name: str, packing: str) -> None:
    texts = [f"text {number} {number * 2_654_435_761 % 2**32}" for number in range(20_000)]
    if name == "in.csv":
        content = "a\n" + "\n".join(texts)
    elif name == "in.jsonl":
        content = "\n".join(json.dumps({"a": text}) for text in texts)
    else:
        content = json.dumps([{"a": text} for text in texts])
    packed = PACK[packing](content.encode())
    *good, last = lines_of(tmp_path, packed[: len(packed) * 2 // 3], name + packing)
    assert len(good) > 1_000
    assert [line.value for line in good] == [{"a": text} for text in texts[: len(good)]]
    assert "damaged or cut off" in str(last.error)


def test_a_list_that_ends_in_the_middle_says_so(tmp_path: Path) -> None:
    *good, last = lines_of(tmp_path, json.dumps(ROWS).encode()[:-6], "cut.json")
    assert ([line.value for line in good], last.error) == (ROWS[:1], "the JSON ends in the middle")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"1,2,3", "3 values for 2 columns"),
        (b"1", "1 values for 2 columns"),
        (b'"q"x,1', "malformed CSV"),
        (b"caf\xe9,1", "invalid UTF-8 at byte 12 of the file"),
        (b"a longer text\0,1", "NUL character"),
    ],
)
def test_a_bad_row_of_a_table_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    lines = lines_of(tmp_path, b"a,b\n1,2\n" + content + b"\n3,4\n", "bad.csv")
    assert [line.value for line in lines] == [{"a": "1", "b": "2"}, None, {"a": "3", "b": "4"}]
    assert (lines[1].number, reason in str(lines[1].error)) == (3, True)


def test_a_quote_without_an_end_stops_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MAX_LINE_BYTES", 1_000)
    (line,) = lines_of(tmp_path, b'a,b\n"1,2\n' + b"3,4\n" * 1_000, "open.csv")
    assert "quotes are not closed" in str(line.error)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"\x80\x04\x95\x10", "rows.jsonl", "Python pickle"),
        (b"\x80\x02}q\x00", "rows.parquet", "Python pickle"),
        (b"PK\x03\x04rest", "rows.json", "archive"),
        ('{"a": 1}'.encode("utf-16"), "rows.jsonl", "save it as UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "rows.jsonl", "no text"),
        (gzip.compress(gzip.compress(b"{}")), "rows.jsonl.gz", "twice"),
        (b"\x93NUMPY\x01\x00", "rows.jsonl", "no text"),
        (b"," * 10_000_000, "wide.csv", "more than 10,000 columns"),
        (b"a,,b\n1,2,3", "blank.csv", "Column 2 of the table has no name"),
        (b"a,b,a\n1,2,3", "twice.csv", "two columns named 'a'"),
        (b"caf\xe9,b\n1,2", "latin.csv", "invalid UTF-8 at byte 4"),
        (b"PAR1", "short.parquet", "damaged"),
        (b"PAR1" + b"x" * 50 + b"\x10\x00\x00\x00PAR1", "lie.parquet", "damaged"),
        (b"PAR1" + b"x" * 50 + b"\xff\xff\xff\x7fPAR1", "long.parquet", "damaged"),
    ],
)
def test_what_is_no_file_of_rows_is_refused_in_words(
    tmp_path: Path, content: bytes, name: str, reason: str
) -> None:
    assert reason in refusal(tmp_path, content, name)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_gigabytes_of_nothing_are_refused_by_their_ratio(tmp_path: Path, packing: str) -> None:
    # The ratio of 10 GB in 10 MB, and far beyond; as many zeros as it takes to notice.
    content = PACK[packing](b"0" * (opening.RATIO_FROM_BYTES + 2**20))
    assert len(content) < 200_000
    assert "times its size" in refusal(tmp_path, content, "bomb.jsonl" + packing)


def test_types_of_parquet_become_json(tmp_path: Path) -> None:
    content = table(
        at=[datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)],
        day=[datetime.date(2024, 5, 1)],
        nan=[float("nan")],
        raw=[b"text"],
        nested=[[{"k": [1, None]}]],
    )
    (line,) = lines_of(tmp_path, content, "types.parquet")
    assert line.value == {
        "at": "2024-05-01T12:00:00+00:00",
        "day": "2024-05-01",
        "nan": None,
        "raw": "text",
        "nested": [{"k": [1, None]}],
    }


def test_values_that_json_has_not_are_errors_of_their_row(tmp_path: Path) -> None:
    content = table(a=[1.0, float("inf"), 2.0], raw=[b"x", b"x", b"\xff"])
    lines = lines_of(tmp_path, content, "odd.parquet")
    assert [line.error for line in lines] == [
        None,
        "inf is not a JSON number",
        "column raw holds bytes that are no text",
    ]


def test_parquet_that_claims_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {f"c{number}": [1] for number in range(11)}
    monkeypatch.setattr(values, "MAX_COLUMNS", 10)
    assert "more than 10 columns" in refusal(tmp_path, table(**columns), "wide.parquet")
    monkeypatch.setattr(parquet, "MAX_FOOTER_BYTES", 500)
    assert "metadata is larger" in refusal(tmp_path, table(**columns), "footer.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1_000)
    zeros = table(a=["0" * 5_000] * 2)
    assert "row group" in refusal(tmp_path, zeros, "group.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(values, "MAX_BYTES", 1_000)
    assert "unpacks to more" in refusal(tmp_path, zeros, "large.parquet")


def test_deep_parquet_is_refused(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(110):
        deep = {"k": deep}
    assert "deeply nested" in refusal(tmp_path, table(a=[deep]), "deep.parquet")


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_parquet_with_flipped_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(table(a=["one", "two", "three"] * 20, b=[[1], None, [2, 3]] * 20))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(4, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.parquet"
    path.write_bytes(content)
    try:
        count_rows(path)
        for line in read_rows(path):
            assert (line.value is None) != (line.error is None)
    except InvalidInput as refused:
        assert refused.message  # noqa: PT017 - most flips are read, and none may end otherwise


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """Call it, and no file grows beyond a megabyte: what a full disk looks like to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_while_unpacking_is_said(
    tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    path = tmp_path / "large.parquet.gz"
    path.write_bytes(gzip.compress(table(a=[f"{n} {hash(str(n))}" for n in range(100_000)])))
    full_disk()
    with pytest.raises(ApplicationError, match="cannot be unpacked"):
        list(read_rows(path))
    assert [each.name for each in tmp_path.iterdir()] == ["large.parquet.gz"]


def test_a_disk_that_fills_while_an_archive_is_unpacked_is_said(
    tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in.jsonl", b"{}\n" * 2**20)
    full_disk()
    with (
        pytest.raises(ApplicationError, match="cannot be unpacked"),
        unpacked(path, Project(), lambda: None),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["in.zip"]
