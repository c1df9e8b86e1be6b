"""Connections and new judges by their forms; a key that goes in comes out on no page."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.judges.connections import create_connection
from annotation.judges.models import Connection, Judge, Prompt
from annotation.judges.services import create_judge
from annotation.judges.verifier.sandbox import Availability
from core.secrets import decrypt
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options
from tests.factories import make_member, make_project, make_user

from .test_permissions import COLUMNS, ROWS, address
from .world import World

pytestmark = pytest.mark.django_db
KEY = "sk-knownkey-4711"
HTMX = {"HX-Request": "true"}
BASE = "/p/linked/judges/connections/"


@pytest.fixture
def project() -> Project:
    return make_project("linked", owner=make_user("chief"), slug="linked")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def form(**fields: str) -> dict[str, str]:
    return {
        "name": "one",
        "provider": "openai-compatible",
        "base_url": "https://models.example/v1",
        "key": KEY,
        "concurrency": "32",
    } | fields


def connected(project: Project, **values: Any) -> Connection:
    given = {"name": "one", "provider": "openai-compatible", "key": KEY}
    given |= {"base_url": "https://models.example/v1"} | values
    return create_connection(project=project, actor=make_user(), **given)


def test_a_connection_is_made_and_leads_to_its_judge(chief: Client, project: Project) -> None:
    filled = chief.get(f"{BASE}new/?host=Anthropic").content.decode()
    assert 'value="https://api.anthropic.com/v1"' in filled
    assert 'type="password"' in filled
    response = chief.post(f"{BASE}new/", form())
    made = project.connections.get()
    assert response["Location"] == f"/p/linked/judges/new/?connection={made.pk}"
    assert (made.concurrency, made.timeout_seconds, decrypt(made.secret)) == (32, 120, KEY)


def test_a_refused_form_keeps_everything_but_the_key(chief: Client, project: Project) -> None:
    response = chief.post(f"{BASE}new/", form(base_url="https://10.0.0.1/v1"))
    shown = response.content.decode()
    assert response.status_code == 422
    assert 'value="https://10.0.0.1/v1"' in shown
    assert KEY not in shown
    assert not project.connections.exists()


@pytest.mark.parametrize("field", ["concurrency", "requests_per_minute", "attempts"])
def test_a_number_that_is_none_is_refused(chief: Client, project: Project, field: str) -> None:
    assert chief.post(f"{BASE}new/", form(**{field: "many"})).status_code == 422
    assert not project.connections.exists()


def test_a_key_stays_is_replaced_or_forgotten(chief: Client, project: Project) -> None:
    made = connected(project)
    shown = chief.get(f"{BASE}{made.pk}/").content.decode()
    assert "A key is set and is never shown." in shown
    chief.post(f"{BASE}{made.pk}/", form(key="", name="renamed"))
    made.refresh_from_db()
    assert (made.name, decrypt(made.secret)) == ("renamed", KEY)
    chief.post(f"{BASE}{made.pk}/", form(key="sk-other"))
    made.refresh_from_db()
    assert decrypt(made.secret) == "sk-other"
    chief.post(f"{BASE}{made.pk}/", form(key="", forget="on"))
    made.refresh_from_db()
    assert made.secret == ""


def test_a_key_goes_to_no_other_server(chief: Client, project: Project) -> None:
    made = connected(project)
    response = chief.post(f"{BASE}{made.pk}/", form(key="", base_url="https://evil.example/v1"))
    assert response.status_code == 422
    made.refresh_from_db()
    assert made.base_url == "https://models.example/v1"


def test_a_connection_in_use_stays(chief: Client, project: Project) -> None:
    made = connected(project)
    judge = create_judge(project=project, name="critic", model="m", connection=made)
    response = chief.post(f"{BASE}{made.pk}/delete/")
    assert response.status_code == 409
    assert "critic" in response.content.decode()
    judge.annotator.delete()
    judge.delete()
    assert chief.post(f"{BASE}{made.pk}/delete/").status_code == 302
    assert not project.connections.exists()


def test_trying_a_connection_answers_inline(chief: Client, project: Project) -> None:
    with endpoint(Options(keys=(KEY,))) as server:
        good = connected(project, base_url=server.openai)
        bad = connected(project, base_url=server.openai, name="two", key="sk-wrong-0815")
        path = f"{BASE}{good.pk}/test/"
        works = chief.post(path, {"model": "m"}, headers=HTMX).content.decode()
        plain = chief.post(path, {"model": "m"}).content.decode()
        path = f"{BASE}{bad.pk}/test/"
        fails = chief.post(path, {"model": "m"}, headers=HTMX).content.decode()
    assert "<html" not in works
    assert "Works: m answered" in works
    assert "<html" in plain
    assert "Works: m answered" in plain
    assert "say bad" in fails
    assert "sk-wrong-0815" not in fails
    unnamed = chief.post(f"{BASE}{good.pk}/test/", headers=HTMX).content.decode()
    assert "Name the model" in unnamed


def test_a_key_is_on_no_page_and_in_no_fragment(ours: World, client: Client) -> None:
    """Every page of the matrix, for the owner, whole and as a fragment."""
    actor = ours.people["owner"]
    made = create_connection(project=ours.project, actor=actor, **form(concurrency=4))  # type: ignore[arg-type]
    Judge.objects.filter(pk=ours.ids["judge_id"]).update(connection=made)
    client.force_login(actor)
    seen = 0
    for route, method, *cells in ROWS:
        if method != "GET" or cells[COLUMNS.index("owner")] != "yes":
            continue
        path = address(route, ours, connection_id=made.pk)
        query = f"?connection={made.pk}" if route == "judge-new" else ""
        for headers in ({}, HTMX):
            response = client.get(path + query, headers=headers)
            body = b"" if response.streaming else response.content
            assert KEY.encode() not in body, route
            assert made.secret.encode() not in body, route
            assert KEY not in str(response.headers), route
            seen += 1
    assert seen > 100


def test_a_judge_at_a_connection(chief: Client, project: Project) -> None:
    made = connected(project)
    prompt = Prompt.objects.create(project=project, name="strict", version=3)
    path = f"/p/linked/judges/new/?connection={made.pk}"
    assert "strict v3" in chief.get(path).content.decode()
    sent = {
        "name": "critic",
        "model": "gpt-x",
        "prompt": str(prompt.pk),
        "temperature": "0,5",
        "max_tokens": "300",
        "price_per_1k_input_micros": "0.0025",
        "price_per_1k_output_micros": "0.01",
    }
    response = chief.post(path, sent)
    judge = project.judges.get()
    assert response["Location"] == f"/p/linked/judges/{judge.pk}/"
    assert (judge.connection, judge.prompt, judge.model) == (made, prompt, "gpt-x")
    assert judge.parameters == {"temperature": 0.5, "max_tokens": 300}
    assert (judge.price_known, judge.price_per_1k_input_micros) == (True, 2_500)


def test_prices_left_empty_are_unknown_and_zero_is_a_price(chief: Client, project: Project) -> None:
    path = f"/p/linked/judges/new/?connection={connected(project).pk}"
    chief.post(path, {"name": "dear", "model": "m", "prompt": "reasoned"})
    chief.post(
        path, {"name": "free", "model": "m", "prompt": "token", "price_per_call_micros": "0"}
    )
    found = {judge.name: judge for judge in project.judges.all()}
    assert not found["dear"].price_known
    assert found["free"].price_known
    assert found["dear"].parameters == {"mode": "reasoned"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"model": ""},
        {"prompt": "999999"},
        {"prompt": "x"},
        {"temperature": "warm"},
        {"price_per_call_micros": "-1"},
        {"rankings": "2.5"},
    ],
)
def test_a_form_that_makes_no_sense_makes_no_judge(
    chief: Client, project: Project, fields: dict[str, str]
) -> None:
    path = f"/p/linked/judges/new/?connection={connected(project).pk}"
    sent = {"name": "critic", "model": "m", "prompt": "token"} | fields
    response = chief.post(path, sent)
    assert response.status_code in (404, 422)
    assert 'role="alert"' in response.content.decode()
    assert not project.judges.exists()


def test_a_connection_of_another_project_is_not_found(chief: Client, project: Project) -> None:
    theirs = connected(make_project())
    for raw in (theirs.pk, "9" * 30, "x"):
        assert chief.get(f"/p/linked/judges/new/?connection={raw}").status_code == 404


@pytest.mark.parametrize("source", ["local-model", "reward-model", "verifier"])
def test_what_runs_here_needs_no_connection(chief: Client, project: Project, source: str) -> None:
    path = f"/p/linked/judges/new/?source={source}"
    assert chief.get(path).status_code == 200
    model = {"local-model": "tiny", "reward-model": "v1", "verifier": "exact"}[source]
    fields = {"name": source, "model": model, "prompt": "token", "price_per_call_micros": "0"}
    assert chief.post(path, fields).status_code == 302
    judge = project.judges.get()
    assert (judge.provider, judge.connection, judge.model) == (source, None, model)


def test_a_check_says_why_it_would_not_run(
    chief: Client, project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/p/linked/judges/new/?source=verifier"
    settings.VERIFIERS = False
    assert "VERIFIERS=1" in chief.get(path).content.decode()
    settings.VERIFIERS = True
    none = Availability("", "bubblewrap: not here")
    monkeypatch.setattr("frontend.views.judges_new.available", lambda: none)
    assert "bubblewrap: not here" in chief.get(path).content.decode()


def test_a_researcher_adds_judges_and_sees_no_connection(client: Client, project: Project) -> None:
    client.force_login(make_member(project, Role.RESEARCHER))
    assert "Owners and admins make them" in client.get("/p/linked/judges/new/").content.decode()
    made = connected(project)
    assert client.get(f"{BASE}{made.pk}/").status_code == 403
    path = f"/p/linked/judges/new/?connection={made.pk}"
    assert client.post(path, {"name": "a", "model": "m", "prompt": "token"}).status_code == 302
