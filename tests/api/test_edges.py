"""What every request to the interface meets: limits, their headers, and errors in one shape."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access_tokens import make_token
from accounts.models import Project, User
from jobs import selectors
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def owner() -> User:
    return make_user("edges")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project("edges", owner=owner)


@pytest.fixture
def client(owner: User, project: Project) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def test_every_answer_says_how_much_is_left(client: Client, settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    answers = [client.get("/api/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert [answer["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert 0 < int(answers[3]["Retry-After"]) <= 60
    assert answers[3]["Content-Type"] == "application/problem+json"


def test_tokens_people_and_strangers_are_counted_apart(
    client: Client, owner: User, settings: LazySettings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    _row, text = make_token(user=owner, name="x", scopes=["read"], days=1)
    program = Client(headers={"authorization": f"Bearer {text}"})
    for _ in range(2):
        codes = [each.get("/api/v1/me").status_code for each in (client, program, Client())]
    assert codes == [429, 429, 429]
    settings.API_REQUESTS_PER_MINUTE = 0
    codes = [each.get("/api/v1/me").status_code for each in (client, program, Client())]
    assert codes == [200, 200, 401]


def test_counting_costs_one_statement(client: Client, settings: LazySettings) -> None:
    costs = []
    for most in (0, 100):
        settings.API_REQUESTS_PER_MINUTE = most
        with CaptureQueriesContext(connection) as asked:
            client.get("/api/v1/me")
        costs.append(len(asked))
    assert costs[1] - costs[0] == 1


def problem(answer: Any, status: int) -> Any:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= set(body)
    return body


@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v2/x", "/api/v1/projects/edges/no/"])
def test_an_unknown_address_is_a_problem(client: Client, path: str) -> None:
    assert problem(client.get(path), 404)["instance"] == path


def test_errors_of_every_kind_are_problems(client: Client, settings: LazySettings) -> None:
    runs = "/api/v1/projects/edges/runs/"
    problem(client.delete(runs), 405)
    problem(client.post(runs, "x", content_type="text/plain"), 415)
    problem(client.post(runs, "{", content_type=JSON), 400)
    problem(client.post(runs, "[" * 100_000, content_type=JSON), 400)
    problem(client.get("/api/v1/projects/edges/jobs/99/"), 404)
    problem(client.get(runs, headers={"accept": "text/csv"}), 406)
    problem(Client().get(runs), 401)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    problem(client.post(runs, {"name": "x" * 200}, content_type=JSON), 413)


def test_what_breaks_is_a_problem_without_a_word_about_what_broke(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_project: Project) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(selectors, "jobs_of", broken)
    client.raise_request_exception = False
    answer = client.get("/api/v1/projects/edges/jobs/")
    assert "secret" not in str(problem(answer, 500))


def test_nobody_in_between_keeps_an_answer(client: Client) -> None:
    answer = client.get("/api/v1/me")
    assert answer["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer["Vary"]
