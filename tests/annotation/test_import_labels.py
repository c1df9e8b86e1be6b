"""Labels of every kind: parsed, kept, and revealed as annotations of the right criterion."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Project
from annotation.instances.content import CompletionContent, InstanceContent
from annotation.instances.criteria_brought import bring_criteria
from annotation.instances.lines import Line
from annotation.instances.models import RecordedLabel
from annotation.instances.services import ImportReport, import_records
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, Kind
from annotation.projects.services import add_criterion
from core.hashing import content_hash
from tests.factories import make_project

SAID = "2024-05-01T12:30:00+00:00"
database = pytest.mark.django_db


def record(
    *human: dict[str, Any], ai: tuple[dict[str, Any], ...] = (), n: int = 2
) -> dict[str, Any]:
    return {
        "id": "one",
        "prompt": "What?",
        "responses": [{"text": text} for text in "abcdef"[:n]],
        "human": [{"annotator": "h1"} | label for label in human],
        "ai": [{"judge": "j1"} | label for label in ai],
    }


def project_with_rating(**more: Any) -> Project:
    project = make_project(**more)
    add_criterion(
        project=project,
        by=None,
        key="helpful",
        name="Helpful",
        kind=Kind.RATING,
        lowest=0,
        levels=5,
    )
    return project


def import_(project: Project, value: dict[str, Any], **more: Any) -> ImportReport:
    return import_records(project=project, lines=[Line(1, value)], reveal=True, **more)


@database
def test_all_that_a_label_says_is_in_its_annotation() -> None:
    project = make_project(kind="listwise")
    label = {
        "ranking": [1, 2, 3, 3],
        "unranked": [2, 3],
        "confidence": 4,
        "reasons": ["clear", "shorter"],
        "seconds": 12.5,
        "created_at": SAID,
        "edit": {"position": 0, "text": "better"},
        "attributes": {"tone": "kind"},
        "purpose": "review",
        "order": [3, 0, 1, 2],
    }
    assert import_(project, record(label, n=4)).refused == 0
    row = Annotation.objects.get()
    assert (row.ranking, row.unranked, row.confidence) == ([1, 2, 3, 3], [2, 3], 4)
    assert (row.reasons, row.seconds, row.purpose) == (["clear", "shorter"], 12.5, "review")
    assert row.created_at == datetime.datetime.fromisoformat(SAID)
    assert row.attributes == {"tone": "kind", "edit": {"position": 0, "text": "better"}}
    assert (row.shown_order, row.tie_kind, row.annotator.kind) == ([3, 0, 1, 2], "", "import")


@database
def test_every_criterion_has_its_own_label() -> None:
    project = project_with_rating()
    labels = ({"ranking": [1, 2]}, {"criterion": "helpful", "scores": [4, None]})
    judged = ({"ranking": [2, 1], "probability": 0.2}, {"criterion": "helpful", "scores": [0, 3]})
    report = import_(project, record(*labels, ai=judged))
    assert (report.labels, report.refused) == (4, 0)
    rows = Annotation.objects.order_by("annotator__kind", "criterion__position")
    said = [(row.annotator.kind, row.criterion.key, row.ranking, row.scores) for row in rows]
    main = Criterion.objects.filter(project=project).first()
    assert main is not None
    assert said == [
        ("import", main.key, [1, 2], []),
        ("import", "helpful", [], [4, None]),
        ("judge", main.key, [2, 1], []),
        ("judge", "helpful", [], [0, 3]),
    ]
    assert rows[2].attributes == {"probability": 0.2}
    assert set(RecordedLabel.objects.values_list("ordinal", flat=True)) == {0}
    assert import_(project, record(*labels, ai=judged)).unchanged == 1
    assert Annotation.objects.count() == 4


@database
@pytest.mark.parametrize(
    ("label", "ranking", "tie"),
    [
        ({"tie_kind": "both bad"}, [1, 1], "both bad"),
        ({"tie_kind": "both good", "ranking": [1, 1]}, [1, 1], "both good"),
        ({"tie_kind": "cannot judge"}, [], "cannot judge"),
        ({"ranking": [1, 1]}, [1, 1], "tie"),
        ({"scores": [0.1, 0.9]}, [2, 1], ""),
    ],
)
def test_ties_and_scores_without_a_ranking(
    label: dict[str, Any], ranking: list[int], tie: str
) -> None:
    project = make_project()
    assert import_(project, record(label)).errors == []
    row = Annotation.objects.get()
    assert (row.ranking, row.tie_kind) == (ranking, tie)


@database
@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ({"criterion": "colour", "ranking": [1, 2]}, "the project asks overall, helpful"),
        ({"criterion": 7, "ranking": [1, 2]}, "the criterion of h1"),
        ({"criterion": "helpful", "scores": [5, 1]}, "whole numbers from 0 to 4"),
        ({"criterion": "helpful", "scores": [1.5, 1]}, "whole numbers from 0 to 4"),
        ({"criterion": "helpful", "scores": [1]}, "1 scores for 2 completions"),
        ({"criterion": "helpful", "scores": ["1", 2]}, "numbers or nulls"),
        ({"scores": [1, None]}, "scored only some completions"),
        ({"ranking": [1, 2], "tie_kind": "tie"}, "has a preference"),
        ({"ranking": [1, 2], "tie_kind": "meh"}, "must be one of"),
        ({"ranking": [1, 2], "tie_kind": "cannot judge"}, "cannot judge, and ranks"),
        ({"ranking": [1, 2], "confidence": 6}, "confidence"),
        ({"ranking": [1, 2], "confidence": True}, "confidence"),
        ({"ranking": [1, 2], "reasons": ["x" * 61]}, "reasons"),
        ({"ranking": [1, 2], "seconds": -1}, "seconds"),
        ({"ranking": [1, 2], "created_at": "yesterday"}, "ISO 8601"),
        ({"ranking": [1, 2], "created_at": "2999-01-01"}, "lies in the future"),
        ({"ranking": [1, 2], "unranked": [2]}, "list of positions"),
        ({"ranking": [1, 2], "edit": {"position": 3, "text": "x"}}, "the edit of h1"),
        ({"ranking": [1, 2], "purpose": "fun"}, "the purpose of h1"),
    ],
)
def test_a_label_that_breaks_a_rule_is_refused_with_its_line(
    label: dict[str, Any], reason: str
) -> None:
    report = import_(project_with_rating(), record(label))
    assert (report.created, report.refused) == (0, 1)
    assert reason in report.errors[0]["reason"]
    assert not RecordedLabel.objects.exists()


@database
def test_pairs_of_a_list_get_what_was_said_of_them() -> None:
    project = project_with_rating()
    labels = (
        {"ranking": [1, 2, 2], "unranked": [1, 2], "strength": 1},
        {"criterion": "helpful", "scores": [4, None, None]},
    )
    assert import_(project, record(*labels, n=3)).refused == 0
    said = RecordedLabel.objects.order_by("instance__external_id", "criterion")
    assert [(row.instance.external_id, row.ranking, row.scores) for row in said] == [
        ("one#0-1", [1, 2], []),
        ("one#0-1", [], [4, None]),
        ("one#0-2", [1, 2], []),
        ("one#0-2", [], [4, None]),
    ]


@database
def test_criteria_that_a_file_brings_are_made_by_the_shape_of_its_labels() -> None:
    project = make_project()
    values = [
        record(
            {"criterion": "honesty", "scores": [0, 3]}, {"criterion": "style", "ranking": [1, 2]}
        ),
        record({"criterion": "honesty", "scores": [7, None]}, {"ranking": [1, 2]}),
    ]
    assert bring_criteria(project=project, values=values, by=None) == ["honesty", "style"]
    made = {row.key: (row.kind, row.lowest, row.levels) for row in project.criteria.all()}
    assert made["honesty"] == ("rating", 0, 11)
    assert made["style"][0] == ""
    assert bring_criteria(project=project, values=values, by=None) == []
    assert import_(project, values[0]).errors == []


@given(
    texts=st.lists(st.text(), min_size=2, max_size=3),
    prompt=st.text(),
    generator=st.text(max_size=5),
)
def test_the_quick_hash_is_the_content_hash(texts: list[str], prompt: str, generator: str) -> None:
    completions = [CompletionContent(text, generator) for text in texts]
    content = InstanceContent("x", [{"role": "user", "content": prompt}], completions)
    plain = [content.messages, [], [each.identity() for each in completions]]
    assert content.content_hash() == content_hash(plain)
    assert content.prompt_hash() == content_hash(content.messages)
