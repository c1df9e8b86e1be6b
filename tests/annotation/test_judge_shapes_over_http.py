"""Lists and scores asked of a real endpoint, from the question to the label."""

import math
import re
from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import Failure, Judge, JudgeCall, JudgeRun, Shape
from annotation.judges.prompting import create_prompt
from annotation.judges.services import ask, create_judge
from annotation.labels.models import Annotation
from annotation.projects.models import Kind, Protocol
from annotation.projects.selectors import main_criterion
from tests.annotation.chat_server import reply, serving
from tests.annotation.judge_scene import PRICE, begin, connect, finish, make_budget, make_judge
from tests.endpoint.client import Running, endpoint
from tests.endpoint.options import Options
from tests.endpoint.verdicts import quality, scored
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db
LISTED = ("quality=0.5 middle", "quality=0.9 best", "quality=0.1 worst", "quality=0.3 poor")
OK = 200


def of_kind(kind: Kind) -> Project:
    project = make_project()
    Protocol.objects.filter(project=project).update(kind=kind)
    return Project.objects.get(pk=project.pk)


def asked_at(url: str, project: Project, **fields: Any) -> dict[str, Any]:
    """The verdict on the project's one instance."""
    parameters = {"base_url": url, "timeout": 5} | fields.pop("parameters", {})
    judge = create_judge(
        project=project,
        name="j",
        model="m",
        parameters=parameters,
        price_per_call_micros=1,
        **fields,
    )
    ids = list(project.instances.values_list("pk", flat=True))
    report = ask(judge=judge, instance_ids=ids, criterion=main_criterion(project))
    assert report.answered == 1
    verdict: dict[str, Any] = Annotation.objects.get().attributes["verdict"]
    return verdict


@pytest.mark.parametrize(
    ("parameters", "method", "calls"),
    [
        ({}, "rankings", 3),
        ({"mode": "reasoned"}, "rankings", 3),
        ({"method": "all pairs"}, "all pairs", 12),
    ],
)
def test_a_list_is_ranked(parameters: dict[str, Any], method: str, calls: int) -> None:
    project = of_kind(Kind.LISTWISE)
    make_instance(project, LISTED)
    with endpoint(accuracy=1.0) as running:
        verdict = asked_at(running.openai, project, parameters=parameters)
    assert Annotation.objects.get().ranking == [2, 1, 4, 3]
    assert verdict["method"] == method
    assert verdict["consistency"] == pytest.approx(1)
    assert (verdict["flipped"], verdict["gap"]) == (False, pytest.approx(0, abs=1e-6))
    assert JudgeCall.objects.count() == calls
    assert len(verdict["pairs"]) == 6


@pytest.mark.parametrize("mode", ["token", "reasoned"])
def test_completions_are_scored(mode: str) -> None:
    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        text = body["messages"][-1]["content"]
        (level,) = re.findall(r"<completion_a>\nworth (\d)\n</completion_a>", text)
        if mode == "reasoned":
            return OK, {}, reply(f"As it is.\nConfidence: 90\n[[{level}]]")
        assert body["logprobs"]
        return OK, {}, reply(level, top={level: math.log(0.5), "3": math.log(0.25)})

    project = of_kind(Kind.RATING)
    make_instance(project, ("worth 5", "worth 1"))
    prompt = create_prompt(project=project, name="p", shape="scores", mode=mode)
    with serving(behaviour) as server:
        verdict = asked_at(server.url, project, prompt=prompt)
    row = Annotation.objects.get()
    assert (row.scores, row.ranking) == ([5, 1], [])
    expected = [5, 1] if mode == "reasoned" else [13 / 3, 5 / 3]
    assert verdict["scores"] == pytest.approx(expected, abs=1e-5)
    assert verdict["confidence"] == pytest.approx(0.9 if mode == "reasoned" else 2 / 3)


def planted(kind: Kind, provider: str, server: Running, **fields: Any) -> tuple[Judge, JudgeRun]:
    """A run over twelve instances whose completions tell their quality, finished."""
    project = of_kind(kind)
    for number in range(12):
        shift = number % len(LISTED)
        make_instance(project, (*LISTED[shift:], *LISTED[:shift]))
    judge = make_judge(connect(project, server, provider=provider), **fields)
    return judge, finish(begin(judge, make_budget(project)))


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
@pytest.mark.parametrize("mode", ["token", "reasoned"])
def test_a_run_of_rankings_goes_through_the_server(mode: str, provider: str) -> None:
    with endpoint() as server:
        judge, run = planted(Kind.LISTWISE, provider, server, parameters={"mode": mode})
        bill = server.bill()
    assert (run.state, run.counts["answered"], run.calls) == ("finished", 12, 36)
    assert run.spent_micros == bill["calls"] * PRICE
    for row in Annotation.objects.filter(annotator=judge.annotator):
        texts = [each.text for each in row.instance.completions.order_by("position")]
        best_first = sorted(texts, key=lambda text: -quality(text))
        assert row.ranking == [1 + best_first.index(text) for text in texts]
    assert set(judge.calls.values_list("shape", flat=True)) == {Shape.RANKING}


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
@pytest.mark.parametrize("mode", ["token", "reasoned"])
def test_a_run_of_scores_goes_through_the_server(mode: str, provider: str) -> None:
    with endpoint() as server:
        judge, run = planted(Kind.RATING, provider, server, parameters={"mode": mode})
        bill = server.bill()
    assert (run.state, run.counts["answered"], run.calls) == ("finished", 12, 48)
    assert run.spent_micros == bill["calls"] * PRICE
    # A letter alone is all that one provider gives; the other gives the shares of all levels.
    weighed = (mode, provider) == ("token", "openai-compatible")
    for row in Annotation.objects.filter(annotator=judge.annotator):
        shares = [
            scored(quality(each.text), "12345", Options())
            for each in row.instance.completions.order_by("position")
        ]
        likely = [max(each, key=lambda code: each[code]) for each in shares]
        means = [sum(int(code) * share for code, share in each.items()) for each in shares]
        assert row.scores == [int(code) for code in likely]
        expected = means if weighed else row.scores
        assert row.attributes["verdict"]["scores"] == pytest.approx(expected, abs=1e-4)
    failures = {"no-logprobs"} if (mode, provider) == ("token", "anthropic") else {""}
    assert set(judge.calls.values_list("failure", flat=True)) == failures


def test_an_instance_that_cannot_be_asked_is_explained_and_costs_nothing() -> None:
    project = make_project()
    instance = make_instance(project)
    image = {"type": "image", "url": "https://example.org/a.png"}
    instance.completions.filter(position=0).update(parts=[image])
    with endpoint() as running:
        judge = create_judge(
            project=project,
            name="j",
            model="m",
            parameters={"base_url": running.openai},
            price_per_call_micros=5,
        )
        report = ask(judge=judge, instance_ids=[instance.pk], criterion=main_criterion(project))
        assert running.arrivals() == []
    assert (report.answered, report.failed, report.spent_micros) == (0, 1, 0)
    call = JudgeCall.objects.get()
    assert call.failure == Failure.BAD_REQUEST
    assert "image" in call.error
