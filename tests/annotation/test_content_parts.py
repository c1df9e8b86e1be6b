"""Turns, completions and documents that are more than text."""

from typing import Any

import pytest

from annotation.instances.content import InstanceContent, document_number, text_of
from annotation.instances.lines import Line
from annotation.instances.models import Completion, Instance
from annotation.instances.parsing import Notes, parse_instances
from annotation.instances.services import import_records, preview_records
from annotation.projects.models import Kind
from core.exceptions import InvalidInput
from tests.factories import make_project

CAT = "c" * 64
MEDIA = {"cat.png": (CAT, "image/png"), "film.mp4": ("f" * 64, "video/mp4")}
IMAGE = {"type": "image", "file": "cat.png", "alt": "A cat"}


def line(**changes: Any) -> dict[str, Any]:
    return {
        "id": "q1",
        "prompt": "Which is better?",
        "context": ["One.", {"id": "d2", "title": "Two", "text": "Second."}],
        "responses": [{"text": "a"}, {"text": "b"}],
    } | changes


def parsed(kind: str = Kind.PAIRWISE, **changes: Any) -> InstanceContent:
    return parse_instances(line(**changes), kind, Notes(), MEDIA)[0]


def with_parts(*parts: Any) -> list[dict[str, Any]]:
    return [{"text": "a", "parts": list(parts)}, {"text": "b"}]


def test_a_completion_keeps_its_parts_and_a_file_gains_its_hash() -> None:
    cited = {"type": "citation", "document": "d2", "quote": "Second."}
    remote = {"type": "video", "url": "https://example.org/v.mp4"}
    content = parsed(responses=with_parts(IMAGE, remote, cited, {"type": "html", "text": "<b>x"}))
    assert content.completions[0].parts == [
        IMAGE | {"sha256": CAT},
        remote,
        cited,
        {"type": "html", "text": "<b>x"},
    ]
    assert content.completions[1].parts == []


def test_a_turn_may_be_a_list_of_parts() -> None:
    content = parsed(prompt=[{"role": "user", "content": [IMAGE, {"type": "text", "text": "?"}]}])
    assert content.messages[0]["content"][0]["sha256"] == CAT
    assert text_of(content.messages[0]["content"]) == "[image: A cat]\n\n?"


def test_parts_may_stand_without_a_text() -> None:
    assert parsed(responses=[{"parts": [IMAGE]}, {"text": ""}]).completions[0].text == ""


def test_each_side_may_bring_its_own_prompt() -> None:
    sides = [{"prompt": f"Question {n}?", "text": "yes"} for n in (1, 2)]
    content = parsed(prompt=None, responses=sides)
    assert content.messages == []
    assert content.completions[1].messages == [{"role": "user", "content": "Question 2?"}]


@pytest.mark.parametrize("kind", [Kind.RATING, Kind.BINARY])
def test_a_project_of_ratings_takes_one_completion(kind: str) -> None:
    assert len(parsed(kind, responses=[{"text": "a"}]).completions) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"responses": with_parts("x")}, "completion 0, part 0: needs a type"),
        ({"responses": with_parts({"type": "script", "text": "x"})}, "needs a type of"),
        ({"responses": with_parts({"type": "code"})}, "needs a text"),
        ({"responses": with_parts({"type": "text", "text": 1})}, "text must be a text"),
        ({"responses": with_parts({"type": "image"})}, "either a url or a file"),
        ({"responses": with_parts({**IMAGE, "url": "https://e.org"})}, "either a url or a file"),
        (
            {"responses": with_parts({"type": "image", "file": "dog.png"})},
            "no media file",
        ),
        ({"responses": with_parts({"type": "audio", "file": "cat.png"})}, "image/png, no audio"),
        ({"responses": with_parts({"type": "image", "url": "http://e.org/x"})}, "https://"),
        ({"responses": with_parts({"type": "image", "url": "javascript:alert(1)"})}, "https://"),
        (
            {"responses": with_parts({"type": "image", "url": "data:image/svg+xml;base64,AAAA"})},
            "allowed image type",
        ),
        ({"responses": with_parts({"type": "citation", "document": "d9"})}, "cites 'd9'"),
        ({"responses": with_parts({"type": "citation", "document": 2})}, "cites '2'"),
        ({"responses": with_parts({"type": "citation", "document": True})}, "cites 'True'"),
        ({"responses": with_parts({"type": "html", "text": "x" * 300_000})}, "limited to 200 kB"),
        ({"responses": with_parts(*[IMAGE] * 65)}, "at most 64 parts"),
        ({"responses": [{"text": "a", "parts": {}}, {"text": "b"}]}, "list of at most"),
        ({"responses": [{"parts": []}, {"text": "b"}]}, "needs a text"),
        ({"prompt": [{"role": "user", "content": []}]}, "the prompt is empty"),
        ({"prompt": None, "responses": [{"prompt": "p", "text": "a"}, {"text": "b"}]}, "prompt"),
        ({"context": [7]}, "document 0 of the context"),
        ({"context": [{"text": 7}]}, "text must be a text"),
        ({"context": [{"id": "x", "text": ""}, {"id": "x", "text": ""}]}, "the same id"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason.replace("(", r"\(")):
        parsed(**changes)


def test_the_hash_counts_parts_prompts_and_documents_and_stays_for_plain_texts() -> None:
    plain = parsed()
    others = [
        parsed(responses=with_parts(IMAGE)),
        parsed(responses=[{"text": "a", "prompt": "p"}, {"text": "b"}]),
        parsed(context=["One."]),
    ]
    assert len({each.content_hash() for each in [plain, *others]}) == 4
    assert plain.completions[0].identity() == ["a", ""]
    assert others[1].prompt_hash() != plain.prompt_hash()


def test_the_text_of_a_plain_string_is_itself() -> None:
    assert text_of("  a\n") == "  a\n"
    assert text_of([{"type": "code", "text": "x"}, {"type": "citation", "document": 0}]) == "x"


def test_a_document_is_found_by_id_or_place() -> None:
    documents = ["One.", {"id": "d2"}]
    assert [document_number(documents, each) for each in ("d2", 0, 2, -1, None)] == [2, 1, 0, 0, 0]


@pytest.mark.django_db
def test_parts_and_own_prompts_reach_the_rows() -> None:
    project = make_project()
    responses = [{"text": "a", "prompt": "p", "parts": [{"type": "code", "text": "x"}]}] * 2
    import_records(project=project, lines=[Line(1, line(responses=responses))], reveal=True)
    row = Completion.objects.filter(instance__project=project).first()
    assert row is not None
    assert row.parts == [{"type": "code", "text": "x"}]
    assert row.messages == [{"role": "user", "content": "p"}]
    assert row.whole_text == "a\n\nx"


@pytest.mark.django_db
def test_a_preview_counts_and_leaves_nothing() -> None:
    project = make_project()
    import_records(project=project, lines=[Line(1, line())], reveal=True)
    lines = [
        Line(1, line()),
        Line(2, line(responses=[{"text": "new"}, {"text": "b"}])),
        Line(3, line(id="q2", prompt="Other?")),
        Line(4, None, "malformed JSON"),
    ]
    preview = preview_records(project=project, lines=[lines[0], *lines[2:]])
    report = preview.report
    assert (report.unchanged, report.created, report.refused) == (1, 1, 1)
    assert [each.external_id for each in preview.instances] == ["q1", "q2"]
    assert len(preview.instances[1].completions.all()) == 2
    changed = preview_records(project=project, lines=[lines[1]])
    assert changed.report.updated == 1
    assert Instance.objects.filter(project=project).count() == 1
    assert Completion.objects.filter(text="new").count() == 0


@pytest.mark.django_db
def test_a_preview_stops_after_its_lines() -> None:
    lines = (Line(n, line(id=f"q{n}", prompt=f"Prompt {n}")) for n in range(1, 1000))
    preview = preview_records(project=make_project(), lines=lines)
    assert (preview.lines, preview.more, preview.report.created) == (200, True, 200)
