"""What a judge is asked: orders, keys, prices, and who is not asked at all."""

import math
from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.asking import Asker
from annotation.judges.models import CallState, Failure, Judge
from annotation.judges.providers.base import Completion
from annotation.judges.services import create_judge
from annotation.projects.selectors import main_criterion
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db


def make_judge(project: Project, **fields: Any) -> Judge:
    prices = {"price_per_1k_input_micros": 1000, "price_per_1k_output_micros": 4000}
    return create_judge(project=project, name="judge", model="some-model", **{**prices, **fields})


def asker(project: Project, **fields: Any) -> Asker:
    return Asker(make_judge(project, **fields), main_criterion(project))


def top(**shares: float) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]


def test_a_pair_is_asked_in_both_orders() -> None:
    project = make_project()
    instance = make_instance(project, ("one", "two"))
    asked = asker(project)
    forward, backward = asked.questions([instance.pk])
    assert (forward.shown_order, backward.shown_order) == ((0, 1), (1, 0))
    assert forward.choices == ("A", "B")
    assert forward.max_tokens == 1
    assert forward.key != backward.key
    text = forward.messages[-1]["content"]
    assert text.index("one") < text.index("two")
    reply = asked.read(forward, Completion("A", top(A=0.8, B=0.2), 1000, 1), 12)
    assert (reply.state, reply.ranking, reply.failure) == (CallState.ANSWERED, (1, 2), "")
    assert reply.p_first == pytest.approx(0.8)
    assert reply.confidence == pytest.approx(0.8)
    assert reply.price_micros == 1004
    reply = asked.read(backward, Completion("A", top(A=0.8, B=0.2)), 12)
    assert reply.ranking == (2, 1)
    assert reply.price_micros == backward.ceiling


def test_a_letter_without_log_probabilities_stands() -> None:
    project = make_project()
    asked = asker(project)
    question, _ = asked.questions([make_instance(project).pk])
    reply = asked.read(question, Completion("B"), 0)
    assert (reply.state, reply.failure) == (CallState.ANSWERED, Failure.NO_LOGPROBS)
    assert (reply.ranking, reply.p_first, reply.confidence) == ((2, 1), None, None)
