"""What a token, a key or a stored answer must not open."""

import json
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from accounts.access_tokens import make_token, revoke_token
from accounts.models import KeptAnswer, Membership, Project, Role, Scope, User
from accounts.services import add_member
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
ALL = tuple(Scope.values)
WISH = {"name": "child", "scopes": ["read", "manage"], "days": 1}
HOOK = {"url": "https://example.org/hook", "events": ["run.finished"]}
HOOKS = "/api/v1/projects/reached/webhooks/"


@pytest.fixture
def owner() -> User:
    return make_user("owner")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project("reached", owner=owner)


def bearer(user: User, *scopes: str, days: int = 30, **fields: Any) -> Client:
    _row, text = make_token(user=user, name="test", scopes=scopes or ALL, days=days, **fields)
    return Client(headers={"authorization": f"Bearer {text}"})


def send(client: Client, url: str, body: object, key: str = "k") -> Any:
    headers = {"idempotency-key": key}
    return client.post(url, json.dumps(body), content_type="application/json", headers=headers)


def test_no_stored_answer_holds_a_secret_in_the_clear(owner: User, project: Project) -> None:
    client = bearer(owner)
    told = [
        send(client, "/api/v1/tokens/", WISH, "a").json()["token"],
        send(client, HOOKS, HOOK, "b").json()["secret"],
    ]
    kept = b"".join(bytes(row.body) for row in KeptAnswer.objects.all())
    assert len(kept) > 100
    assert not [secret for secret in told if secret.encode() in kept]
    assert send(client, "/api/v1/tokens/", WISH, "a").json()["token"] == told[0]


def test_another_token_does_not_get_the_answer_that_one_got(owner: User, project: Project) -> None:
    first = send(bearer(owner), "/api/v1/tokens/", WISH)
    for weaker in (bearer(owner, "read"), bearer(owner, project=project, days=2)):
        again = send(weaker, "/api/v1/tokens/", WISH)
        assert again.status_code == 422
        assert first.json()["token"] not in again.content.decode()


def test_who_lost_a_role_does_not_get_the_answer_again(project: Project) -> None:
    admin = make_user("admin")
    add_member(project=project, user=admin, role=Role.ADMIN)
    client = bearer(admin)
    secret = send(client, HOOKS, HOOK).json()["secret"]
    mine = Membership.objects.filter(project=project, user=admin)
    mine.update(role=Role.ANNOTATOR)
    for _ in range(2):
        again = send(client, HOOKS, HOOK)
        assert again.status_code in (403, 422)
        assert secret not in again.content.decode()
        mine.delete()


def test_a_revoked_token_gets_no_answer_again(owner: User, project: Project) -> None:
    row, text = make_token(user=owner, name="x", scopes=ALL, days=5)
    client = Client(headers={"authorization": f"Bearer {text}"})
    assert send(client, HOOKS, HOOK).status_code == 201
    revoke_token(token=row, actor=owner)
    assert send(client, HOOKS, HOOK).status_code == 401


def test_new_tokens_are_no_way_round_the_limit(owner: User, settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    codes = [bearer(owner).get("/api/v1/me").status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    # Nobody else pays for it.
    assert bearer(make_user("other")).get("/api/v1/me").status_code == 200
