"""Scores and lists: what a judge is asked, and how its replies are read."""

import pytest

from annotation.instances.models import Instance
from annotation.judges.asking import Asker
from annotation.judges.models import Failure, Shape
from annotation.judges.providers.base import Completion
from annotation.projects.models import Kind
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput
from tests.annotation.asking_scene import asker, make_judge, of_kind, top
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db


def test_scores_are_asked_alone_and_expected() -> None:
    project = of_kind(Kind.RATING, levels=5, labels=["bad", "poor", "fair", "good", "great"])
    asked = asker(project)
    instance = make_instance(project, ("one", "two"))
    first, second = asked.questions([instance.pk])
    assert [q.shown_order for q in (first, second)] == [(0,), (1,)]
    assert (first.shape, first.choices) == (Shape.SCORES, ("1", "2", "3", "4", "5"))
    text = first.messages[-1]["content"]
    assert "one" in text
    assert "two" not in text
    assert "5: great" in text
    reply = asked.read(first, Completion("4", top(**{"4": 0.5, "5": 0.25, "2": 0.25})), 0)
    assert reply.scores == pytest.approx((0.5 * 4 + 0.25 * 5 + 0.25 * 2,))
    assert reply.confidence == pytest.approx(0.5)
    assert reply.ranking == ()
    assert asked.read(first, Completion("4"), 0).scores == (4.0,)
    assert asked.read(first, Completion("6"), 0).failure == Failure.WRONG_LABEL


def test_levels_of_two_digits_are_letters() -> None:
    project = of_kind(Kind.RATING, lowest=1, levels=10)
    asked = asker(project, prompt={"shape": "scores", "mode": "reasoned"})
    (question,) = asked.questions([make_instance(project, ("one",)).pk])
    assert "J: 10" in question.messages[0]["content"]
    assert asked.read(question, Completion("Fine. [[J]]"), 0).scores == (10.0,)
    # "10" would begin like "1": it is no code here.
    assert asked.read(question, Completion("Fine. [[10]]"), 0).failure == Failure.WRONG_LABEL


def test_thumbs_are_scores_of_two_levels() -> None:
    asked = asker(of_kind(Kind.BINARY))
    (question,) = asked.questions([make_instance(asked.judge.project, ("one",)).pk])
    assert question.choices == ("0", "1")


def test_a_prompt_asks_what_the_criterion_takes() -> None:
    with pytest.raises(InvalidInput, match="takes scores"):
        asker(of_kind(Kind.RATING), prompt={"shape": "pair"})
    with pytest.raises(InvalidInput, match="takes a comparison"):
        asker(of_kind(Kind.LISTWISE), prompt={"shape": "scores"})


def test_a_list_is_ranked_in_balanced_orders_or_by_pairs() -> None:
    project = of_kind(Kind.LISTWISE)
    instance = make_instance(project, ("one " * 50, "two " * 50, "three " * 50, "four " * 50))
    judge = make_judge(project, prompt={"shape": "ranking"}, parameters={"rankings": 4})
    asked = Asker(judge, main_criterion(project))
    plan = asked.plan(instance)
    assert plan is not None
    assert (plan.method, plan.calls) == ("rankings", 4)
    assert "cheaper than 12 calls" in plan.because
    asked_for = asked.questions([instance.pk])
    assert [q.shape for q in asked_for] == [Shape.RANKING] * 4
    for place in range(4):
        assert {q.shown_order[place] for q in asked_for} == {0, 1, 2, 3}
    reply = asked.read(asked_for[0], Completion("So. [[B > A = D > C]]"), 0)
    order = asked_for[0].shown_order
    expected = dict(zip(order, (2, 1, 4, 2), strict=True))
    assert reply.ranking == tuple(expected[position] for position in range(4))
    judge.parameters = {"method": "all pairs"}
    pairs = Asker(judge, main_criterion(project)).questions([instance.pk])
    assert len({q.shown_order for q in pairs}) == 12
    reply = asked.read(pairs[-1], Completion("[[A]]"), 0)
    assert (pairs[-1].shown_order, reply.ranking) == ((3, 2), (2, 1))


def test_pairs_are_the_cheaper_where_replies_cost_more_than_texts() -> None:
    project = of_kind(Kind.LISTWISE)
    instance = make_instance(project, ("a", "b", "c"))
    judge = make_judge(
        project,
        prompt={"shape": "ranking", "mode": "token"},
        parameters={"rankings": 12},
        price_per_1k_input_micros=1,
        price_per_1k_output_micros=9000,
    )
    plan = Asker(judge, main_criterion(project)).plan(instance)
    assert plan is not None
    assert (plan.method, plan.calls) == ("all pairs", 6)
    judge.price_per_1k_input_micros = judge.price_per_1k_output_micros = 0
    free = Asker(judge, main_criterion(project)).plan(instance)
    assert free is not None
    assert free.expected_micros == 0
    assert "less to read" in free.because


def test_one_completion_cannot_be_compared() -> None:
    project = make_project()
    asked = asker(project)
    (question,) = asked.questions([make_instance(project, ("alone",)).pk])
    reply = asked.refusal(question)
    assert reply is not None
    assert "nothing to compare" in reply.error
    assert asked.plan(Instance.objects.get()) is None
