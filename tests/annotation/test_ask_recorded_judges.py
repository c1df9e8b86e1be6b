"""Recorded judges: revealed when asked, priced, one label per instance, nothing twice."""

import uuid

import pytest

from accounts.models import Project
from annotation.instances.models import Instance, Signal
from annotation.judges.models import CallState, JudgeCall
from annotation.judges.services import ask, ensure_recorded, set_accuracy
from annotation.labels.models import Annotation
from annotation.ledger import services as ledger
from annotation.ledger.models import Entry
from annotation.ledger.selectors import state
from annotation.projects.selectors import main_criterion
from core.exceptions import BudgetExceeded
from tests.factories import make_instance, make_project, make_recorded_label

pytestmark = pytest.mark.django_db


def in_both_orders(
    project: Project, forward: tuple[int, int], backward: tuple[int, int]
) -> Instance:
    instance = make_instance(project)
    make_recorded_label(instance, forward, origin="judge", annotator="swapper", shown_order=[0, 1])
    make_recorded_label(
        instance, backward, origin="judge", annotator="swapper", shown_order=[1, 0], ordinal=1
    )
    return instance


def test_agreeing_orders_become_one_label_with_signals() -> None:
    project = make_project()
    instance = in_both_orders(project, (2, 1), (2, 1))
    (judge,) = ensure_recorded(project=project)
    decision = uuid.uuid4()
    report = ask(
        judge=judge,
        instance_ids=[instance.pk],
        criterion=main_criterion(project),
        decision_of={instance.pk: decision},
    )
    assert (report.answered, report.spent_micros) == (1, 5_500)
    label = Annotation.objects.get()
    assert (label.ranking, label.annotator, label.decision_id) == (
        [2, 1],
        judge.annotator,
        decision,
    )
    values = dict(Signal.objects.values_list("name", "value"))
    assert values["judge_flip:swapper"] == 0
    assert values["judge_p:swapper"] == pytest.approx(0.25)
    assert JudgeCall.objects.filter(state=CallState.ANSWERED).count() == 2


def test_a_flip_is_a_tie_with_the_flip_signal() -> None:
    project = make_project()
    instance = in_both_orders(project, (1, 2), (2, 1))
    (judge,) = ensure_recorded(project=project)
    ask(judge=judge, instance_ids=[instance.pk], criterion=main_criterion(project))
    label = Annotation.objects.get()
    assert (label.ranking, label.tie_kind) == ([1, 1], "tie")
    assert Signal.objects.get(name="judge_flip:swapper").value == 1
    assert Signal.objects.get(name="judge_gap:swapper").value == pytest.approx(0.5)


def test_an_unordered_label_counts_without_a_flip_signal() -> None:
    project = make_project()
    instance = make_instance(project)
    make_recorded_label(instance, (1, 2), origin="judge", annotator="gpt")
    (judge,) = ensure_recorded(project=project)
    set_accuracy(judge=judge, accuracy=0.9)
    report = ask(judge=judge, instance_ids=[instance.pk], criterion=main_criterion(project))
    assert (report.answered, report.spent_micros) == (1, 5_500)
    assert dict(Signal.objects.values_list("name", "value")) == {"judge_p:gpt": pytest.approx(0.9)}


def test_one_order_of_two_and_a_missing_label_are_no_labels() -> None:
    project = make_project()
    half, without = make_instance(project), make_instance(project)
    make_recorded_label(half, (1, 2), origin="judge", annotator="gpt", shown_order=[1, 0])
    (judge,) = ensure_recorded(project=project)
    for _ in range(2):
        report = ask(
            judge=judge, instance_ids=[half.pk, without.pk], criterion=main_criterion(project)
        )
        assert (report.answered, report.incomplete, report.failed) == (0, 1, 1)
    assert not Annotation.objects.exists()
    failed = JudgeCall.objects.get(instance=without)
    assert failed.state == CallState.FAILED
    assert failed.error


def test_asking_again_buys_and_writes_nothing() -> None:
    project = make_project()
    ids = [in_both_orders(project, (1, 2), (1, 2)).pk for _ in range(3)]
    (judge,) = ensure_recorded(project=project)
    budget = ledger.create_budget(project=project, name="b", limit_micros=100_000)
    for spent in (16_500, 0):
        report = ask(
            judge=judge, instance_ids=ids, criterion=main_criterion(project), budget=budget
        )
        assert (report.answered, report.spent_micros) == (3, spent)
    assert Annotation.objects.count() == 3
    assert state(budget).settled == 16_500
    assert Entry.objects.count() == 6


def test_what_a_budget_holds_is_asked_and_labelled_and_no_more() -> None:
    project = make_project()
    ids = [in_both_orders(project, (1, 2), (1, 2)).pk for _ in range(3)]
    (judge,) = ensure_recorded(project=project)
    budget = ledger.create_budget(project=project, name="b", limit_micros=11_000)
    with pytest.raises(BudgetExceeded) as refused:
        ask(judge=judge, instance_ids=ids, criterion=main_criterion(project), budget=budget)
    assert refused.value.extra["missing"] > 0
    assert sorted(Annotation.objects.values_list("instance", flat=True)) == ids[:2]
    assert JudgeCall.objects.filter(state=CallState.ANSWERED).count() == 4
    assert (state(budget).free, state(budget).settled) == (0, 11_000)


def test_a_judge_is_simulated_when_all_its_labels_are() -> None:
    project = make_project()
    instance = make_instance(project)
    make_recorded_label(instance, origin="judge", annotator="real")
    make_recorded_label(instance, origin="judge", annotator="pretend", simulated=True)
    make_recorded_label(instance, origin="human", annotator="person")
    judges = ensure_recorded(project=project)
    assert [(judge.name, judge.annotator.simulated) for judge in judges] == [
        ("pretend", True),
        ("real", False),
    ]
    assert ensure_recorded(project=project) == judges
