"""What is refused before a session, a view or the database sees it; what every answer carries."""

import pytest
from django.test import Client

from accounts.models import Project, Role
from jobs.models import Job
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("Answers")


@pytest.fixture
def page(project: Project) -> Client:
    client = Client()
    client.force_login(make_member(project, Role.RESEARCHER))
    return client


def test_a_session_with_a_nul_is_refused_and_never_looked_up() -> None:
    response = Client().get("/", headers={"cookie": r'sessionid="abcdefghijklmnop\000"'})
    assert response.status_code == 400
    assert "This could not be read" in response.text


@pytest.mark.parametrize("address", ["/p/answers/instances/?state=%00", "/login/?%00=1"])
def test_a_query_with_a_nul_is_refused(page: Client, address: str) -> None:
    assert page.get(address).status_code == 400


def test_the_api_says_so_as_a_problem(page: Client) -> None:
    response = page.get("/api/v1/projects/answers/instances/?cursor=%00")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert "NUL" in response.json()["detail"]


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("data/snapshots/", {"name": "a\0b"}),
        ("data/snapshots/", {"scope": "\0"}),
        ("runs/start/", {"snapshot": "1", "kind": "reward", "name": "\0"}),
        ("label/skip/", {"a\0b": "1"}),
    ],
)
def test_a_form_with_a_nul_is_refused_and_writes_nothing(
    page: Client, route: str, fields: dict[str, str]
) -> None:
    assert page.post(f"/p/answers/{route}", fields).status_code == 400
    assert not Job.objects.exists()


def test_a_form_that_is_not_utf_8_is_refused() -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-16"
    client = Client(enforce_csrf_checks=True)
    assert client.post("/login/", "username=a", content_type=kind).status_code == 400


def test_an_honest_request_passes(page: Client) -> None:
    assert page.get("/p/answers/instances/?state=new").status_code == 200
    assert page.post("/p/answers/data/snapshots/", {"name": "mine"}).status_code == 302


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_json_that_is_nested_too_deeply_is_refused(page: Client, depth: int) -> None:
    url = "/api/v1/projects/answers/runs/"
    response = page.post(url, '{"a":' * depth, content_type="application/json")
    assert response.status_code == 400
    assert "JSON" in response.json()["detail"]


def test_validation_errors_are_told_in_words(page: Client) -> None:
    response = page.post("/api/v1/projects/answers/runs/", {}, content_type="application/json")
    assert response.status_code == 400
    assert "kind: This field is required." in response.json()["detail"]


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("/login/", "testserver", 200),
        ("/login/", "elsewhere.example", 400),
        ("/login", "testserver", 301),
        ("/nothing/", "testserver", 404),
        ("/?x=%00", "testserver", 400),
        ("/static/nothing.css", "testserver", 404),
    ],
)
def test_every_answer_has_the_content_security_policy(address: str, host: str, status: int) -> None:
    response = Client(headers={"host": host}).get(address)
    assert response.status_code == status
    assert "default-src 'none'" in response["Content-Security-Policy"]
