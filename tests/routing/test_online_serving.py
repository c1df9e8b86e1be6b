"""Answers of a real chat-completions server: bought once, paid exactly, never beyond the budget."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from annotation.ledger.models import Budget, EntryState
from core.exceptions import BudgetExceeded
from jobs.context import JobContext
from jobs.exceptions import JobFailed
from jobs.models import State
from routing.online.serving import answered
from routing.online.work import Work
from routing.rounds import services
from tests.annotation.arena_scene import OK
from tests.annotation.chat_server import ChatServer, reply, serving
from tests.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)

PROMPTS = [(f"hash-{n}", [{"role": "user", "content": f"Question {n}?"}]) for n in range(3)]
PRICES = {"price_per_1k_input_micros": 1000, "price_per_1k_output_micros": 2000}
PER_ANSWER = 100 * 1 + 50 * 2


def says(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
    return OK, {}, reply(f"answer {number}", usage=(100, 50))


def refuses_the_second_question(
    body: dict[str, Any], number: int
) -> tuple[int, dict[str, str], dict[str, Any]]:
    if "Question 1" in body["messages"][-1]["content"]:
        return 400, {}, {"error": "no"}
    return says(body, number)


def work_on(
    server: ChatServer, settings: Settings, tmp_path: Path, budget: int = 10**7, **values: Any
) -> Work:
    settings.ARENA_ENDPOINTS = {"local": (server.url, "a-secret-key")}
    settings.VAR_DIR = settings.MEDIA_ROOT = tmp_path
    options = {
        "endpoint": "local",
        "model": "served",
        "candidates": 2,
        "budget_micros": budget,
        "max_new_tokens": 256,
    }
    row = services.start_round(
        project=make_project(), options=options | PRICES | values, kind="online"
    )
    assert row.job is not None
    row.job.state, row.job.lease_until = State.RUNNING, timezone.now() + timedelta(minutes=5)
    row.job.save(update_fields=["state", "lease_until"])
    return Work(JobContext(row.job), row)


def test_every_answer_is_bought_once_and_paid_exactly(settings: Settings, tmp_path: Path) -> None:
    with serving(says) as server:
        work = work_on(server, settings, tmp_path)
        rows = answered(work, PROMPTS)
        assert [len(set(row.texts)) for row in rows] == [2, 2, 2]
        assert answered(work, PROMPTS) == rows
        assert len(server.bodies) == 6
    assert {body["temperature"] for body in server.bodies} == {1.0}
    budget = Budget.objects.get(project=work.project)
    assert budget.settled == 6 * PER_ANSWER
    assert budget.reserved == 0


def test_a_refused_question_costs_nothing_and_leaves_the_others(
    settings: Settings, tmp_path: Path
) -> None:
    with serving(refuses_the_second_question) as server:
        work = work_on(server, settings, tmp_path)
        rows = answered(work, PROMPTS)
    assert rows[1].texts == ("", "")
    assert all(rows[0].texts)
    budget = Budget.objects.get(project=work.project)
    assert budget.settled == 4 * PER_ANSWER
    assert budget.reserved == 0
    assert budget.entries.filter(state=EntryState.RELEASED).count() == 2


def test_the_budget_is_never_exceeded_and_what_was_bought_stays(
    settings: Settings, tmp_path: Path
) -> None:
    with serving(says) as server:
        work = work_on(server, settings, tmp_path, budget=5_000, candidates=9)
        with pytest.raises(BudgetExceeded):
            answered(work, PROMPTS)
        bought = len(server.bodies)
        assert 0 < bought < 27
        budget = Budget.objects.get(project=work.project)
        assert budget.settled == bought * PER_ANSWER <= 5_000
        with pytest.raises(BudgetExceeded):
            answered(work, PROMPTS)
        assert len(server.bodies) == bought


def test_a_line_cut_off_by_a_kill_is_asked_again(settings: Settings, tmp_path: Path) -> None:
    with serving(says) as server:
        work = work_on(server, settings, tmp_path)
        (work.folder / "answers.jsonl").write_text('["hash-0", 0, "whole", 3]\n["hash-0", 1, "cut')
        rows = answered(work, PROMPTS)
    assert rows[0].texts[0] == "whole"
    assert all(text for row in rows for text in row.texts)
    assert len(server.bodies) == 5


def test_a_server_that_answers_nothing_is_said_so(settings: Settings, tmp_path: Path) -> None:
    with serving(lambda body, number: (401, {}, {"error": "who are you?"})) as server:
        work = work_on(server, settings, tmp_path)
        with pytest.raises(JobFailed, match="answered nothing"):
            answered(work, PROMPTS)
    assert "a-secret-key" not in (work.folder / "answers.jsonl").read_text()
