"""Many people at one link, and many attempts at one door, at the same moment."""

from datetime import timedelta

import pytest

from accounts.invitations import invite, join, sign_up
from accounts.models import Invitation, Membership, Role, User
from accounts.services import change_role, create_project
from accounts.throttling import attempt
from core.exceptions import Conflict, Gone, InvalidInput, TooManyRequests
from tests.factories import make_user
from tests.races import at_once

# Real threads with connections of their own: each commits for itself.
pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, SEATS = 20, 5


def test_twenty_people_race_for_five_seats() -> None:
    owner = make_user()
    project = create_project(name="Race", owner=owner)
    row, token = invite(
        project=project,
        created_by=owner,
        role=Role.ANNOTATOR,
        seats=SEATS,
        valid_for=timedelta(hours=1),
    )
    people = [make_user(f"runner{number}") for number in range(PEOPLE // 2)]
    outcomes = at_once(
        *[lambda user=user: join(token=token, user=user) for user in people],
        *[
            lambda number=number: sign_up(
                token=token, username=f"newcomer{number}", password="correct horse battery"
            )
            for number in range(PEOPLE // 2)
        ],
    )
    row.refresh_from_db()
    assert outcomes.count("done") == SEATS
    assert outcomes.count(Gone.__name__) == PEOPLE - SEATS
    assert row.used == SEATS
    members = Membership.objects.filter(invitation=row)
    assert members.count() == SEATS
    # No account was left behind by those who came too late.
    newcomers = User.objects.filter(username__startswith="newcomer")
    assert newcomers.count() == members.filter(user__in=newcomers).count()


def test_one_person_in_eight_tabs_takes_one_seat() -> None:
    owner = make_user()
    project = create_project(name="Tabs", owner=owner)
    _, token = invite(
        project=project, created_by=owner, role=Role.ANNOTATOR, seats=5, valid_for=timedelta(1)
    )
    user = make_user()
    assert at_once(*[lambda: join(token=token, user=user)] * 8) == ["done"] * 8
    assert Invitation.objects.get().used == 1


def test_the_same_name_signed_up_at_once_is_one_account() -> None:
    owner = make_user()
    project = create_project(name="Names", owner=owner)
    _, token = invite(
        project=project, created_by=owner, role=Role.ANNOTATOR, seats=9, valid_for=timedelta(1)
    )
    outcomes = at_once(
        *[lambda: sign_up(token=token, username="twin", password="correct horse battery")] * 6
    )
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", Conflict.__name__, InvalidInput.__name__}
    assert Invitation.objects.get().used == 1


def test_two_owners_who_step_down_at_once_leave_one() -> None:
    owners = [make_user(), make_user()]
    project = create_project(name="Owners", owner=owners[0])
    Membership.objects.create(project=project, user=owners[1], role=Role.OWNER)
    rows = list(Membership.objects.filter(project=project))
    outcomes = at_once(
        *[
            lambda row=row: change_role(membership=row, role=Role.ADMIN, actor=row.user)
            for row in rows
        ]
    )
    assert sorted(outcomes) == [Conflict.__name__, "done"]
    assert Membership.objects.filter(project=project, role=Role.OWNER).count() == 1


def test_attempts_sent_side_by_side_do_not_outrun_the_count() -> None:
    outcomes = at_once(
        *[lambda: attempt(what="login", who="x", most=5, within=timedelta(minutes=1))] * 16
    )
    assert outcomes.count("done") == 5
    assert outcomes.count(TooManyRequests.__name__) == 11
