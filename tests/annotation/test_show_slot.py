"""What the labelling page is given: all it needs, nothing that sways, few queries."""

import json
from dataclasses import asdict

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from pytest_django import DjangoAssertNumQueries

from annotation.instances.selectors import progress
from annotation.labels.models import Annotator
from annotation.labels.selectors import label_view, progress_of
from annotation.labels.services import save_draft
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign, claim
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_recorded_label,
    make_slot,
)

pytestmark = pytest.mark.django_db


def shown(count: int = 2, instances: int = 1) -> Slot:
    project = make_project(
        kind="pairwise" if count == 2 else "listwise", guideline="Be fair.", overlap=2
    )
    judge = make_annotator(project, "secret-judge", kind="judge")
    texts = [f"text {number}" for number in range(count)]
    for number in range(instances):
        instance = make_instance(
            project,
            texts,
            prompt=f"Prompt {number}",
            generators=["secret-generator"],
            metadata={"gold": "secret-gold"},
            tags=["secret-tag"],
        )
        make_recorded_label(instance, annotator="secret-person")
        assign(
            project=project, items=[AssignmentItem(instance.pk, "both", "audit", 0.05, overlap=2)]
        )
        make_annotation(instance, judge)
    annotator = make_annotator(project)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    return slot


def who(slot: Slot) -> Annotator:
    assert slot.annotator is not None
    return slot.annotator


def test_it_has_everything_the_page_shows() -> None:
    slot = shown()
    save_draft(slot_key=slot.key, annotator=who(slot), payload={"n": 1}, revision=3)
    view = label_view(slot)
    assert view.messages == [{"role": "user", "content": "Prompt 0"}]
    assert [each.letter for each in view.completions] == ["A", "B"]
    assert [each.position for each in view.completions] == slot.shown_order
    assert all(each.text == f"text {each.position}" for each in view.completions)
    assert [criterion.key for criterion in view.criteria] == ["overall"]
    assert (view.guideline, view.guideline_version) == ("Be fair.", 1)
    assert (view.draft, view.draft_revision) == ({"n": 1}, 3)
    left = progress_of(who(slot))
    assert (left.done, left.open, left.total) == (0, 1, 1)


def test_it_holds_nothing_that_could_sway() -> None:
    text = json.dumps(
        {
            name: value
            for name, value in asdict(label_view(shown())).items()
            if name not in {"criteria", "protocol"}
        },
        cls=DjangoJSONEncoder,
    )
    assert "Prompt 0" in text
    assert "secret" not in text
    assert "audit" not in text


@pytest.mark.parametrize(("count", "instances"), [(2, 1), (2, 9), (12, 3)])
def test_its_queries_do_not_grow(
    count: int, instances: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    slot = Slot.objects.select_related("project", "instance", "annotator").get(
        pk=shown(count, instances).pk
    )
    with django_assert_num_queries(5):
        label_view(slot)


def test_many_completions_have_letters_of_their_own() -> None:
    letters = [each.letter for each in label_view(shown(28)).completions]
    assert letters[:2] + letters[25:] == ["A", "B", "Z", "AA", "AB"]


def test_only_a_held_slot_is_shown() -> None:
    with pytest.raises(ValueError, match="leased"):
        label_view(make_slot(make_instance(make_project())))


def test_progress_counts_for_this_annotator() -> None:
    project = make_project()
    me = make_annotator(project)
    make_slot(make_instance(project), me, state="submitted")
    make_slot(make_instance(project), me)
    for ordinal in range(2):
        other = make_slot(make_instance(project), ordinal=ordinal, overlap=2)
    make_slot(other.instance, make_annotator(project), ordinal=0, overlap=2)
    mine = progress_of(me)
    assert (mine.done, mine.open) == (1, 3)


def test_the_project_is_counted_in_few_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    project = shown(instances=3).project
    with django_assert_num_queries(6):
        counts = progress(project)
    assert counts["instances"] == 3
    empty = {"dropped": 0, "flagged": 0, "gold": 0}
    assert counts["state"] == {"new": 0, "routed": 3, "settled": 0, **empty}
    assert (counts["destination"]["both"], counts["arm"]["audit"]) == (3, 3)
    assert counts["slots"] == {"open": 5, "leased": 1, "submitted": 0, "withdrawn": 0}
    assert counts["recorded"] == {"human": 3, "judge": 0}


@pytest.mark.parametrize(("quota", "total"), [(None, 3), (2, 2), (9, 3), (0, 1)])
def test_no_more_is_left_than_the_quota_allows(quota: int | None, total: int) -> None:
    project = make_project()
    me = make_annotator(project, quota=quota)
    make_slot(make_instance(project), state="submitted", annotator=me)
    for _ in range(2):
        make_slot(make_instance(project))
    assert progress_of(me).total == total
