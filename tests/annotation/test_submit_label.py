"""Submitting: stored once, refused clearly, never lost to a late lease."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator, Draft
from annotation.labels.selectors import current, history_of
from annotation.labels.services import Answer, annotator_for, save_draft, submit, undo
from annotation.labels.signals import annotation_submitted
from annotation.ledger.models import Entry
from annotation.ledger.services import create_budget, reserve
from annotation.projects.services import publish_guideline
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim, expire_leases
from core.exceptions import Conflict, InvalidInput, NotFound
from tests.factories import make_annotator, make_instance, make_member, make_project, make_slot

pytestmark = pytest.mark.django_db

FIRST = Answer("overall", [1, 2], strength=0.5)


def leased(annotator: Annotator | None = None, overlap: int = 1, **project: Any) -> Slot:
    """A slot leased through the queue."""
    annotator = annotator or make_annotator(make_project(**project))
    items = [AssignmentItem(make_instance(annotator.project).pk, "human", "routed", 1, overlap)]
    assign(project=annotator.project, items=items)
    slot = claim(project=annotator.project, annotator=annotator)
    assert slot is not None
    return slot


def send(
    slot: Slot,
    *answers: Answer,
    annotator: Annotator | None = None,
    client_id: uuid.UUID | None = None,
    seconds: float | None = None,
) -> list[Annotation]:
    who = annotator or slot.annotator
    assert who is not None
    return submit(
        slot_key=slot.key,
        annotator=who,
        client_id=client_id or uuid.uuid4(),
        answers=answers or [FIRST],
        seconds=seconds,
    )


def let_expire(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(leased_until=timezone.now() - timedelta(minutes=1))


def test_it_stores_a_label_and_closes_the_slot() -> None:
    slot = leased()
    newest = publish_guideline(project=slot.project, text="New.")
    answer = Answer("overall", [2, 1], strength=1.0, confidence=4, rationale=" Wrong date. ")
    (row,) = send(slot, answer, seconds=12.5)
    assert (row.ranking, row.strength, row.confidence, row.seconds) == ([2, 1], 1.0, 4, 12.5)
    assert (row.rationale, row.guideline, row.slot) == ("Wrong date.", newest, slot)
    assert row.shown_order == slot.shown_order
    slot.refresh_from_db()
    assert (slot.state, slot.leased_until) == (SlotState.SUBMITTED, None)
    assert Instance.objects.get().state == "settled"


def test_every_criterion_gets_a_row_of_its_own() -> None:
    slot = leased(criteria=(("overall", "Overall", ""), ("tone", "Tone", "")))
    rows = send(slot, FIRST, Answer("tone", [1, 1], tie_kind="tie"))
    assert [(row.criterion.key, row.tie_kind) for row in rows] == [("overall", ""), ("tone", "tie")]


def test_the_same_submit_again_is_a_no_op() -> None:
    slot, client_id = leased(), uuid.uuid4()
    first = send(slot, client_id=client_id)
    assert send(slot, client_id=client_id) == first
    assert Annotation.objects.count() == 1


def test_the_same_client_id_with_other_content_is_a_conflict() -> None:
    slot, client_id = leased(), uuid.uuid4()
    send(slot, client_id=client_id)
    with pytest.raises(Conflict, match="other content"):
        send(slot, Answer("overall", [2, 1]), client_id=client_id)
    assert Annotation.objects.get().ranking == [1, 2]


def test_a_client_id_of_another_instance_is_a_conflict_also_with_the_same_answer() -> None:
    first, client_id = leased(), uuid.uuid4()
    send(first, client_id=client_id)
    assert first.annotator is not None
    other = make_slot(make_instance(first.project), first.annotator)
    with pytest.raises(Conflict, match="another instance"):
        submit(slot_key=other.key, annotator=first.annotator, client_id=client_id, answers=[FIRST])
    assert Annotation.objects.count() == 1


def test_two_people_may_use_the_same_client_id() -> None:
    client_id = uuid.uuid4()
    send(leased(), client_id=client_id)
    send(leased(), client_id=client_id)
    assert Annotation.objects.count() == 2


def test_a_second_submit_for_the_slot_is_a_conflict() -> None:
    slot = leased()
    send(slot)
    with pytest.raises(Conflict, match="undo that first"):
        send(slot)


def test_a_forged_slot_looks_like_none() -> None:
    slot, stranger = leased(), make_annotator(make_project())
    for key in (slot.key, uuid.uuid4()):
        with pytest.raises(NotFound):
            submit(slot_key=key, annotator=stranger, client_id=uuid.uuid4(), answers=[FIRST])
    assert not Annotation.objects.exists()


def test_a_slot_in_another_hand_is_a_conflict() -> None:
    slot = leased()
    with pytest.raises(Conflict, match="Somebody else"):
        send(slot, annotator=make_annotator(slot.project))
    assert not Annotation.objects.exists()


def test_a_late_submit_is_stored_while_the_slot_is_free() -> None:
    slot = leased()
    let_expire(slot)
    send(slot)
    assert Annotation.objects.count() == 1


def test_a_late_submit_after_the_lease_was_taken_back_is_stored() -> None:
    slot = leased()
    holder = slot.annotator
    Slot.objects.update(state=SlotState.OPEN, annotator=None, leased_until=None, shown_order=None)
    (row,) = send(slot, annotator=holder)
    # The order is drawn again from the same hash: it is the one that was on the screen.
    assert row.shown_order == slot.shown_order


def test_a_late_submit_takes_a_free_place_beside_the_lost_one() -> None:
    slot = leased(overlap=2)
    let_expire(slot)
    expire_leases()
    other = make_annotator(slot.project)
    assert claim(project=slot.project, annotator=other) == slot
    (row,) = send(slot)
    assert row.slot != slot
    assert row.slot is not None
    assert row.slot.state == SlotState.SUBMITTED
    assert not Slot.objects.filter(state=SlotState.OPEN).exists()


def test_a_lost_lease_without_a_free_place_keeps_the_draft() -> None:
    slot = leased()
    assert slot.annotator is not None
    save_draft(slot_key=slot.key, annotator=slot.annotator, payload={"text": "mine"}, revision=1)
    let_expire(slot)
    other = make_annotator(slot.project)
    assert claim(project=slot.project, annotator=other) == slot
    save_draft(slot_key=slot.key, annotator=other, payload={"text": "theirs"}, revision=1)
    with pytest.raises(Conflict, match="your draft is kept"):
        send(slot)
    assert Draft.objects.get(annotator=slot.annotator).payload == {"text": "mine"}
    assert send(slot, annotator=other)[0].annotator == other
    assert list(Draft.objects.values_list("annotator", flat=True)) == [slot.annotator.pk]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([], "'overall' is not answered"),
        ([FIRST, FIRST], "answered twice"),
        ([Answer("charm", [1, 2]), FIRST], "does not ask for 'charm'"),
        ([Answer("overall", [1])], "Rank all 2"),
        ([Answer("overall", [1, 2, 3])], "Rank all 2"),
        ([Answer("overall", [])], "Rank all 2"),
        ([Answer("overall", [1, 3])], "no ranking"),
        ([Answer("overall", [2, 2])], "no ranking"),
        ([Answer("overall", [0, 1])], "no ranking"),
        ([Answer("overall", [1, 1])], "which kind of tie"),
        ([Answer("overall", [1, 2], tie_kind="tie")], "does not go with a preference"),
        ([Answer("overall", [1, 1], tie_kind="both good")], "does not allow 'both good'"),
        ([Answer("overall", [1, 2], tie_kind="cannot judge")], "ranks and scores nothing"),
        ([Answer("overall", [1, 1], tie_kind="tie", strength=0.5)], "preference between two"),
        ([Answer("overall", [1, 2], strength=0.4)], "k/2"),
        ([Answer("overall", [1, 2], strength=0)], "k/2"),
        ([Answer("overall", [1, 2], strength=1.5)], "k/2"),
        ([Answer("overall", [1, 2], strength=float("nan"))], "k/2"),
        ([Answer("overall", [1, 2], confidence=6)], "from 1 to 5"),
        ([Answer("overall", [1, 2], rationale="a\0b")], "NUL"),
        ([Answer("overall", [1, 2], attributes={"a": "a\0b"})], "NUL"),
        ([Answer("overall", [1, 2], attributes={"a": float("nan")})], "not a JSON number"),
        ([Answer("overall", [1, 2], rationale="\ud800")], "surrogate"),
        ([Answer("overall", [1, 2], attributes={"a": "x" * 20_000})], "attributes are longer"),
        ([Answer("overall", [1, 2], rationale="x" * 10_001)], "longer than"),
        ([Answer("overall", [1, 2], reasons=("smells nice",))], "'smells nice'"),
    ],
)
def test_an_answer_against_the_protocol_is_refused(answers: list[Answer], reason: str) -> None:
    slot = leased()
    assert slot.annotator is not None
    with pytest.raises(InvalidInput, match=reason):
        submit(slot_key=slot.key, annotator=slot.annotator, client_id=uuid.uuid4(), answers=answers)
    slot.refresh_from_db()
    assert slot.state == SlotState.LEASED
    assert not Annotation.objects.exists()


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), 90_000])
def test_an_impossible_time_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="time on the instance"):
        send(leased(), seconds=seconds)


@pytest.mark.parametrize(
    ("policy", "answer", "refused"),
    [
        ("never", Answer("overall", [1, 2], rationale="because"), True),
        ("never", FIRST, False),
        ("optional", FIRST, False),
        ("always", FIRST, True),
        ("always", Answer("overall", [1, 2], rationale="  "), True),
        ("always", Answer("overall", [1, 2], rationale="because"), False),
        ("strong or unsure", FIRST, False),
        ("strong or unsure", Answer("overall", [1, 2], strength=1), True),
        ("strong or unsure", Answer("overall", [1, 2], confidence=2), True),
        ("strong or unsure", Answer("overall", [], tie_kind="cannot judge"), True),
    ],
)
def test_the_rationale_follows_the_policy(policy: str, answer: Answer, refused: bool) -> None:
    slot = leased(rationale=policy)
    if refused:
        with pytest.raises(InvalidInput):
            send(slot, answer)
    else:
        assert len(send(slot, answer)) == 1


def test_a_backslash_before_u0000_is_text() -> None:
    (row,) = send(leased(), Answer("overall", [1, 2], rationale="\\u0000 is NUL"))
    assert row.rationale == "\\u0000 is NUL"


def test_cannot_judge_ranks_nothing() -> None:
    (row,) = send(leased(), Answer("overall", [], tie_kind="cannot judge"))
    assert (row.ranking, row.tie_kind) == ([], "cannot judge")


def test_money_set_aside_for_the_slot_is_paid() -> None:
    slot = leased()
    budget = create_budget(project=slot.project, name="people", limit_micros=1000)
    reserve(budget=budget, subject=f"slot:{slot.key}", amount=300)
    send(slot)
    budget.refresh_from_db()
    assert (budget.settled, budget.reserved) == (300, 0)
    assert slot.annotator is not None
    undo(annotator=slot.annotator, project=slot.project)
    send(slot)
    budget.refresh_from_db()
    assert (budget.settled, Entry.objects.count()) == (300, 1)


def test_upper_rooms_hear_of_it_after_the_commit(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**values: Any) -> None:
        heard.append(values)

    annotation_submitted.connect(listen)
    try:
        slot = leased()
        with django_capture_on_commit_callbacks(execute=True):
            (row,) = send(slot)
            assert not heard
    finally:
        annotation_submitted.disconnect(listen)
    (values,) = heard
    assert values["project_id"] == slot.project_id
    assert (values["instance_ids"], values["annotation_ids"]) == ([slot.instance_id], [row.pk])


def test_undo_takes_the_last_submit_back_and_leases_the_slot_again() -> None:
    slot = leased()
    annotator = slot.annotator
    assert annotator is not None
    (row,) = send(slot, Answer("overall", [2, 1], strength=1, rationale="why"))
    following = leased(annotator)
    again = undo(annotator=annotator, project=slot.project)
    assert again == slot
    assert not current(slot.project).exists()
    retraction = history_of(annotator)[0]
    assert (retraction.retracted, retraction.supersedes, retraction.ranking) == (True, row, [])
    assert Instance.objects.get(pk=slot.instance_id).state == "routed"
    # What was entered is the draft again, and the slot stands in front of the next one.
    (answer,) = Draft.objects.get(slot=slot).payload["answers"]
    assert (answer["ranking"], answer["rationale"]) == ([2, 1], "why")
    assert claim(project=slot.project, annotator=annotator, resume=True) == slot
    assert following.state == SlotState.LEASED
    (second,) = send(slot, Answer("overall", [1, 2]))
    assert list(current(slot.project)) == [second]


def test_undo_goes_back_one_submit_at_a_time() -> None:
    first = leased()
    assert first.annotator is not None
    send(first)
    second = leased(first.annotator)
    send(second)
    assert undo(annotator=first.annotator, project=first.project) == second
    assert undo(annotator=first.annotator, project=first.project) == first
    assert undo(annotator=first.annotator, project=first.project) is None


def test_undo_ends_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    slot = leased()
    assert slot.annotator is not None
    send(slot)
    later = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr("annotation.labels.services.timezone.now", lambda: later)
    assert undo(annotator=slot.annotator, project=slot.project) is None
    assert current(slot.project).count() == 1


def test_undo_leaves_other_people_alone() -> None:
    slot = leased(overlap=2)
    send(slot)
    other = make_annotator(slot.project)
    assert undo(annotator=other, project=slot.project) is None


def test_a_late_autosave_changes_nothing() -> None:
    slot = leased()
    who = slot.annotator
    assert who is not None
    save_draft(slot_key=slot.key, annotator=who, payload={"n": 2}, revision=2)
    stands = save_draft(slot_key=slot.key, annotator=who, payload={"n": 1}, revision=1)
    assert (stands.payload, stands.revision) == ({"n": 2}, 2)
    send(slot)
    assert not Draft.objects.exists()


@pytest.mark.parametrize("payload", [{"x": "y" * 64_000}, {"x": "\0"}])
def test_an_unusable_draft_is_refused(payload: dict[str, Any]) -> None:
    slot = leased()
    assert slot.annotator is not None
    with pytest.raises(InvalidInput):
        save_draft(slot_key=slot.key, annotator=slot.annotator, payload=payload, revision=1)


def test_a_person_has_one_annotator_per_project() -> None:
    project, other = make_project(), make_project()
    user = make_member(project)
    annotator = annotator_for(project=project, user=user)
    assert annotator_for(project=project, user=user) == annotator
    assert annotator_for(project=other, user=user) != annotator
    assert user.username not in annotator.pseudonym


def test_the_database_refuses_to_change_or_remove_a_label() -> None:
    (row,) = send(leased())
    for change in (
        lambda: Annotation.objects.update(strength=1),
        lambda: Annotation.objects.filter(pk=row.pk).delete(),
    ):
        with (
            pytest.raises((IntegrityError, InternalError), match="append-only"),
            transaction.atomic(),
        ):
            change()


def test_the_database_refuses_a_retraction_of_nothing() -> None:
    slot = make_slot(make_instance(make_project()))
    annotator = make_annotator(slot.project)
    with pytest.raises(IntegrityError, match="annotation_retraction_supersedes"):
        Annotation.objects.create(
            project=slot.project,
            instance=slot.instance,
            annotator=annotator,
            criterion=slot.project.criteria.get(),
            client_id=uuid.uuid4(),
            payload_hash="",
            retracted=True,
        )
