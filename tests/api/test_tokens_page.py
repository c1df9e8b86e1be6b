"""The page of access tokens: made, shown once, revoked."""

import re

import pytest
from django.test import Client

from accounts.models import AccessToken, User
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user("maker")


@pytest.fixture
def page(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_new_token_is_shown_once_and_opens_the_interface(page: Client, user: User) -> None:
    make_project("mine", owner=user)
    sent = {"name": "My laptop", "scopes": ["read", "import"], "days": "7", "project": "mine"}
    made = page.post("/tokens/", sent)
    [text] = set(re.findall(r"tdm_[\w-]{43}", made.text))
    assert "no-store" in made["Cache-Control"]
    assert text not in page.get("/tokens/").text
    client = Client(headers={"authorization": f"Bearer {text}"})
    assert client.get("/api/v1/me").json()["token"]["scopes"] == ["read", "import"]
    row = AccessToken.objects.get()
    assert page.post(f"/tokens/{row.pk}/revoke/").status_code == 302
    assert client.get("/api/v1/me").status_code == 401
    assert "revoked" in page.get("/tokens/").text


def test_what_was_entered_stays_where_it_is_refused(page: Client) -> None:
    make_project("theirs")
    sent = {"name": "My <b>laptop", "scopes": ["train"], "days": "400", "project": "theirs"}
    refused = page.post("/tokens/", sent)
    assert refused.status_code == 422
    assert 'value="My &lt;b&gt;laptop"' in refused.text
    assert re.search(r'value="train"\s+checked', refused.text)
    assert not AccessToken.objects.exists()


def test_who_takes_part_in_a_study_is_told_why_there_are_none() -> None:
    client = Client()
    client.force_login(User.objects.create_user("participant", password=None))
    assert "takes part in a study" in client.get("/tokens/").text
    assert client.post("/tokens/", {"name": "x", "scopes": "read"}).status_code == 403
