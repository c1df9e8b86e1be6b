"""What may change in a project, what stands still once there are labels, and what is refused."""

from typing import Any

import pytest

from annotation.projects.models import Criterion, Guideline, Protocol
from annotation.projects.selectors import criteria_of, guideline_of, protocol_of
from annotation.projects.services import (
    add_criterion,
    change_criterion,
    change_protocol,
    create_project,
    publish_guideline,
    remove_criterion,
    set_archived,
)
from audit.models import Event
from core.exceptions import Conflict, InvalidInput, NotFound
from tests.factories import make_annotation, make_instance, make_project, make_user

pytestmark = pytest.mark.django_db
RATED = {"key": "tone", "name": "Tone", "kind": "rating"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"criteria": [RATED, RATED]}, "Two criteria"),
        ({"criteria": [RATED | {"labels": ["a", "b"]}]}, "5 levels and 2 names"),
        ({"criteria": [RATED | {"levels": 2, "labels": ["a", "a"]}]}, "different words"),
        ({"criteria": [{"key": "a", "name": "A", "labels": ["x"] * 5}]}, "only a rating"),
        ({"criteria": [RATED | {"colour": "red"}]}, "criterion has no 'colour'"),
        ({"criteria": [RATED | {"levels": 12}]}, "levels|Constraint"),
        ({"reasons": ["a", "a"]}, "different words"),
        ({"overlap": 3, "overlap_most": 2}, "must not be below"),
        ({"settle_entropy": 2.0}, "0.693"),
        ({"overlap": 3, "seats": [{"cohort": "expert", "count": 2}]}, "add up to 2"),
        ({"seats": [{"cohort": "expert", "count": 0}]}, "A seat is"),
        ({"seats": {"expert": 1}}, "A seat is"),
        ({"overlap": 2, "seats": [{"cohort": "a", "count": 1}] * 2}, "same cohort"),
        ({"gates": ["Lang:"]}, "is no gate"),
        ({"gates": ["lang:", "lang:"]}, "named twice"),
        ({"best_worst": True}, "listwise"),
        ({"kind": "listwise", "mark_steps": True}, "pairwise"),
        ({"least_seconds": 0}, "least seconds"),
        ({"lease_minutes": 0}, "lease"),
        ({"gold_share": 0.3, "repeat_share": 0.3}, "at most half"),
        ({"gold_share": 0.9}, "at most half"),
        ({"locale": "english please"}, "locale"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        create_project(name="Wrong", owner=make_user(), **fields)
    assert not Protocol.objects.exists()


def test_a_change_publishes_the_settings_and_is_in_the_audit_log() -> None:
    owner = make_user()
    project = make_project(owner=owner, guideline="Be fair.")
    change_protocol(project=project, by=owner, overlap=3, rationale="always")
    assert (protocol_of(project).overlap, protocol_of(project).rationale) == (3, "always")
    guideline = guideline_of(project)
    assert guideline is not None
    assert (guideline.version, guideline.text) == (2, "Be fair.")
    assert (guideline.settings["overlap"], guideline.settings["rationale"]) == (3, "always")
    event = Event.objects.get(action="protocol changed")
    assert (event.actor, event.data["before"]["overlap"], event.data["after"]["overlap"]) == (
        owner,
        1,
        3,
    )


def test_what_is_the_same_already_changes_nothing() -> None:
    project = make_project()
    change_protocol(project=project, by=None, overlap=1, rationale="optional")
    assert Guideline.objects.filter(project=project).count() == 1


def test_a_change_makes_every_cursor_start_again() -> None:
    project = make_project()
    before = protocol_of(project).queue_epoch
    change_protocol(project=project, by=None, gates=["lang:"])
    assert protocol_of(project).queue_epoch > before


@pytest.mark.parametrize("fields", [{"kind": "listwise"}, {"strength_levels": 3}])
def test_the_meaning_of_labels_stands_still(fields: dict[str, Any]) -> None:
    project = make_project()
    change_protocol(project=project, by=None, **fields)
    make_annotation(make_instance(project))
    other = {"kind": "pairwise"} if "kind" in fields else {"strength_levels": 1}
    with pytest.raises(Conflict, match="Labels exist"):
        change_protocol(project=project, by=None, **other)
    change_protocol(project=project, by=None, overlap=2, gold_share=0.1)
    assert guideline_of(project).version == 3  # type: ignore[union-attr]


def test_a_refused_change_writes_nothing() -> None:
    project = make_project()
    with pytest.raises(InvalidInput, match="add up to"):
        change_protocol(
            project=project, by=None, overlap=3, seats=[{"cohort": "expert", "count": 2}]
        )
    with pytest.raises(InvalidInput, match="protocol has no 'salt'"):
        change_protocol(project=project, by=None, salt="x")
    assert protocol_of(project).overlap == 1
    assert Guideline.objects.filter(project=project).count() == 1


def test_a_question_can_be_added_reworded_and_taken_away() -> None:
    project = make_project()
    add_criterion(project=project, by=None, **RATED, labels=["a", "b", "c", "d", "e"])
    change_criterion(project=project, key="tone", by=None, name="Voice", levels=2, labels=[])
    assert [(row.key, row.name, row.position) for row in criteria_of(project)] == [
        ("overall", "Overall", 0),
        ("tone", "Voice", 1),
    ]
    remove_criterion(project=project, key="tone", by=None)
    assert [row.key for row in criteria_of(project)] == ["overall"]
    assert guideline_of(project).version == 4  # type: ignore[union-attr]


def test_an_answered_question_keeps_how_it_is_answered() -> None:
    project = make_project()
    make_annotation(make_instance(project))
    change_criterion(project=project, key="overall", by=None, question="Which do you prefer?")
    with pytest.raises(Conflict):
        change_criterion(project=project, key="overall", by=None, kind="rating")
    with pytest.raises(Conflict):
        remove_criterion(project=project, key="overall", by=None)
    assert Criterion.objects.get(project=project).kind == ""


def test_wrong_questions_are_refused() -> None:
    project = make_project()
    with pytest.raises(InvalidInput, match="Two criteria"):
        add_criterion(project=project, by=None, key="overall", name="Again")
    with pytest.raises(NotFound):
        change_criterion(project=project, key="tone", by=None, name="Tone")
    with pytest.raises(InvalidInput, match="at least one criterion"):
        remove_criterion(project=project, key="overall", by=None)
    assert Guideline.objects.filter(project=project).count() == 1


def test_a_guideline_version_keeps_the_settings_it_was_read_under() -> None:
    project = make_project(ties=["tie"])
    publish_guideline(project=project, text="Be kind.")
    guideline = guideline_of(project)
    assert guideline is not None
    assert (guideline.text, guideline.settings["ties"]) == ("Be kind.", ["tie"])


def test_an_archived_project_comes_back() -> None:
    project = make_project()
    assert set_archived(project=project, archived=True, by=None).archived_at is not None
    assert set_archived(project=project, archived=False, by=None).archived_at is None
    assert Event.objects.filter(project=project, action__contains="project").count() == 3
