"""Access tokens: what they open, what they do not, and when they end."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access_tokens import MOST_OPEN, make_token
from accounts.authentication import MOST_UNKNOWN
from accounts.models import AccessToken, Membership, Project, Role, Scope, User
from accounts.policies import SCOPES, Action
from annotation.projects.services import create_project
from audit.models import Event
from core.exceptions import Conflict, Forbidden, InvalidInput
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db
ALL = tuple(Scope.values)


@pytest.fixture
def project() -> Project:
    return make_project("opened")


@pytest.fixture
def owner(project: Project) -> User:
    return Membership.objects.get(project=project, role=Role.OWNER).user


def bearer(user: User, *scopes: str, days: int = 30, **fields: Any) -> Client:
    """A client with a fresh token of the user."""
    _row, text = make_token(user=user, name="test", scopes=scopes or ALL, days=days, **fields)
    return Client(headers={"authorization": f"Bearer {text}"})


def me(client: Client) -> Any:
    return client.get("/api/v1/me").json()


def test_a_token_opens_what_its_scopes_name_and_nothing_else(project: Project, owner: User) -> None:
    reads = bearer(owner, "read")
    jobs, runs = ("/api/v1/projects/opened/jobs/", "/api/v1/projects/opened/runs/")
    assert reads.get(jobs).status_code == reads.get(runs).status_code == 200
    refused = reads.post(runs, {}, content_type="application/json")
    assert (refused.status_code, refused.json()["scopes"]) == (403, ["train"])
    assert bearer(owner, "train").post(runs, {}, content_type="application/json").status_code == 400
    # What starts jobs may watch them; it may look at nothing else.
    trains = bearer(owner, "train")
    assert (trains.get(jobs).status_code, trains.get(runs).status_code) == (200, 403)


def test_who_asks_is_told_with_their_projects_and_token(project: Project, owner: User) -> None:
    make_project("other", owner=owner)
    told = me(bearer(owner, "read", "label"))
    assert (told["username"], told["token"]["scopes"]) == (owner.username, ["read", "label"])
    assert [(row["slug"], row["role"]) for row in told["projects"]] == [
        ("other", "owner"),
        ("opened", "owner"),
    ]
    assert told["may_create_projects"] is False
    session = Client()
    session.force_login(owner)
    assert (me(session)["token"], me(session)["may_create_projects"]) == (None, True)


def test_a_token_of_one_project_opens_no_other(project: Project, owner: User) -> None:
    make_project("other", owner=owner)
    client = bearer(owner, project=project)
    assert client.get("/api/v1/projects/opened/jobs/").status_code == 200
    assert client.get("/api/v1/projects/other/jobs/").status_code == 404
    assert [row["slug"] for row in me(client)["projects"]] == ["opened"]
    made = client.post("/api/v1/projects/", {"name": "more"}, content_type="application/json")
    assert made.status_code == 403


def test_every_act_of_a_project_needs_a_scope() -> None:
    assert set(SCOPES) == set(Action)
    assert all(scopes and scopes <= set(Scope) for scopes in SCOPES.values())
    # What only looks is never opened by a scope that is meant for writing alone, save jobs.
    looks = {action for action in Action if action.value.startswith("see")} - {Action.SEE_JOBS}
    assert {SCOPES[action] for action in looks} == {frozenset({Scope.READ})}


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer tdm_unknown", "bearer x", "Bearer tdm_" + "x" * 99, "Bearer é"],
)
def test_what_is_no_token_opens_nothing(header: str) -> None:
    answer = Client(headers={"authorization": header}).get("/api/v1/me")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


def test_tokens_end_at_once(project: Project) -> None:
    person = make_member(project, Role.RESEARCHER)
    jobs = "/api/v1/projects/opened/jobs/"
    revoked, expired, removed = (bearer(person) for _ in range(3))
    tokens = AccessToken.objects.order_by("pk")
    AccessToken.objects.filter(pk=tokens[0].pk).update(revoked_at=timezone.now())
    AccessToken.objects.filter(pk=tokens[1].pk).update(expires_at=timezone.now())
    assert revoked.get(jobs).status_code == expired.get(jobs).status_code == 401
    assert removed.get(jobs).status_code == 200
    Membership.objects.filter(user=person).delete()
    assert removed.get(jobs).status_code == 404
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert removed.get(jobs).status_code == 401


def test_only_the_hash_is_kept_and_nothing_tells_the_text_again(owner: User) -> None:
    session = Client()
    session.force_login(owner)
    sent = {"name": "laptop", "scopes": ["read"], "days": 7}
    made = session.post("/api/v1/tokens/", sent, content_type="application/json")
    assert made.status_code == 201
    text = made.json()["token"]
    row = AccessToken.objects.get()
    assert text.startswith(row.prefix)
    assert text not in str(vars(row))
    assert text not in session.get("/api/v1/tokens/").text + str(list(Event.objects.values()))
    assert session.get(f"/api/v1/tokens/{row.pk}/").json()["name"] == "laptop"


def test_making_and_revoking_are_in_the_audit_log(owner: User) -> None:
    client = bearer(owner)
    row = AccessToken.objects.get()
    assert client.delete(f"/api/v1/tokens/{row.pk}/").status_code == 204
    assert client.get("/api/v1/me").status_code == 401
    events = Event.objects.filter(target=f"token {row.pk}").order_by("pk")
    assert [event.action for event in events] == ["token.made", "token.revoked"]


@pytest.mark.parametrize(
    "wish",
    [
        {"scopes": ["read", "train"]},
        {"days": 31},
        {"project": None},
        {"project": "other"},
    ],
)
def test_a_token_makes_no_stronger_one(
    project: Project, owner: User, wish: dict[str, object]
) -> None:
    make_project("other", owner=owner)
    client = bearer(owner, "read", "manage", days=30, project=project)
    weaker = {"name": "x", "scopes": ["read"], "days": 29, "project": "opened"}
    assert (
        client.post("/api/v1/tokens/", weaker, content_type="application/json").status_code == 201
    )
    stronger = client.post("/api/v1/tokens/", weaker | wish, content_type="application/json")
    assert stronger.status_code == 403
    assert AccessToken.objects.count() == 2


def test_a_token_without_the_scope_reaches_no_tokens_but_ends_itself(owner: User) -> None:
    client, other = bearer(owner, "read"), bearer(owner, "read")
    first, second = AccessToken.objects.order_by("pk")
    assert client.get("/api/v1/tokens/").status_code == 403
    assert client.delete(f"/api/v1/tokens/{second.pk}/").status_code == 403
    assert client.delete(f"/api/v1/tokens/{first.pk}/").status_code == 204
    assert (client.get("/api/v1/me").status_code, other.get("/api/v1/me").status_code) == (401, 200)


def test_nobody_reaches_the_tokens_of_others(project: Project, owner: User) -> None:
    bearer(owner)
    row = AccessToken.objects.get()
    other = bearer(make_member(project, Role.ADMIN))
    assert other.get(f"/api/v1/tokens/{row.pk}/").status_code == 404
    assert other.delete(f"/api/v1/tokens/{row.pk}/").status_code == 404


@pytest.mark.parametrize(
    "wish", [{"name": " "}, {"scopes": []}, {"scopes": ["all"]}, {"days": 0}, {"days": 366}]
)
def test_tokens_without_sense_are_refused(owner: User, wish: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"name": "x", "scopes": ["read"], "days": 1} | wish
    with pytest.raises(InvalidInput):
        make_token(user=owner, **fields)


def test_who_takes_part_in_a_study_has_no_tokens() -> None:
    person = User.objects.create_user("participant", password=None)
    with pytest.raises(Forbidden):
        make_token(user=person, name="x", scopes=["label"], days=1)


def test_there_is_an_end_to_tokens(owner: User) -> None:
    AccessToken.objects.bulk_create(
        AccessToken(
            user=owner,
            name="x",
            scopes=["read"],
            token_hash=str(number),
            prefix="tdm_x",
            expires_at=timezone.now() + timedelta(days=1),
        )
        for number in range(MOST_OPEN)
    )
    with pytest.raises(Conflict):
        make_token(user=owner, name="x", scopes=["read"], days=1)


def test_the_last_use_is_written_once_a_minute(owner: User) -> None:
    client = bearer(owner)
    with CaptureQueriesContext(connection) as asked:
        client.get("/api/v1/me")
        client.get("/api/v1/me")
    assert len([each for each in asked if each["sql"].startswith("UPDATE")]) == 1
    assert AccessToken.objects.get().last_used_at is not None


def test_guessing_is_slowed_down_and_good_tokens_come_in_all_the_same(owner: User) -> None:
    good = bearer(owner)
    guess = Client(headers={"authorization": "Bearer tdm_guess"})
    codes = [guess.get("/api/v1/me").status_code for _ in range(MOST_UNKNOWN + 1)]
    assert (codes[0], codes[-2], codes[-1]) == (401, 401, 429)
    assert int(guess.get("/api/v1/me")["Retry-After"]) > 0
    assert good.get("/api/v1/me").status_code == 200


def test_a_token_is_no_way_into_the_pages(owner: User) -> None:
    assert bearer(owner).get("/").status_code == 302


def test_no_token_is_logged(owner: User, capfd: pytest.CaptureFixture[str]) -> None:
    create_project(name="logged", owner=owner)
    _row, text = make_token(user=owner, name="x", scopes=["read"], days=1)
    Client(headers={"authorization": f"Bearer {text}"}).get("/api/v1/projects/logged/jobs/")
    Client(headers={"authorization": f"Bearer {text}x"}).get("/api/v1/projects/logged/jobs/")
    said = capfd.readouterr()
    assert text not in said.out + said.err
