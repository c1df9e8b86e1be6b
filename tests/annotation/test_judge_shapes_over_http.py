"""Lists and scores asked of a real endpoint, from the question to the label."""

import math
import re
from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import Failure, JudgeCall
from annotation.judges.prompting import create_prompt
from annotation.judges.services import ask, create_judge
from annotation.labels.models import Annotation
from annotation.projects.models import Kind, Protocol
from annotation.projects.selectors import main_criterion
from tests.annotation.chat_server import reply, serving
from tests.endpoint.client import endpoint
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
