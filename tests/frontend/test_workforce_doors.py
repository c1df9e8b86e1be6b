"""The doors as a browser meets them: login, invitation, study, and what leaks of their secrets."""

import logging
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Invitation, Membership, Project, Role, User
from annotation.labels.services import Answer, submit
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from annotation.workforce.models import Participation, Study
from annotation.workforce.services import invite
from annotation.workforce.studies import create_study, set_state
from frontend.views import join as doors
from tests.factories import make_instance, make_project, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
IDS = {"PROLIFIC_PID": "5f1a", "STUDY_ID": "S1", "SESSION_ID": "x1"}


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    project = make_project(owner=owner)
    items = [AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(4)]
    assign(project=project, items=items)
    return project


@pytest.fixture
def token(project: Project, owner: User) -> str:
    return invite(
        project=project, actor=owner, role=Role.ANNOTATOR, seats=2, valid_for=timedelta(days=1)
    )[1]


@pytest.fixture
def study(project: Project, owner: User) -> tuple[Study, str]:
    study, token = create_study(
        project=project,
        actor=owner,
        name="Answers",
        labels=1,
        places=2,
        completion_code="DONE123",
        screen_out_code="NOPE",
    )
    return set_state(study=study, state="open", actor=owner), token


def open_link(client: Client, token: str) -> str:
    """Follow an invitation link; the page it leads to."""
    response = client.get(reverse("join"), {"t": token})
    assert response.status_code == 302
    assert response["Location"] == reverse("join")
    assert response["Referrer-Policy"] == "no-referrer"
    return client.get(response["Location"]).content.decode()


def test_a_stranger_makes_an_account_and_is_in(token: str, project: Project) -> None:
    client = Client()
    page = open_link(client, token)
    assert project.name in page
    response = client.post(reverse("join-accept"), {"username": "newcomer", "password": PASSWORD})
    assert response["Location"] == reverse("label", args=[project.slug])
    assert client.get(response["Location"]).status_code == 200
    assert Membership.objects.get(user__username="newcomer").role == Role.ANNOTATOR


def test_a_bad_password_keeps_the_name_and_says_why(token: str) -> None:
    client = Client()
    open_link(client, token)
    response = client.post(reverse("join-accept"), {"username": "newcomer", "password": "abc"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "too short" in page
    assert 'value="newcomer"' in page
    assert "abc" not in re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
    assert not User.objects.filter(username="newcomer").exists()


def test_who_is_logged_in_joins_with_one_click(token: str, project: Project) -> None:
    client, user = Client(), make_user("bob")
    client.force_login(user)
    assert "Join as bob" in open_link(client, token)
    client.post(reverse("join-accept"))
    assert Membership.objects.filter(project=project, user=user).exists()
    assert client.post(reverse("join-accept")).status_code == 404


def test_the_way_through_the_login_page_keeps_the_invitation(token: str, project: Project) -> None:
    client, user = Client(), make_user("bob")
    assert reverse("login") + "?next=/join/" in open_link(client, token)
    user.set_password(PASSWORD)
    user.save()
    response = client.post(
        reverse("login") + "?next=/join/", {"username": "bob", "password": PASSWORD}
    )
    assert response["Location"] == reverse("join")
    assert "Join as bob" in client.get(reverse("join")).content.decode()


@pytest.mark.parametrize("change", ["revoked", "used up", "expired"])
def test_a_closed_link_says_what_to_do(token: str, change: str) -> None:
    row = Invitation.objects.get()
    if change == "used up":
        row.used = row.seats
    elif change == "expired":
        row.expires_at -= timedelta(days=2)
    else:
        row.revoked_at = row.created_at
    row.save()
    client = Client()
    client.get(reverse("join"), {"t": token})
    response = client.get(reverse("join"))
    assert response.status_code == 410
    assert "new link" in response.content.decode()
    assert client.post(reverse("join-accept")).status_code == 410


def test_no_secret_is_in_an_address_or_a_log(
    token: str, study: tuple[Study, str], caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.INFO)
    client = Client()
    page = open_link(client, token)
    Invitation.objects.update(seats=1, used=1)
    client.get(reverse("join"))
    client.get(reverse("join"), {"t": token[:-1]})
    client.get(reverse("join"))
    entered = client.get(reverse("study-entry"), {"k": study[1], **IDS})
    client.get(reverse("study-entry"), {"k": study[1][:-1], **IDS})
    client.get(reverse("study-entry"), {"k": study[1]})
    assert urlsplit(entered["Location"]).query == ""
    said = caplog.text + "".join(capfd.readouterr())
    for secret in (token[:-1], study[1][:-1]):
        assert secret not in said
        assert secret not in page


def enter(client: Client, token: str, **ids: str) -> Any:
    client.get(reverse("study-entry"), {"k": token, **IDS, **ids})
    return client.post(reverse("study-enter"), {"agree": "yes"})


def return_code(client: Client) -> str:
    page = client.get(reverse("study-ready")).content.decode()
    found = re.search(r"[A-Z0-9]{4}(-[A-Z0-9]{4}){3}", page)
    assert found
    return found[0]


def test_the_way_through_a_study(study: tuple[Study, str], project: Project) -> None:
    client = Client()
    response = client.get(reverse("study-entry"), {"k": study[1], **IDS})
    assert response["Referrer-Policy"] == "no-referrer"
    welcome = client.get(response["Location"]).content.decode()
    assert "I agree" in welcome
    assert not Participation.objects.exists()
    assert client.post(reverse("study-enter")).status_code == 409
    assert client.post(reverse("study-enter"), {"agree": "yes"})["Location"] == "/s/ready/"
    assert return_code(client)
    assert "shown before" in client.get(reverse("study-ready")).content.decode()
    client.get(reverse("label", args=[project.slug]))
    page = client.get(reverse("study-finish")).content.decode()
    assert "0 of 1" in page
    assert "DONE123" not in page
    early = client.post(reverse("study-complete"))
    assert early.status_code == 409
    assert "DONE123" not in early.content.decode()
    label_one(Participation.objects.get())
    assert "DONE123" not in client.get(reverse("study-finish")).content.decode()
    client.post(reverse("study-complete"))
    page = client.get(reverse("study-finish")).content.decode()
    assert "https://app.prolific.com/submissions/complete?cc=DONE123" in page
    assert client.get(reverse("label", args=[project.slug])).status_code == 404


def label_one(mine: Participation) -> None:
    slot = claim(project=mine.study.project, annotator=mine.annotator, resume=True)
    assert slot is not None
    submit(
        slot_key=slot.key,
        annotator=mine.annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [1, 2])],
    )


def test_who_does_not_agree_leaves_no_trace(study: tuple[Study, str]) -> None:
    client = Client()
    client.get(reverse("study-entry"), {"k": study[1], **IDS})
    page = client.post(reverse("study-enter"), {"agree": "no"}).content.decode()
    assert "cc=NOPE" in page
    assert "DONE123" not in page
    assert not Participation.objects.exists()
    assert User.objects.count() == 1


def test_a_stop_frees_what_one_holds(study: tuple[Study, str], project: Project) -> None:
    client = Client()
    enter(client, study[1])
    client.get(reverse("label", args=[project.slug]))
    assert Slot.objects.filter(state=SlotState.LEASED).exists()
    client.post(reverse("study-stop"))
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()
    page = client.get(reverse("study-finish")).content.decode()
    assert "returned" in page
    assert "DONE123" not in page
    assert client.get(reverse("label", args=[project.slug])).status_code == 404


def test_the_same_browser_goes_on_and_another_needs_the_code(study: tuple[Study, str]) -> None:
    home, elsewhere = Client(), Client()
    enter(home, study[1])
    code = return_code(home)
    assert enter(home, study[1])["Location"].endswith("/label/")
    elsewhere.get(reverse("study-entry"), {"k": study[1], **IDS})
    page = elsewhere.get(reverse("study-welcome")).content.decode()
    assert "return code" in page
    assert elsewhere.post(reverse("study-enter"), {"agree": "yes"}).status_code == 403
    assert not elsewhere.session.get("_auth_user_id")
    back = elsewhere.post(reverse("study-enter"), {"code": code})
    assert back["Location"] == "/s/ready/"
    assert return_code(elsewhere) != code
    third = Client()
    third.get(reverse("study-entry"), {"k": study[1], **IDS})
    assert third.post(reverse("study-enter"), {"code": code}).status_code == 403
    assert Participation.objects.count() == 1


def test_guessing_return_codes_is_slowed(study: tuple[Study, str]) -> None:
    enter(Client(), study[1])
    thief = Client()
    thief.get(reverse("study-entry"), {"k": study[1], **IDS})
    outcomes = [
        thief.post(reverse("study-enter"), {"code": f"AAAA-{n}"}).status_code for n in range(12)
    ]
    assert outcomes == [403] * 10 + [429] * 2


def test_a_changed_id_in_the_same_browser_is_refused(study: tuple[Study, str]) -> None:
    client = Client()
    enter(client, study[1])
    assert enter(client, study[1], PROLIFIC_PID="other").status_code == 409
    assert Participation.objects.count() == 1


def test_an_ordinary_account_stays_what_it_is(study: tuple[Study, str], owner: User) -> None:
    client = Client()
    client.force_login(owner)
    assert enter(client, study[1]).status_code == 409
    assert client.session["_auth_user_id"] == str(owner.pk)
    assert not Participation.objects.exists()
    assert client.get(reverse("study-finish")).status_code == 404


def test_a_second_study_in_the_same_browser_is_another_account(
    study: tuple[Study, str], project: Project, owner: User
) -> None:
    client = Client()
    enter(client, study[1])
    first = client.session["_auth_user_id"]
    second, token = create_study(
        project=project, actor=owner, name="B", labels=1, places=1, completion_code="B"
    )
    set_state(study=second, state="open", actor=owner)
    assert enter(client, token)["Location"] == "/s/ready/"
    assert client.session["_auth_user_id"] != first
    assert Participation.objects.count() == 2


@pytest.mark.parametrize("missing", ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "k"])
def test_a_link_without_a_part(study: tuple[Study, str], missing: str) -> None:
    query = {"k": study[1], **IDS}
    del query[missing]
    response = Client().get(reverse("study-entry"), query)
    assert response.status_code == (404 if missing == "k" else 422)


def test_a_full_or_closed_study_says_so(study: tuple[Study, str], owner: User) -> None:
    for number in range(2):
        enter(Client(), study[1], PROLIFIC_PID=f"p{number}")
    late = Client()
    assert enter(late, study[1], PROLIFIC_PID="late").status_code == 410
    assert "places" in late.get(reverse("study-welcome")).content.decode()
    set_state(study=study[0], state="closed", actor=owner)
    assert Client().get(reverse("study-welcome")).status_code == 404


def test_entries_are_counted_by_address(study: tuple[Study, str]) -> None:
    outcomes = [
        Client().get(reverse("study-entry"), {"k": study[1], **IDS}).status_code for _ in range(61)
    ]
    assert outcomes == [302] * 60 + [429]
    other = Client(REMOTE_ADDR="192.0.2.9")
    assert other.get(reverse("study-entry"), {"k": study[1], **IDS}).status_code == 302


def log_in(client: Client, name: str, password: str) -> Any:
    return client.post(reverse("login"), {"username": name, "password": password})


def test_wrong_passwords_are_slowed_and_the_right_one_too() -> None:
    make_user("bob")
    client = Client()
    for _ in range(doors.MOST_PER_NAME):
        assert log_in(client, "bob", "wrong").status_code == 200
    for name, password in (("bob", "wrong"), ("BOB", "secret")):
        refused = log_in(client, name, password)
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) > 0
        assert "Too many attempts" in refused.content.decode()
    assert log_in(client, "alice", "wrong").status_code == 200
    assert log_in(Client(REMOTE_ADDR="192.0.2.9"), "bob", "secret").status_code == 302


def test_those_who_log_in_rightly_are_not_counted() -> None:
    make_user("bob")
    for _ in range(doors.MOST_PER_NAME + 5):
        assert log_in(Client(), "bob", "secret").status_code == 302


def test_many_names_from_one_address_are_slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_PER_ADDRESS", 5)
    outcomes = [log_in(Client(), f"name{n}", "x").status_code for n in range(7)]
    assert outcomes == [200] * 5 + [429] * 2


def test_a_forged_forwarded_for_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(doors, "MOST_PER_ADDRESS", 2)

    def attempts(header: Callable[[int], str]) -> list[int]:
        return [
            Client()
            .post(
                reverse("login"),
                {"username": f"n{n}", "password": "x"},
                headers={"X-Forwarded-For": header(n)},
            )
            .status_code
            for n in range(3)
        ]

    assert attempts(lambda n: f"198.51.100.{n}") == [200, 200, 429]
    settings.TRUSTED_PROXIES = 1
    assert attempts(lambda n: f"198.51.100.{n}, 203.0.113.7") == [200, 200, 429]
    assert attempts(lambda n: f"203.0.113.7, 198.51.100.{n}") == [200, 200, 200]
    assert attempts(lambda n: f"2001:db8:1:2::{n}") == [200, 200, 429]


def test_the_link_for_prolific_is_shown_once(project: Project, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    response = client.post(
        reverse("study-create", args=[project.slug]),
        {
            "name": "Answers",
            "labels": "2",
            "places": "3",
            "reward": "1.50",
            "currency": "eur",
            "completion_code": "C1",
        },
    )
    page = client.get(response["Location"]).content.decode()
    found = re.search(r'value="(http[^"]+)"', page)
    assert found
    query = parse_qs(urlsplit(found[1].replace("&amp;", "&")).query)
    assert set(query) == {"k", "PROLIFIC_PID", "STUDY_ID", "SESSION_ID"}
    assert query["PROLIFIC_PID"] == ["{{%PROLIFIC_PID%}}"]
    assert query["k"][0] not in client.get(response["Location"]).content.decode()
    assert Study.objects.get().reward_micros == 1_500_000
