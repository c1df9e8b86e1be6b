"""Gold, qualification, exclusion, relabels and reviews: what each does to the rows."""

import uuid
from typing import Any

import pytest

from accounts.models import Project, Role
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator
from annotation.labels.people import annotator_for
from annotation.labels.selectors import current
from annotation.labels.services import Answer, submit, undo
from annotation.quality.gold import known_answers
from annotation.quality.models import Gold, Relabel
from annotation.quality.qualification import feedback_for, standing
from annotation.quality.relabelling import relabels_of
from annotation.quality.reviewing import (
    checked,
    disagreements,
    labels_to_check,
    majority_answers,
    remarks_for,
)
from annotation.quality.scoring import Given, is_right
from annotation.quality.services import (
    accept_majority,
    admit,
    exclude,
    include,
    make_gold,
    place_for,
    promote,
    remark,
    request_relabel,
    retire_gold,
    submit_review,
)
from annotation.queue.models import Assignment, Slot, SlotState
from annotation.queue.purposes import Purpose
from annotation.queue.services import AssignmentItem, assign, claim
from audit.models import Event
from core.exceptions import Conflict, InvalidInput, NotFound
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_slot,
    make_user,
)

pytestmark = pytest.mark.django_db
FIRST_WINS = {"overall": {"accept": [{"ranking": [1, 2]}]}}


def known(project: Project, kind: str = "gold", **fields: Any) -> Gold:
    return make_gold(
        instance=make_instance(project), kind=kind, answers=FIRST_WINS, by=None, **fields
    )


def answer(slot: Slot, annotator: Annotator, ranking: list[int]) -> list[Annotation]:
    answers = [Answer("overall", ranking)]
    return submit(slot_key=slot.key, annotator=annotator, client_id=uuid.uuid4(), answers=answers)


def routed(project: Project, overlap: int = 1) -> Instance:
    instance = make_instance(project)
    item = AssignmentItem(instance.pk, "human", "routed", 1.0, overlap=overlap)
    assign(project=project, items=[item])
    return instance


def test_what_counts_as_right() -> None:
    assert is_right(Given([2, 1]), [{"ranking": [1, 2]}, {"ranking": [2, 1]}])
    assert not is_right(Given([1, 1], "tie"), [{"ranking": [1, 2]}])
    assert is_right(Given([1, 1], "both bad"), [{"tie_kind": "both bad"}])
    assert not is_right(Given([1, 1], "tie"), [{"tie_kind": "both bad"}])
    # The order of the two worse ones is free; the best is not.
    assert is_right(Given([1, 3, 2]), [{"ranking": [1, 2, 2]}])
    assert not is_right(Given([2, 1, 2], unranked=[0, 2]), [{"ranking": [1, 2, 3]}])
    assert is_right(Given(scores=[4, None]), [{"scores": [5, None], "within": 1}])
    assert not is_right(Given(scores=[4, 1]), [{"scores": [5, 1]}])


def test_gold_leaves_the_queue_and_the_data_and_comes_back() -> None:
    project = make_project()
    instance = routed(project)
    gold = make_gold(instance=instance, kind="gold", answers=FIRST_WINS, by=project_owner(project))
    instance.refresh_from_db()
    assert instance.state == InstanceState.GOLD
    annotator = make_annotator(project)
    assert claim(project=project, annotator=annotator) is None
    retire_gold(gold=gold, by=None)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    assert slot.instance_id == instance.pk
    assert [event.action for event in Event.objects.filter(project=project).order_by("pk")][
        -2:
    ] == [
        "quality.gold",
        "quality.gold.retired",
    ]


def project_owner(project: Project) -> Any:
    return project.memberships.get(role="owner").user


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("silver", FIRST_WINS),
        ("gold", {}),
        ("gold", {"overall": {"accept": []}}),
        ("gold", {"vibes": {"accept": [{"ranking": [1, 2]}]}}),
    ],
)
def test_gold_needs_a_kind_and_answers(kind: str, answers: dict[str, Any]) -> None:
    project = make_project()
    instance = make_instance(project)
    with pytest.raises(InvalidInput):
        make_gold(instance=instance, kind=kind, answers=answers, by=None)
    instance.refresh_from_db()
    assert instance.state == InstanceState.NEW
    assert not Gold.objects.exists()


def test_a_labelled_instance_becomes_gold_only_by_promotion() -> None:
    project = make_project()
    instance = make_instance(project)
    for ranking in ((2, 1), (2, 1), (1, 2)):
        make_annotation(instance, ranking=ranking)
    update(project=project)
    with pytest.raises(Conflict, match="promote"):
        make_gold(instance=instance, kind="gold", answers=FIRST_WINS, by=None)
    gold = promote(instance=instance, by=None)
    assert gold.answers == {"overall": {"accept": [{"ranking": [2, 1]}]}}
    update(project=project)
    assert not Consensus.objects.filter(instance=instance).exists()
    retire_gold(gold=gold, by=None)
    update(project=project)
    assert Consensus.objects.filter(instance=instance, scope=Scope.HUMAN).exists()


def test_nothing_is_promoted_where_people_are_even() -> None:
    project = make_project()
    instance = make_instance(project)
    for ranking in ((2, 1), (1, 2)):
        make_annotation(instance, ranking=ranking)
    update(project=project)
    with pytest.raises(InvalidInput):
        promote(instance=instance, by=None)


def test_gold_answers_are_marked_and_no_data() -> None:
    project = make_project()
    annotator = make_annotator(project)
    for number, ranking in enumerate(([1, 2], [2, 1], [1, 2])):
        gold = known(project, "attention" if number == 1 else "gold")
        slot = make_slot(gold.instance, annotator, purpose=Purpose.GOLD)
        answer(slot, annotator, ranking)
    found = known_answers(project)[annotator.pk]
    assert (found.answered, found.right) == (3, 2)
    assert (found.attention, found.attention_failed) == (1, 1)
    assert len(found.wrong) == 1
    assert found.share is not None
    assert found.share.low < 2 / 3 < found.share.high
    assert not current(project).exists()


@pytest.mark.django_db(transaction=True)
def test_the_qualification_round_passes_who_is_right_often_enough() -> None:
    project = make_project(qualify_count=2, qualify_share=0.5)
    for _ in range(2):
        known(project, "qualification", feedback="The first one answers the question.")
    data = routed(project)
    annotator = make_annotator(project)
    assert feedback_for(annotator) is None
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    assert slot.purpose == Purpose.QUALIFICATION
    answer(slot, annotator, [2, 1])
    said = feedback_for(annotator)
    assert said is not None
    assert (said.right, said.text) == (False, "The first one answers the question.")
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    answer(slot, annotator, [1, 2])
    annotator.refresh_from_db()
    assert annotator.qualified_at is not None
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    assert (slot.purpose, slot.instance_id) == (Purpose.LABEL, data.pk)


@pytest.mark.django_db(transaction=True)
def test_who_fails_the_round_gets_nothing_until_somebody_lets_them_in() -> None:
    project = make_project(qualify_count=1, qualify_share=1.0)
    known(project, "qualification")
    routed(project)
    annotator = make_annotator(project)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    answer(slot, annotator, [2, 1])
    annotator.refresh_from_db()
    found = standing(annotator)
    assert (found.failed, found.right, found.needed) == (True, 0, 1)
    assert claim(project=project, annotator=annotator) is None
    admit(annotator=annotator, by=project_owner(project))
    annotator.refresh_from_db()
    assert claim(project=project, annotator=annotator) is not None


def test_exclusion_is_reversible_and_audited() -> None:
    project = make_project()
    instance, held = make_instance(project), make_instance(project)
    bad = make_annotator(project)
    make_annotation(instance, ranking=(1, 2))
    make_annotation(instance, bad, ranking=(2, 1))
    slot = make_slot(held, bad)
    update(project=project)
    by = project_owner(project)

    def share() -> float:
        return float(Consensus.objects.get(instance=instance, scope=Scope.HUMAN).worth[0])

    assert share() == 0.5
    exclude(annotator=bad, because="Answers at random", by=by)
    slot.refresh_from_db()
    assert (share(), slot.state, slot.annotator) == (1.0, SlotState.OPEN, None)
    assert Annotation.objects.count() == 2
    with pytest.raises(Conflict):
        exclude(annotator=bad, because="Again", by=by)
    include(annotator=bad, by=by)
    assert share() == 0.5
    with pytest.raises(Conflict):
        include(annotator=bad, by=by)
    actions = list(
        Event.objects.filter(project=project).order_by("pk").values_list("action", flat=True)
    )
    assert [each for each in actions if "cluded" in each] == [
        "quality.excluded",
        "quality.included",
    ]


def test_an_exclusion_needs_a_reason() -> None:
    project = make_project()
    annotator = make_annotator(project)
    with pytest.raises(InvalidInput):
        exclude(annotator=annotator, because=" ", by=project_owner(project))
    annotator.refresh_from_db()
    assert annotator.excluded_at is None


def test_a_relabel_opens_a_place_for_somebody_else() -> None:
    project = make_project()
    instance = routed(project)
    first, second = make_annotator(project), make_annotator(project)
    slot = claim(project=project, annotator=first)
    assert slot is not None
    answer(slot, first, [1, 2])
    asked = request_relabel(
        project=project,
        instance_ids=[instance.pk],
        report="disagreement",
        by=project_owner(project),
        reason="Two opinions",
    )
    assert (asked.opened, asked.refused) == (1, {})
    assert [row.report for row in relabels_of(project)] == ["disagreement"]
    assert claim(project=project, annotator=first) is None
    slot = claim(project=project, annotator=second)
    assert slot is not None
    answer(slot, second, [2, 1])
    assert not relabels_of(project).exists()
    assert relabels_of(project, done=True).count() == 1


def test_a_relabel_of_what_was_never_sent_out_settles_with_its_label() -> None:
    project = make_project()
    instance, annotator = make_instance(project), make_annotator(project)
    assert instance.state == InstanceState.NEW
    ask = {"project": project, "instance_ids": [instance.pk], "by": project_owner(project)}
    assert request_relabel(report="influence", count=2, **ask).opened == 2
    sent = Assignment.objects.get(instance=instance)
    assert (sent.destination, sent.arm, sent.propensity) == ("human", "routed", 1.0)
    for person, state in ((annotator, "routed"), (make_annotator(project), "settled")):
        slot = claim(project=project, annotator=person)
        assert slot is not None
        answer(slot, person, [1, 2])
        instance.refresh_from_db()
        assert instance.state == state


def test_relabels_of_gold_are_refused_and_foreign_ones_unknown() -> None:
    project = make_project()
    gold, plain = known(project), routed(project)
    by = project_owner(project)
    asked = request_relabel(
        project=project, instance_ids=[gold.instance_id, plain.pk], report="gold", by=by
    )
    assert asked.opened == 1
    assert list(asked.refused) == [gold.instance_id]
    foreign = make_instance(make_project())
    with pytest.raises(NotFound):
        request_relabel(project=project, instance_ids=[foreign.pk], report="gold", by=by)
    with pytest.raises(InvalidInput):
        request_relabel(project=project, instance_ids=[plain.pk], report="vibes", by=by)
    assert Relabel.objects.count() == 1


def test_a_review_decides_once_and_can_be_undone() -> None:
    project = make_project()
    instance = routed(project, overlap=2)
    for ranking in ([1, 2], [2, 1]):
        annotator = make_annotator(project)
        slot = claim(project=project, annotator=annotator)
        assert slot is not None
        answer(slot, annotator, ranking)
    update(project=project)
    assert [row.instance_id for row in disagreements(project)] == [instance.pk]
    reviewer = annotator_for(project=project, user=make_member(project, Role.REVIEWER))
    place = place_for(instance=instance, reviewer=reviewer)
    assert place_for(instance=instance, reviewer=reviewer) == place
    # Nothing of the queue hands the place out.
    assert claim(project=project, annotator=reviewer) is None
    key, answers = uuid.uuid4(), [Answer("overall", [2, 1])]
    submit_review(slot=place, reviewer=reviewer, client_id=key, answers=answers)
    row = Consensus.objects.get(instance=instance, scope=Scope.MIXED)
    assert (row.method, row.worth) == ("review", [0.0, 1.0])
    assert not disagreements(project)
    with pytest.raises(Conflict):
        submit_review(slot=place, reviewer=reviewer, client_id=uuid.uuid4(), answers=answers)
    undo(annotator=reviewer, project=project)
    update(project=project)
    assert Consensus.objects.get(instance=instance, scope=Scope.MIXED).worth == [0.5, 0.5]


def test_the_majority_is_accepted_unless_there_is_none() -> None:
    project = make_project()
    clear, even = make_instance(project), make_instance(project)
    for instance, rankings in ((clear, ((2, 1), (2, 1), (1, 2))), (even, ((1, 2), (2, 1)))):
        for ranking in rankings:
            make_annotation(instance, ranking=ranking)
    update(project=project)
    reviewer = annotator_for(project=project, user=make_member(project, Role.REVIEWER))
    rows = accept_majority(
        slot=place_for(instance=clear, reviewer=reviewer),
        reviewer=reviewer,
        client_id=uuid.uuid4(),
    )
    assert [row.ranking for row in rows] == [[2, 1]]
    assert Consensus.objects.get(instance=clear, scope=Scope.HUMAN).worth == [0.0, 1.0]
    with pytest.raises(Conflict, match="even"):
        accept_majority(
            slot=place_for(instance=even, reviewer=reviewer),
            reviewer=reviewer,
            client_id=uuid.uuid4(),
        )


def test_the_majority_of_rated_criteria_is_the_rounded_mean() -> None:
    project = make_project(kind="rating")
    instance, none = make_instance(project), make_instance(project)
    for scores in ([5, 2], [4, None], [2, None]):
        make_annotation(instance, ranking=(), scores=scores)
    update(project=project)
    reviewer = annotator_for(project=project, user=make_member(project, Role.REVIEWER))
    place = place_for(instance=instance, reviewer=reviewer)
    rows = accept_majority(slot=place, reviewer=reviewer, client_id=uuid.uuid4(), seconds=3.5)
    assert [(row.scores, row.seconds) for row in rows] == [([4, 2], 3.5)]
    with pytest.raises(Conflict, match="majority"):
        majority_answers(none)
    steps = make_project(mark_steps=True)
    with pytest.raises(Conflict, match="more than a majority"):
        majority_answers(make_instance(steps))


def test_labels_to_check_are_a_random_draw() -> None:
    project = make_project()
    annotator, by = make_annotator(project), make_user()
    rows = [make_annotation(make_instance(project), annotator) for _ in range(30)]
    drawn = labels_to_check(annotator, by, 10)
    assert drawn == labels_to_check(annotator, by, 10)
    newest = rows[:-11:-1]
    assert set(drawn) != set(newest)
    assert drawn != labels_to_check(annotator, make_user(), 10)
    for row in drawn:
        remark(annotation=row, by=by, agrees=True, drawn=True)
    rest = labels_to_check(annotator, by, 30)
    assert set(rest) == set(rows) - set(drawn)


def test_verdicts_on_drawn_labels_are_counted_apart() -> None:
    project = make_project()
    annotator, by = make_annotator(project), make_user()
    rows = [make_annotation(make_instance(project), annotator) for _ in range(6)]
    for number, row in enumerate(rows):
        remark(annotation=row, by=by, agrees=number not in {0, 4}, drawn=number < 4)
    found = checked(annotator)
    assert found.drawn is not None
    assert (found.drawn.value, found.drawn.labels) == (0.75, 4)
    assert (found.agreed, found.disagreed) == (1, 1)
    # A later verdict takes the place of the first, and stays one of the draw.
    remark(annotation=rows[0], by=by, agrees=True)
    again = checked(annotator).drawn
    assert again is not None
    assert again.value == 1.0
    assert checked(make_annotator(project)).drawn is None


def test_remarks_reach_the_annotator_and_leave_the_list_to_check() -> None:
    project = make_project()
    annotator, by = make_annotator(project), make_user()
    rows = [make_annotation(make_instance(project), annotator) for _ in range(3)]
    assert len(labels_to_check(annotator, by, 2)) == 2
    remark(annotation=rows[2], by=by, agrees=False, note="The second is wrong on the date.")
    remark(annotation=rows[1], by=by, agrees=True)
    assert labels_to_check(annotator, by) == [rows[0]]
    assert [each.note for each in remarks_for(annotator)] == ["The second is wrong on the date."]
    with pytest.raises(InvalidInput):
        remark(annotation=rows[0], by=by)
