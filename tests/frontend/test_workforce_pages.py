"""People, payments and the board as pages: each form does its work, each page says what it must."""

import csv
import io
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, Project, Role, User
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.labels.services import Answer, submit
from annotation.projects.models import Protocol
from annotation.queue.models import Slot, SlotState
from annotation.workforce import payments
from annotation.workforce.models import Earning, Payout
from annotation.workforce.studies import create_study, set_state
from tests.factories import make_instance, make_member, make_project, make_slot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner=owner)


@pytest.fixture
def bob(project: Project) -> Membership:
    return Membership.objects.get(user=make_member(project, username="bob"))


@pytest.fixture
def page(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def label(member: Membership) -> Annotator:
    annotator = annotator_for(project=member.project, user=member.user)
    then = timezone.now() - timedelta(minutes=5)
    slot = make_slot(make_instance(member.project), annotator, leased_at=then)
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [1, 2])],
        seconds=30,
    )
    return annotator


def text(client: Client, route: str, *args: object) -> str:
    response = client.get(reverse(route, args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_an_invitation_is_shown_once_and_can_be_revoked(page: Client, project: Project) -> None:
    page.post(
        reverse("invitation-create", args=[project.slug]),
        {"role": "reviewer", "seats": "3", "days": "2", "cohort": "students"},
    )
    first = text(page, "people", project.slug)
    found = re.search(r"/join/\?t=([\w-]{43})", first)
    assert found
    assert found[1] not in text(page, "people", project.slug)
    row = project.invitations.get()
    assert (row.role, row.seats, row.cohort) == ("reviewer", 3, "students")
    page.post(reverse("invitation-revoke", args=[project.slug, row.pk]))
    row.refresh_from_db()
    assert row.state == "revoked"


@pytest.mark.parametrize(
    "form",
    [
        {"role": "king"},
        {"role": "owner"},
        {"role": "annotator", "seats": "many"},
        {"role": "annotator", "days": "-1"},
        {"role": "annotator", "seats": "0"},
    ],
)
def test_a_bad_invitation_is_refused(page: Client, project: Project, form: dict[str, str]) -> None:
    assert page.post(reverse("invitation-create", args=[project.slug]), form).status_code == 422
    assert not project.invitations.exists()


def test_a_person_is_changed_released_and_removed(
    page: Client, project: Project, bob: Membership
) -> None:
    annotator = label(bob)
    make_slot(make_instance(project), annotator)
    where = [project.slug, bob.pk]
    page.post(reverse("person-role", args=where), {"role": "reviewer"})
    page.post(
        reverse("person-work", args=where),
        {"cohort": "experts", "qualifications": "lang:de, expert", "quota": "9"},
    )
    annotator.refresh_from_db()
    bob.refresh_from_db()
    assert (bob.role, annotator.cohort, annotator.quota) == ("reviewer", "experts", 9)
    assert annotator.qualifications == ["expert", "lang:de"]
    shown = text(page, "person", *where)
    assert "lang:de" in shown
    page.post(reverse("person-release", args=where))
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()
    assert page.post(reverse("person-remove", args=where)).status_code == 422
    page.post(reverse("person-remove", args=where), {"sure": "on"})
    assert not Membership.objects.filter(pk=bob.pk).exists()
    assert annotator.annotations.count() == 1


def test_a_reviewer_looks_and_finds_no_form(project: Project, bob: Membership) -> None:
    client = Client()
    client.force_login(make_member(project, Role.REVIEWER))
    for route, args in (("people", [project.slug]), ("person", [project.slug, bob.pk])):
        shown = text(client, route, *args)
        posts = set(re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', shown))
        assert all(address.startswith(("/logout", "/language", "/i18n")) for address in posts)
        assert reverse("payments", args=[project.slug]) not in shown


def test_the_list_takes_as_many_queries_for_many_as_for_few(
    page: Client,
    project: Project,
    bob: Membership,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[None]],
) -> None:
    label(bob)
    for _ in range(12):
        make_member(project)
    with django_assert_max_num_queries(14):
        shown = text(page, "people", project.slug)
    assert shown.count("<tr") >= 14


def test_a_name_is_text_wherever_it_is_shown(page: Client, project: Project) -> None:
    evil = make_user("<img src=x onerror=alert(1)>")
    member = Membership.objects.create(project=project, user=evil, role=Role.ANNOTATOR)
    for route, args in (("people", [project.slug]), ("person", [project.slug, member.pk])):
        assert "<img src=x" not in text(page, route, *args)


def test_from_a_rate_to_the_file_for_payroll(
    page: Client, project: Project, bob: Membership
) -> None:
    label(bob)
    page.post(
        reverse("rate-add", args=[project.slug]),
        {"basis": "label", "amount": "0.25", "currency": "eur", "valid_from": "2020-01-01"},
    )
    shown = text(page, "payments", project.slug)
    assert "0.25 EUR" in shown
    key = str(uuid.uuid4())
    bonus = {"amount": "-0,05", "currency": "EUR", "reason": "counted twice", "key": key}
    for _ in range(2):
        page.post(reverse("bonus-add", args=[project.slug, bob.pk]), bonus)
    page.post(reverse("payout-approve", args=[project.slug]), {"currency": "EUR"})
    payout = Payout.objects.get()
    page.post(reverse("payout-paid", args=[project.slug, payout.pk]), {"reference": "=B7"})
    response = page.get(reverse("payout-csv", args=[project.slug, payout.pk]))
    assert response["Content-Type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert (row["account"], row["labels"], row["amount"]) == ("bob", "1", "0.20")
    assert row["reference"] == "'=B7"


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "much"},
        {"amount": "NaN"},
        {"amount": "0.0000001"},
        {"amount": "-1"},
        {"valid_from": "tomorrow"},
        {"currency": "€"},
        {"basis": "day"},
        {"most_seconds": "0"},
    ],
)
def test_a_bad_rate_is_refused(page: Client, project: Project, change: dict[str, str]) -> None:
    form = {"basis": "label", "amount": "1", "currency": "EUR", "valid_from": "2020-01-01"}
    response = page.post(reverse("rate-add", args=[project.slug]), form | change)
    assert response.status_code == 422
    assert not project.rates.exists()


def test_people_see_their_own_earnings_and_nobody_elses(
    project: Project, owner: User, bob: Membership
) -> None:
    for member, reason in ((bob, "for bob"), (Membership.objects.get(user=owner), "for alice")):
        payments.add_bonus(
            annotator=annotator_for(project=project, user=member.user),
            actor=owner,
            micros=2_000_000,
            currency="EUR",
            reason=reason,
        )
    client = Client()
    client.force_login(bob.user)
    shown = text(client, "earnings", project.slug)
    assert "for bob" in shown
    assert "for alice" not in shown
    assert Earning.objects.count() == 2


def test_the_board_is_off_until_the_project_and_the_person_want_it(
    project: Project, bob: Membership
) -> None:
    label(bob)
    client = Client()
    client.force_login(bob.user)
    assert "no leaderboard" in text(client, "leaderboard", project.slug)
    choose = reverse("leaderboard-choose", args=[project.slug])
    assert client.post(choose, {"shown": "on"}).status_code == 403
    Protocol.objects.filter(project=project).update(leaderboard=True)
    assert "Nobody shows" in text(client, "leaderboard", project.slug)
    client.post(choose, {"shown": "on", "name": "<b>Bob</b>"})
    shown = text(client, "leaderboard", project.slug)
    assert "&lt;b&gt;Bob" in shown
    assert "<b>Bob" not in shown


def test_a_study_is_closed_for_good_after_a_question_only(
    page: Client, project: Project, owner: User
) -> None:
    study, _ = create_study(
        project=project, actor=owner, name="x", labels=1, places=1, completion_code="A"
    )
    set_state(study=study, state="open", actor=owner)
    forms = text(page, "study", project.slug, study.pk).split("<form")
    asked = {
        found[1]: "data-confirm" in form
        for form in forms
        if (found := re.search(r'name="state"\s+value="(\w+)"', form))
    }
    assert asked == {"paused": False, "closed": True}
