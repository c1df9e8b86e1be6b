"""Importing bad input: every line below has a stated outcome, and good lines go in beside it."""

from pathlib import Path
from typing import Any

import pytest

from annotation.instances import importing
from annotation.instances.models import Completion, Instance, RecordedLabel
from annotation.instances.parsing import MAX_COMPLETION_BYTES
from annotation.instances.readers import Line, read_rows
from annotation.instances.services import ImportReport, import_records
from jobs.exceptions import JobCancelled
from tests.factories import make_project

pytestmark = pytest.mark.django_db

FIXTURE = Path(__file__).parent / "data" / "bad_lines.jsonl"


def record(external_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": external_id,
        "prompt": f"What is {external_id}?",
        "responses": [{"text": "First"}, {"text": "Second"}],
        "human": [{"annotator": "h1", "ranking": [1, 2]}],
        "ai": [],
    } | changes


def import_beside(bad: dict[str, Any], **project: Any) -> ImportReport:
    """Import the bad line between two good ones and check that those went in whole."""
    lines = [Line(1, record("good-1")), Line(2, bad), Line(3, record("good-2"))]
    report = import_records(project=make_project(**project), lines=lines, reveal=False)
    good = Instance.objects.filter(external_id__startswith="good")
    assert (good.count(), Completion.objects.filter(instance__in=good).count()) == (2, 4)
    return report


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "has no id"),
        ({"id": "  "}, "has no id"),
        ({"id": "x" * 191}, "longer than 190"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"prompt": []}, "the prompt is empty"),
        ({"prompt": [{"role": "user", "content": ""}]}, "the prompt is empty"),
        ({"prompt": 7}, "text or a list of turns"),
        ({"prompt": [{"role": "robot", "content": "x"}]}, "role"),
        ({"prompt": [{"role": "user", "content": 1}]}, "content"),
        ({"prompt": ["x"]}, "role"),
        ({"prompt": "x" * (2 * 2**20 + 1)}, "prompt is larger than 2 MiB"),
        ({"responses": None}, "responses must be a list"),
        ({"responses": []}, "0 completions"),
        ({"responses": [{"text": "only"}]}, "1 completions: a pairwise project takes 2"),
        ({"responses": [{"text": str(n)} for n in range(65)]}, "65 completions"),
        ({"responses": [{"text": "a"}, {"model": "m"}]}, "completion 1: needs a text"),
        ({"responses": [{"text": "a"}, "b"]}, "completion 1: needs a text"),
        ({"responses": [{"text": "a", "model": "m" * 101}, {"text": "b"}]}, "completion 0: model"),
        ({"human": {}}, "human must be a JSON list"),
        ({"human": [{"ranking": [1, 2]}]}, "names no annotator"),
        ({"human": [{"annotator": "h", "ranking": [1]}]}, "has 1 ranks for 2 completions"),
        ({"human": [{"annotator": "h", "ranking": [1, 2, 3]}]}, "has 3 ranks for 2 completions"),
        ({"human": [{"annotator": "h", "ranking": [0, 1]}]}, "whole numbers from 1"),
        ({"human": [{"annotator": "h", "ranking": [1.5, 1]}]}, "whole numbers from 1"),
        ({"human": [{"annotator": "h", "ranking": [True, 2]}]}, "whole numbers from 1"),
        ({"human": [{"annotator": "h"}]}, "must be a list of whole numbers"),
        ({"human": [{"annotator": "h", "ranking": [1, 2], "order": [0, 0]}]}, "each of the 2"),
        ({"human": [{"annotator": "h", "ranking": [1, 2], "strength": 2}]}, "from 0 to 1"),
        ({"human": [{"annotator": "h", "ranking": [1, 2], "rationale": 3}]}, "must be a text"),
        ({"ai": [{"annotator": "h", "ranking": [1, 2]}]}, "names no judge"),
        ({"meta": "x"}, "meta must be a JSON object"),
        ({"tags": [1]}, "a tag"),
    ],
)
def test_a_line_that_breaks_a_rule_leaves_nothing_behind(
    changes: dict[str, Any], reason: str
) -> None:
    report = import_beside(record("bad", **changes))
    assert (report.created, report.refused) == (2, 1)
    assert report.errors[0]["line"] == 2
    assert reason in report.errors[0]["reason"]
    assert Instance.objects.count() == 2
    assert RecordedLabel.objects.count() == 2


def test_one_bad_label_refuses_the_whole_instance() -> None:
    labels = [{"annotator": "h1", "ranking": [1, 2]}, {"annotator": "h2", "ranking": [1]}]
    report = import_beside(record("bad", human=labels))
    assert report.refused == 1
    assert not Instance.objects.filter(external_id="bad").exists()


def test_one_completion_is_fine_where_single_ones_are_rated() -> None:
    single = {"responses": [{"text": "only"}], "human": [{"annotator": "h", "ranking": [1]}]}
    lines = [Line(1, record("single", **single))]
    report = import_records(project=make_project(kind="binary"), lines=lines, reveal=False)
    assert (report.created, report.refused) == (1, 0)


@pytest.mark.parametrize(
    "responses",
    [
        pytest.param([{"text": ""}, {"text": "b"}], id="empty completion"),
        pytest.param([{"text": "same"}, {"text": "same"}], id="identical completions"),
        pytest.param([{"text": "x" * 1_000_000}, {"text": "b"}], id="1 MB completion"),
        pytest.param([{"text": "x" * MAX_COMPLETION_BYTES}, {"text": "b"}], id="at the limit"),
    ],
)
def test_unusual_completions_are_accepted(responses: list[dict[str, Any]]) -> None:
    report = import_beside(record("odd", responses=responses))
    assert (report.created, report.refused) == (3, 0)
    stored = Completion.objects.filter(instance__external_id="odd").values_list("text", flat=True)
    assert list(stored) == [each["text"] for each in responses]


def test_a_completion_over_the_limit_is_refused() -> None:
    # Two bytes each in UTF-8: the limit counts bytes.
    text = "é" * (MAX_COMPLETION_BYTES // 2 + 1)
    report = import_beside(record("big", responses=[{"text": "a"}, {"text": text}]))
    assert report.errors[0]["reason"] == "completion 1 is larger than 2 MiB"


def test_the_same_id_again_in_one_file() -> None:
    first, other = record("x"), record("x", prompt="Something else?")
    lines = [Line(1, first), Line(2, first), Line(3, other)]
    report = import_records(project=make_project(), lines=lines, reveal=False)
    assert (report.created, report.unchanged, report.refused) == (1, 1, 1)
    assert report.errors == [
        {"line": 3, "id": "x", "reason": "the id stood on line 1 with other content"}
    ]
    assert Instance.objects.get().messages[0]["content"] == "What is x?"


def test_unknown_keys_are_ignored_and_counted() -> None:
    responses = [{"text": "a", "quality": 0.9}, {"text": "b", "quality": 0.1}]
    report = import_beside(record("x", responses=responses, colour="red"))
    assert report.notes == {
        "unknown key colour ignored": 1,
        "unknown key responses[].quality ignored": 2,
    }


def test_keys_without_end_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_NOTES", 3)
    report = import_beside(record("many", **{f"key{number}": 1 for number in range(10)}))
    assert len(report.notes) == 4
    assert report.notes[importing.OTHER_NOTES] == 7


@pytest.mark.parametrize(
    ("count", "characters", "meta", "pairs"),
    [(64, 10_000, {}, "2016 pairs"), (3, 1, {"x": "y" * 11_000_000}, "3 pairs")],
)
def test_a_line_whose_pairs_would_fill_the_disk_is_refused(
    count: int, characters: int, meta: dict[str, str], pairs: str
) -> None:
    responses = [{"text": chr(ord("A") + number) * characters} for number in range(count)]
    [error] = import_beside(record("wide", responses=responses, human=[], meta=meta)).errors
    assert pairs in error["reason"]


def test_metadata_makes_batches_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_CHARACTERS", 2_000)
    written: list[int] = []
    lines = [Line(n, record(f"r{n}", meta={"x": "y" * 3_000})) for n in range(1, 4)]
    import_records(project=make_project(), lines=lines, reveal=False, progress=written.append)
    assert written == [1, 2, 3, 3]


def test_a_cancel_gets_through_a_file_of_nothing_but_errors() -> None:
    def cancelled(done: int) -> None:
        raise JobCancelled

    lines = (Line(number, None, "broken") for number in range(1, 10**9))
    with pytest.raises(JobCancelled):
        import_records(project=make_project(), lines=lines, reveal=False, progress=cancelled)


def test_a_file_of_errors_lists_the_first_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_ERRORS_LISTED", 2)
    lines = [Line(number, None, "broken") for number in range(1, 6)]
    report = import_records(project=make_project(), lines=lines, reveal=False)
    assert (report.refused, [error["line"] for error in report.errors]) == (5, [1, 2])


def test_a_file_with_every_fault_gives_its_good_lines() -> None:
    report = import_records(project=make_project(), lines=read_rows(FIXTURE), reveal=True)
    assert report.created == 2
    assert [error["line"] for error in report.errors] == [2, 3, 4, 5, 6, 8]
    assert set(Instance.objects.values_list("external_id", flat=True)) == {"first", "last"}
