"""What a person sets for themselves, and what is refused."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.preferences import Preferences, preferences_of, set_preferences
from core.exceptions import InvalidInput
from frontend.keys import ACTS, bindings, changed_keys
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PLAIN = {"text": "large", "layout": "boxes", "theme": "dark"}


def logged_in() -> tuple[Client, int]:
    user, client = make_user(), Client()
    client.force_login(user)
    return client, user.pk


def test_what_is_saved_is_on_every_page() -> None:
    client, _ = logged_in()
    assert client.post(reverse("preferences"), PLAIN).status_code == 302
    page = client.get(reverse("home")).content.decode()
    assert 'data-theme="dark"' in page
    assert 'data-text="large"' in page
    assert 'data-layout="boxes"' in page


def test_a_key_of_ones_own_is_kept_and_the_others_stay() -> None:
    user = make_user()
    client = Client()
    client.force_login(user)
    client.post(reverse("preferences"), PLAIN | {"key-submit": "m"})
    user.refresh_from_db()
    assert user.preferences["keys"] == {"submit": "m"}
    assert bindings(preferences_of(user).keys)["submit"] == "m"
    assert bindings(preferences_of(user).keys)["undo"] == "Backspace"
    client.post(reverse("preferences"), PLAIN | {"reset": "1"})
    user.refresh_from_db()
    assert user.preferences["keys"] == {}


def test_one_key_for_two_acts_is_refused_and_nothing_is_stored() -> None:
    user = make_user()
    client = Client()
    client.force_login(user)
    reply = client.post(reverse("preferences"), PLAIN | {"key-submit": "x"})
    assert reply.status_code == 422
    assert "two things" in reply.content.decode()
    user.refresh_from_db()
    assert user.preferences == {}


@pytest.mark.parametrize("key", ["1", "Tab", "", "Escape", "ab", "<script>"])
def test_a_reserved_or_impossible_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        changed_keys({"submit": key})


def test_the_usual_keys_differ_from_each_other() -> None:
    assert changed_keys({act.name: act.key for act in ACTS}) == {}


@pytest.mark.parametrize(
    "changes", [{"text": "huge"}, {"sync": "yes"}, {"colour": "red"}, {"keys": {"submit": 3}}]
)
def test_an_unknown_setting_is_refused(changes: dict[str, object]) -> None:
    user = make_user()
    with pytest.raises(InvalidInput):
        set_preferences(user=user, changes=changes)


def test_settings_of_other_parts_stay_and_garbage_is_passed_over() -> None:
    user = make_user()
    user.preferences = {"leaderboard": True, "text": 7, "keys": "q"}
    user.save()
    assert preferences_of(user) == Preferences()
    set_preferences(user=user, changes={"sync": False})
    user.refresh_from_db()
    assert user.preferences == {"leaderboard": True, "text": 7, "keys": "q", "sync": False}
