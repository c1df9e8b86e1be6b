"""Revealing recorded labels: how many, in which order, and once."""

import uuid

import pytest

from annotation.instances.models import Instance
from annotation.judges.models import Provider
from annotation.judges.services import ask, create_judge, ensure_recorded
from annotation.labels.models import Annotation
from annotation.labels.people import ImportedNames
from annotation.labels.services import reveal
from annotation.ledger.services import create_budget, reserve
from annotation.projects.selectors import main_criterion, protocol_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from core.exceptions import InvalidInput
from core.hashing import unit_interval
from tests.factories import make_annotator, make_instance, make_project, make_recorded_label

pytestmark = pytest.mark.django_db


def test_the_first_votes_come_in_a_fixed_order() -> None:
    instance = make_instance(make_project())
    salt = protocol_of(instance.project).salt
    votes = [make_recorded_label(instance, annotator=f"h{n}") for n in range(6)]
    votes.sort(key=lambda row: unit_interval(salt, "vote", row.pk))
    expected = [row.annotator for row in votes]

    def revealed() -> list[str]:
        return list(Annotation.objects.order_by("pk").values_list("annotator__name", flat=True))

    assert reveal(instances=[instance.pk], origin="human", limit=2) == 2
    assert revealed() == expected[:2]
    assert reveal(instances=[instance.pk], origin="human", limit=2) == 0
    assert reveal(instances=Instance.objects.all(), origin="human", limit=3) == 1
    assert reveal(instances=Instance.objects.all(), origin="human") == 3
    assert revealed() == expected


def test_only_the_named_instances_and_origin_are_revealed() -> None:
    project = make_project()
    wanted, other = make_instance(project), make_instance(project)
    for instance in (wanted, other):
        make_recorded_label(instance)
        make_recorded_label(instance, origin="judge")
    assert reveal(instances=[wanted.pk], origin="human") == 1
    assert Annotation.objects.get().instance == wanted


def test_the_decision_is_stored_with_the_label() -> None:
    instance, decision = make_instance(make_project()), uuid.uuid4()
    make_recorded_label(instance)
    reveal(instances=[instance.pk], origin="human", decision_of={instance.pk: decision})
    assert Annotation.objects.get().decision_id == decision


def test_revealed_votes_take_open_slots_and_settle_the_instance() -> None:
    project = make_project()
    instance = make_instance(project)
    assign(project=project, items=[AssignmentItem(instance.pk, "human", "routed", 1, 2)])
    person = make_annotator(project)
    held = claim(project=project, annotator=person)
    for number in range(2):
        make_recorded_label(instance, annotator=f"h{number}")
    reveal(instances=[instance.pk], origin="human", limit=1)
    filled = Annotation.objects.get().slot
    assert filled is not None
    assert filled != held
    assert filled.state == SlotState.SUBMITTED
    instance.refresh_from_db()
    assert instance.state == "routed"
    assert not Slot.objects.filter(state=SlotState.OPEN).exists()


def test_what_was_set_aside_for_a_slot_that_an_import_fills_is_given_back() -> None:
    project = make_project()
    instance = make_instance(project)
    assign(project=project, items=[AssignmentItem(instance.pk, "human", "routed", 1, 2)])
    budget = create_budget(project=project, name="people", limit_micros=1000)
    for slot in Slot.objects.all():
        reserve(budget=budget, subject=f"slot:{slot.key}", amount=300)
    make_recorded_label(instance)
    reveal(instances=[instance.pk], origin="human", limit=1)
    budget.refresh_from_db()
    assert (budget.reserved, budget.settled) == (300, 0)


def test_an_instance_without_slots_settles_when_its_votes_are_revealed() -> None:
    project = make_project()
    instance = make_instance(project)
    assign(
        project=project,
        items=[AssignmentItem(instance.pk, "human", "routed", 1)],
    )
    make_recorded_label(instance)
    reveal(instances=[instance.pk], origin="human", limit=1)
    instance.refresh_from_db()
    assert instance.state == "settled"


@pytest.mark.parametrize(
    ("rankings", "merged"),
    [
        ([[1, 2]], [1, 2]),
        ([[1, 2], [1, 2]], [1, 2]),
        ([[1, 2], [2, 1]], [1, 1]),
        ([[1, 1], [2, 1]], [2, 1]),
    ],
)
def test_the_orders_of_a_judge_are_one_label(rankings: list[list[int]], merged: list[int]) -> None:
    instance = make_instance(make_project())
    for ordinal, ranking in enumerate(rankings):
        make_recorded_label(
            instance,
            ranking,
            origin="judge",
            annotator="j",
            ordinal=ordinal,
            shown_order=[0, 1],
        )
    assert reveal(instances=[instance.pk], origin="judge") == 1
    row = Annotation.objects.get()
    assert (row.ranking, row.annotator.kind) == (merged, "judge")
    assert row.shown_order == ([0, 1] if len(rankings) == 1 else None)
    assert reveal(instances=[instance.pk], origin="judge") == 0


def test_one_project_at_a_time() -> None:
    instances = [make_instance(make_project()).pk for _ in range(2)]
    with pytest.raises(InvalidInput, match="one project at a time"):
        reveal(instances=instances, origin="human")


def test_nothing_to_reveal() -> None:
    assert reveal(instances=[], origin="human") == 0
    assert reveal(instances=[make_instance(make_project()).pk], origin="judge") == 0


def test_labels_under_the_name_of_a_judge_that_can_be_asked_are_not_its_own() -> None:
    project = make_project()
    live = create_judge(project=project, name="gpt", model="gpt-4", provider=Provider.OPENAI)
    instance = make_instance(project)
    make_recorded_label(instance, origin="judge", annotator="gpt")
    assert reveal(instances=[instance.pk], origin="judge") == 1
    (imported,) = ensure_recorded(project=project)
    assert (imported.name, imported.model, imported.provider) == (
        "gpt (imported)",
        "gpt",
        Provider.RECORDED,
    )
    assert Annotation.objects.get().annotator == imported.annotator
    assert not live.annotator.annotations.exists()
    assert ensure_recorded(project=project) == [imported]
    assert reveal(instances=[instance.pk], origin="judge") == 0


def test_a_name_for_imported_labels_is_free_and_short_enough() -> None:
    taken = ImportedNames(frozenset({"gpt", "gpt (imported)", "g" * 120}))
    assert [taken("other"), taken("gpt")] == ["other", "gpt (imported 2)"]
    assert taken("g" * 120) == "g" * 109 + " (imported)"


def test_an_imported_judge_is_asked_for_its_own_recorded_labels() -> None:
    project = make_project()
    create_judge(project=project, name="gpt", model="gpt-4", provider=Provider.OPENAI)
    instance = make_instance(project)
    make_recorded_label(instance, (2, 1), origin="judge", annotator="gpt")
    (imported,) = ensure_recorded(project=project)
    ask(judge=imported, instance_ids=[instance.pk], criterion=main_criterion(project))
    label = Annotation.objects.get()
    assert (label.annotator, label.ranking) == (imported.annotator, [2, 1])
