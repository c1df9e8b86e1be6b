"""A judge that is a chat model: where it is asked, with which key, and what comes of it."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import CallState, Connection, Failure, Judge
from annotation.judges.providers.base import ProviderError, Question, Reply, provider_of
from annotation.judges.services import create_judge
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput
from core.secrets import encrypt
from tests.factories import make_instance, make_project
from tests.loops import in_a_loop

from .chat_server import ChatServer, reply, serving

pytestmark = pytest.mark.django_db
KEY = "sk-of-the-connection"


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """Prefers what it is shown first, with P = 0.8."""
    with serving(
        lambda body, number: (200, {}, reply("A", top={"A": -0.2231, "B": -1.6094}))
    ) as it:
        yield it


def judge_of(project: Project, **values: Any) -> Judge:
    return create_judge(project=project, name="judge", model="some-model", **values)


def replies(judge: Judge) -> list[tuple[Question, Reply]]:
    """Everything asked about one instance, and what came back."""
    provider = provider_of(judge, main_criterion(judge.project))
    questions = provider.questions([make_instance(judge.project).pk])

    async def run() -> list[Reply]:
        try:
            return await asyncio.gather(*(provider.answer(each) for each in questions))
        finally:
            await provider.close()

    return list(zip(questions, in_a_loop(run()), strict=True))


def authorisation(server: ChatServer) -> set[str | None]:
    return {headers.get("Authorization") for headers in server.headers}


def test_a_judge_is_asked_through_its_connection(project: Project, server: ChatServer) -> None:
    made = Connection.objects.create(
        project=project,
        name="one",
        provider="openai-compatible",
        base_url=server.url,
        secret=encrypt(KEY),
        concurrency=7,
        idempotent=True,
    )
    judge = judge_of(project, connection=made, parameters={"seed": 3, "mode": "token"})
    assert provider_of(judge, main_criterion(project)).concurrency == 7
    found = replies(judge)
    assert [question.shown_order for question, _ in found] == [(0, 1), (1, 0)]
    assert [answer.ranking for _, answer in found] == [(1, 2), (2, 1)]
    assert all(answer.state == CallState.ANSWERED for _, answer in found)
    assert [answer.p_first for _, answer in found] == [pytest.approx(0.8, abs=0.01)] * 2
    assert authorisation(server) == {f"Bearer {KEY}"}
    sent = {headers["Idempotency-Key"] for headers in server.headers}
    assert sent == {question.key for question, _ in found}
    body = server.bodies[0]
    assert (body["seed"], body["model"], body["logprobs"]) == (3, "some-model", True)
    assert "mode" not in body


def test_the_key_of_the_settings_goes_to_the_server_of_the_settings_alone(
    project: Project, server: ChatServer, settings: Any
) -> None:
    settings.JUDGE_BASE_URL, settings.JUDGE_API_KEY = server.url, "sk-of-the-settings"
    # Named in the settings is allowed by the settings, though it is private.
    settings.JUDGE_PRIVATE_HOSTS = []
    judge = judge_of(project)
    assert len(replies(judge)) == 2
    assert authorisation(server) == {"Bearer sk-of-the-settings"}
    with serving(lambda body, number: (200, {}, reply("A"))) as other:
        judge.parameters = {"base_url": other.url}
        with pytest.raises(InvalidInput, match="not public"):
            replies(judge)
        settings.JUDGE_PRIVATE_HOSTS = ["127.0.0.1"]
        replies(judge)
        assert authorisation(other) == {None}


def test_a_judge_without_an_address_is_refused(project: Project) -> None:
    with pytest.raises(InvalidInput, match="no address"):
        provider_of(judge_of(project), main_criterion(project))


def test_a_name_that_turns_out_to_be_private_is_not_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of(project, parameters={"base_url": "https://models.example/v1"})
    provider = provider_of(judge, main_criterion(project))
    (question, *_) = provider.questions([make_instance(project).pk])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]

    async def run() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        try:
            await provider.answer(question)
        finally:
            await provider.close()

    with pytest.raises(ProviderError) as failed:
        in_a_loop(run())
    assert failed.value.failure == Failure.PRIVATE


def test_nobody_answers_for_an_unknown_kind(project: Project) -> None:
    with pytest.raises(InvalidInput, match="cannot be asked"):
        provider_of(Judge(project=project, provider="oracle"), main_criterion(project))
