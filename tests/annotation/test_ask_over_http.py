"""A judge behind an OpenAI-compatible server: verdicts, failures, money, and a kill."""

import math
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.db import connection

from accounts.models import Project
from annotation.instances.models import Signal
from annotation.judges.models import CallState, Judge, JudgeCall
from annotation.judges.services import AskReport, ask, create_judge
from annotation.labels.models import Annotation
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget
from annotation.ledger.selectors import state
from annotation.projects.selectors import main_criterion
from core.exceptions import Conflict, InvalidInput
from tests.annotation.chat_server import ChatServer, reply, serving
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db
OK = 200


def judge_at(server: ChatServer, project: Project, **parameters: Any) -> Judge:
    options = {"base_url": server.url, "concurrency": 2, "timeout": 5} | parameters
    return create_judge(
        project=project,
        name="local",
        model="some-model",
        parameters=options,
        price_per_1k_input_micros=1000,
        price_per_1k_output_micros=4000,
    )


def budget_for(project: Project) -> Budget:
    return ledger.create_budget(project=project, name="judges", limit_micros=1_000_000)


def ask_all(judge: Judge, budget: Budget | None = None, **options: Any) -> AskReport:
    return ask(
        judge=judge,
        instance_ids=list(judge.project.instances.order_by("pk").values_list("pk", flat=True)),
        criterion=main_criterion(judge.project),
        budget=budget,
        **options,
    )


def prefers_good(body: dict[str, Any]) -> str:
    text = body["messages"][-1]["content"]
    return "A" if text.index("good") < text.index("bad") else "B"


def good_and_bad(project: Project, count: int = 1) -> None:
    for number in range(count):
        texts = ("bad", "good") if number % 2 else ("good", "bad")
        make_instance(project, texts, prompt=f"Question {number}?")


def test_log_probabilities_of_one_token_become_p() -> None:
    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        best = prefers_good(body)
        other = {"A": "B", "B": "A"}[best]
        return OK, {}, reply(best, top={best: math.log(0.8), other: math.log(0.2)})

    project = make_project()
    good_and_bad(project, 3)
    budget = budget_for(project)
    with serving(behaviour) as server:
        report = ask_all(judge_at(server, project), budget)
    assert (report.answered, report.failed, report.unknown) == (3, 0, 0)
    assert server.bodies[0]["max_tokens"] == 1
    assert server.bodies[0]["logprobs"] is True
    assert "base_url" not in server.bodies[0]
    labels = Annotation.objects.order_by("instance")
    assert [label.ranking for label in labels] == [[1, 2], [2, 1], [1, 2]]
    assert [round(label.attributes["verdict"]["p"], 6) for label in labels] == [0.8, 0.2, 0.8]
    # 6 calls of 100 tokens in and 1 out, at 1000 and 4000 micros per 1000 tokens.
    assert report.spent_micros == state(budget).settled == 6 * 104
    assert state(budget).reserved == 0


def test_a_stored_reply_is_never_bought_again() -> None:
    project = make_project()
    good_and_bad(project, 2)
    with serving(lambda body, _: (OK, {}, reply(prefers_good(body)))) as server:
        judge = judge_at(server, project)
        first = ask_all(judge)
        again = ask_all(judge)
    assert len(server.bodies) == 4
    assert (first.answered, again.answered, again.spent_micros) == (2, 2, 0)
    assert Annotation.objects.count() == 2


def test_a_judge_that_takes_the_first_is_flipped() -> None:
    project = make_project()
    good_and_bad(project)
    with serving(lambda body, _: (OK, {}, reply("A"))) as server:
        ask_all(judge_at(server, project))
    assert Signal.objects.get(name="judge_flip:local").value == 1
    assert Annotation.objects.get().ranking == [1, 1]


def test_reasons_end_in_a_tag_and_are_kept() -> None:
    project = make_project()
    good_and_bad(project)

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        return OK, {}, reply(f"It is clearer. [[{prefers_good(body)}]]")

    with serving(behaviour) as server:
        ask_all(judge_at(server, project, mode="reasoned"))
    label = Annotation.objects.get()
    assert (label.ranking, label.rationale) == ([1, 2], "It is clearer.")


def test_a_reply_that_cannot_be_parsed_is_asked_once_more() -> None:
    project = make_project()
    good_and_bad(project)
    asked: dict[str, int] = {}

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        text = body["messages"][-1]["content"]
        order = "AB" if text.index("good") < text.index("bad") else "BA"
        asked[order] = asked.get(order, 0) + 1
        return OK, {}, reply(prefers_good(body) if asked[order] == 2 else "Both are fine")

    budget = budget_for(project)
    with serving(behaviour) as server:
        report = ask_all(judge_at(server, project), budget)
    assert report.answered == 1
    assert len(server.bodies) == 4
    states = sorted(JudgeCall.objects.values_list("state", flat=True))
    assert states == ["answered", "answered", "unparsable", "unparsable"]
    assert state(budget).settled == 4 * 104


def test_unparsable_twice_is_no_label_and_no_third_question() -> None:
    project = make_project()
    good_and_bad(project)
    with serving(lambda body, _: (OK, {}, reply("Both are fine"))) as server:
        judge = judge_at(server, project)
        for _ in range(2):
            report = ask_all(judge)
            assert (report.answered, report.unparsable) == (0, 1)
    assert len(server.bodies) == 4
    assert not Annotation.objects.exists()


def test_retry_after_is_obeyed() -> None:
    project = make_project()
    good_and_bad(project)

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        if number <= 2:
            return 429, {"Retry-After": "0"}, {"error": "slow down"}
        return OK, {}, reply(prefers_good(body))

    with serving(behaviour) as server:
        report = ask_all(judge_at(server, project))
    assert report.answered == 1
    assert len(server.bodies) == 4


def test_a_refused_call_is_visible_released_and_asked_again() -> None:
    project = make_project()
    good_and_bad(project)
    budget = budget_for(project)
    down = True

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        return (400, {}, {"error": "no"}) if down else (OK, {}, reply(prefers_good(body)))

    with serving(behaviour) as server:
        judge = judge_at(server, project)
        report = ask_all(judge, budget)
        assert (report.answered, report.failed) == (0, 1)
        assert "HTTP 400" in JudgeCall.objects.filter(state=CallState.FAILED)[0].error
        assert state(budget).free == 1_000_000
        down = False
        assert ask_all(judge, budget).answered == 1


def test_a_lost_reply_is_unknown_charged_and_not_asked_again_silently() -> None:
    project = make_project()
    good_and_bad(project)
    budget = budget_for(project)
    release = threading.Event()

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        release.wait(10)
        return OK, {}, reply(prefers_good(body))

    with serving(behaviour) as server:
        judge = judge_at(server, project, timeout=1)
        report = ask_all(judge, budget)
        assert (report.answered, report.unknown) == (0, 1)
        charged = state(budget).unknown
        assert charged > 0
        release.set()
        assert ask_all(judge, budget).unknown == 1
        assert len(server.bodies) == 2
        assert ask_all(judge, budget, retry_unknown=True).answered == 1
    assert len(server.bodies) == 4
    assert state(budget).unknown == charged


def test_the_key_goes_to_the_configured_server_only(settings: Any) -> None:
    settings.JUDGE_API_KEY = "hidden"
    with (
        serving(lambda body, _: (OK, {}, reply("A"))) as known,
        serving(lambda body, _: (OK, {}, reply("A"))) as other,
    ):
        settings.JUDGE_BASE_URL = known.url
        for server in (known, other):
            project = make_project()
            good_and_bad(project)
            ask_all(judge_at(server, project))
    assert known.headers[0]["Authorization"] == "Bearer hidden"
    assert "Authorization" not in other.headers[0]


def test_a_judge_without_an_address_is_refused() -> None:
    project = make_project()
    judge = create_judge(project=project, name="nowhere", model="m")
    with pytest.raises(InvalidInput, match="no address"):
        ask_all(judge)
    assert not JudgeCall.objects.exists()


KILLED = """
import django; django.setup()
from annotation.judges.models import Judge
from annotation.judges.services import ask
from annotation.ledger.models import Budget
from annotation.projects.selectors import main_criterion
judge = Judge.objects.get()
ask(judge=judge, instance_ids=list(judge.project.instances.values_list("pk", flat=True)),
    criterion=main_criterion(judge.project), budget=Budget.objects.get())
"""


@pytest.mark.django_db(transaction=True)
def test_calls_in_flight_at_a_kill_become_unknown_and_stay_charged() -> None:
    project = make_project()
    good_and_bad(project)
    budget = budget_for(project)
    release = threading.Event()

    def behaviour(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        release.wait(30)
        return OK, {}, reply(prefers_good(body))

    with serving(behaviour) as server:
        judge = judge_at(server, project, timeout=60)
        process = subprocess.Popen([sys.executable, "-c", KILLED], env=environment())
        try:
            assert server.arrived.wait(30)
            assert JudgeCall.objects.filter(state=CallState.IN_FLIGHT).count() == 2
            with pytest.raises(Conflict, match="asked already"):
                ask_all(judge, budget)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        reserved = state(budget).reserved
        assert reserved > 0
        release.set()
        report = ask_when_free(judge, budget)
        asked = len(server.bodies)
    assert (report.answered, report.unknown) == (0, 1)
    assert (state(budget).unknown, state(budget).reserved) == (reserved, 0)
    assert asked <= 2


def environment() -> dict[str, str]:
    """The environment of a process that uses the test's own database."""
    values = connection.settings_dict
    host, port, user = values["HOST"], values["PORT"] or 5432, values["USER"]
    url = f"postgres:///{values['NAME']}?host={host}&port={port}&user={user}"
    path = f"{project_settings.BASE_DIR}{os.pathsep}{project_settings.BASE_DIR / 'platform'}"
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        "PYTHONPATH": path,
    }


def ask_when_free(judge: Judge, budget: Budget) -> AskReport:
    """PostgreSQL takes a moment to notice that the killed process has gone."""
    for _ in range(100):
        try:
            return ask_all(judge, budget)
        except Conflict:
            threading.Event().wait(0.05)
    raise AssertionError("the lock of the killed process was never released")
