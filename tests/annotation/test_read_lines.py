import gzip
import json
from pathlib import Path

import pytest

from annotation.instances.readers import Line, count_rows, read_rows, values
from core.exceptions import InvalidInput, NotFound
from jobs.exceptions import JobCancelled

GOOD = b'{"id": "a"}'


def lines_of(tmp_path: Path, content: bytes, name: str = "in.jsonl") -> list[Line]:
    path = tmp_path / name
    path.write_bytes(content)
    return list(read_rows(path))


def test_it_reads_plain_and_packed_files_alike(tmp_path: Path) -> None:
    content = GOOD + b'\n\n{"id": "\xc3\xa9"}'
    plain = lines_of(tmp_path, content)
    packed = lines_of(tmp_path, gzip.compress(content), "in.jsonl.gz")
    assert plain == packed == [Line(1, {"id": "a"}), Line(3, {"id": "é"})]


def test_it_passes_over_a_byte_order_mark(tmp_path: Path) -> None:
    assert lines_of(tmp_path, b"\xef\xbb\xbf" + GOOD) == [Line(1, {"id": "a"})]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"id": ', "malformed JSON: Expecting value at column 7"),
        (b"[1, 2]", "not an object"),
        (b"7", "not an object"),
        (b'{"x": NaN}', "NaN is not a JSON number"),
        (b'{"x": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"x": 1e999}', "1e999 is too large"),
        (b'{"x": ' + b"9" * 5000 + b"}", "malformed JSON"),
        (b'{"x": "a\x00b"}', "malformed JSON: Invalid control character"),
        (b'{"x": ["a\\u0000b"]}', "a NUL character"),
        (b'{"a\\u0000b": 1}', "a NUL character"),
        (b'{"x": "\\ud800"}', "half a surrogate pair"),
        (b'{"x": "\xff"}', "invalid UTF-8 at byte 8"),
        (b'{"x": "\xc3', "invalid UTF-8 at byte 8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"x": ' + b"[" * 100 + b"]" * 100 + b"}", "nested too deeply"),
    ],
)
def test_a_bad_line_has_a_number_and_a_reason_and_stops_nothing(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    first, second, third = lines_of(tmp_path, b"\n".join([GOOD, bad, GOOD]))
    assert (first.value, third.value) == ({"id": "a"}, {"id": "a"})
    assert (second.number, second.value) == (2, None)
    assert reason in str(second.error)


def test_a_backslash_before_u0000_is_text(tmp_path: Path) -> None:
    text = "a literal \\u0000 and a pair \N{GRINNING FACE}"
    (line,) = lines_of(tmp_path, json.dumps({"x": text}).encode())
    assert line.value == {"x": text}


def test_an_overlong_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_LINE_BYTES", 1000)
    exact = b'{"x": "' + b"y" * 990 + b'"}\n'
    assert len(exact) == 1000
    long = b'{"x": "' + b"y" * 5_000_000 + b'"}'
    first, second, third = lines_of(tmp_path, exact + long + b"\n" + GOOD)
    assert first.error is None
    assert second == Line(2, None, "the line is longer than 0 MiB")
    assert third == Line(3, {"id": "a"})


@pytest.mark.parametrize("cut", [5, 40])
def test_a_cut_off_gzip_ends_with_an_error(tmp_path: Path, cut: int) -> None:
    content = b"\n".join(b'{"id": "%d"}' % n for n in range(50_000))
    packed = gzip.compress(content)
    lines = lines_of(tmp_path, packed[: len(packed) * cut // 100], "in.jsonl.gz")
    *good, last = lines
    assert all(line.error is None for line in good)
    assert "damaged or cut off" in str(last.error)
    assert last.number == len(lines)


def test_content_and_not_the_name_says_what_is_packed(tmp_path: Path) -> None:
    assert lines_of(tmp_path, GOOD, "in.jsonl.gz") == [Line(1, {"id": "a"})]
    assert lines_of(tmp_path, gzip.compress(GOOD), "in.jsonl") == [Line(1, {"id": "a"})]
    (line,) = lines_of(tmp_path, b"\x1f\x8b\x08\x00garbage that is no deflate", "in.jsonl")
    assert "damaged" in str(line.error)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert lines_of(tmp_path, b"") == lines_of(tmp_path, b"", "x.jsonl.gz") == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.jsonl"):
        list(read_rows(tmp_path / "none.jsonl"))


def test_it_counts_lines_of_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n" + GOOD + b"\n"))
    assert count_rows(path) == 2
    path.write_bytes(b"\x1f\x8b\x08\x00no deflate at all, not even at the end")
    assert count_rows(path) == 0


def test_a_packed_file_of_too_many_lines_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * (values.MAX_ROWS + 1)))
    assert path.stat().st_size < 10_000
    with pytest.raises(InvalidInput, match="split it"):
        count_rows(path)


def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MAX_BYTES", 2**25)
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (2**25 + 1)))
    with pytest.raises(InvalidInput, match="split it"):
        count_rows(path)


def test_counting_can_be_stopped(tmp_path: Path) -> None:
    def stop() -> None:
        raise JobCancelled

    path = tmp_path / "in.jsonl"
    path.write_bytes(GOOD + b" " * 2**24)
    with pytest.raises(JobCancelled):
        count_rows(path, check=stop)
