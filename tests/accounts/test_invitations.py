"""Links: what is stored of them, who may make them, and what each of them answers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import invitations, services
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.tokens import digest
from core.exceptions import Conflict, Forbidden, Gone, InvalidInput, NotFound
from tests.factories import make_member, make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PASSWORD = "correct horse battery"


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    return services.create_project(name="Helpful answers", owner=owner)


def link(project: Project, owner: User, **fields: object) -> tuple[Invitation, str]:
    values = {"role": Role.ANNOTATOR, "seats": 2, "valid_for": DAY} | fields
    return invitations.invite(project=project, created_by=owner, **values)  # type: ignore[arg-type]


def test_only_the_hash_of_a_token_is_stored(project: Project, owner: User) -> None:
    row, token = link(project, owner)
    stored = Invitation.objects.filter(pk=row.pk).values()[0]
    assert stored["token_hash"] == digest(token)
    assert token not in str(stored)
    assert len(token) >= 43


def test_a_link_makes_a_member_and_takes_a_seat(project: Project, owner: User) -> None:
    row, token = link(project, owner, role=Role.REVIEWER)
    membership = invitations.join(token=token, user=make_user("bob"))
    row.refresh_from_db()
    assert (membership.role, membership.invitation, row.used) == (Role.REVIEWER, row, 1)


def test_a_member_who_comes_again_takes_no_seat_and_keeps_the_role(
    project: Project, owner: User
) -> None:
    row, token = link(project, owner, seats=1)
    assert invitations.join(token=token, user=owner).role == Role.OWNER
    row.refresh_from_db()
    assert row.used == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revoked_at": timezone.now()}, "withdrawn"),
        ({"expires_at": timezone.now() - DAY}, "expired"),
        ({"used": 2}, "taken"),
    ],
)
def test_a_closed_link_says_why_and_lets_nobody_in(
    project: Project, owner: User, change: dict[str, object], words: str
) -> None:
    row, token = link(project, owner)
    Invitation.objects.filter(pk=row.pk).update(**change)
    with pytest.raises(Gone, match=words):
        invitations.join(token=token, user=make_user("bob"))
    with pytest.raises(Gone, match="new link"):
        invitations.invitation_by(token)
    assert project.memberships.count() == 1


def test_an_unknown_token_is_not_found(project: Project) -> None:
    for token in ("", "x" * 43):
        with pytest.raises(NotFound, match="whole link"):
            invitations.join(token=token, user=make_user())


def test_an_account_and_its_membership_stand_or_fall_together(
    project: Project, owner: User
) -> None:
    row, token = link(project, owner, seats=1)
    membership = invitations.sign_up(token=token, username="bob", password=PASSWORD)
    assert membership.user.check_password(PASSWORD)
    with pytest.raises(Gone):
        invitations.sign_up(token=token, username="carol", password=PASSWORD)
    with pytest.raises(Gone):
        invitations.join(token=token, user=make_user("dave"))
    assert not User.objects.filter(username="carol").exists()
    assert Membership.objects.filter(invitation=row).count() == 1


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("", PASSWORD, "username"),
        ("study:7:5f", PASSWORD, "username"),
        ("x" * 151, PASSWORD, "username"),
        ("bob", "short", "password"),
        ("bob", "password123", "password"),
        ("bobthebuilder", "bobthebuilder1", "password"),
    ],
)
def test_a_bad_name_or_password_makes_nothing(
    project: Project, owner: User, username: str, password: str, field: str
) -> None:
    row, token = link(project, owner)
    with pytest.raises(InvalidInput) as refused:
        invitations.sign_up(token=token, username=username, password=password)
    assert refused.value.extra == {"field": field}
    row.refresh_from_db()
    assert (User.objects.count(), row.used) == (1, 0)


def test_a_taken_name_is_refused_whatever_its_case(project: Project, owner: User) -> None:
    _, token = link(project, owner)
    with pytest.raises(InvalidInput, match="taken"):
        invitations.sign_up(token=token, username="ALICE", password=PASSWORD)


def test_a_link_gives_no_more_than_its_maker_may(project: Project, owner: User) -> None:
    admin = make_member(project, Role.ADMIN)
    assert link(project, admin, role=Role.RESEARCHER)[0].created_by == admin
    for maker, role in ((admin, Role.ADMIN), (make_member(project), Role.ANNOTATOR)):
        with pytest.raises(Forbidden):
            link(project, maker, role=role)
    with pytest.raises(InvalidInput, match="owner"):
        link(project, owner, role=Role.OWNER)


def test_a_link_is_void_once_its_maker_may_not_give_its_role(project: Project, owner: User) -> None:
    second = services.add_member(project=project, user=make_user("bob"), role=Role.OWNER)
    admins = link(project, second.user, role=Role.ADMIN)[1]
    annotators = link(project, second.user)[1]
    services.change_role(membership=second, role=Role.ADMIN, actor=owner)
    with pytest.raises(Gone, match="void"):
        invitations.join(token=admins, user=make_user("carol"))
    assert invitations.join(token=annotators, user=make_user("dave")).role == Role.ANNOTATOR
    services.remove_member(membership=second, actor=owner)
    with pytest.raises(Gone, match="void"):
        invitations.invitation_by(annotators)
    with pytest.raises(Gone, match="void"):
        invitations.sign_up(token=annotators, username="erin", password=PASSWORD)
    assert project.memberships.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"seats": 0},
        {"seats": 10_001},
        {"valid_for": timedelta()},
        {"valid_for": timedelta(days=400)},
    ],
)
def test_seats_and_time_are_bounded(
    project: Project, owner: User, fields: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        link(project, owner, **fields)
    assert not Invitation.objects.exists()


def test_a_revoked_link_stays_revoked_at_the_first_time(project: Project, owner: User) -> None:
    row, _ = link(project, owner)
    first = invitations.revoke(invitation=row).revoked_at
    assert first is not None
    assert invitations.revoke(invitation=row).revoked_at == first


def test_the_last_owner_stays(project: Project, owner: User) -> None:
    mine = Membership.objects.get(user=owner)
    with pytest.raises(Conflict, match="last owner"):
        services.change_role(membership=mine, role=Role.ADMIN, actor=owner)
    with pytest.raises(Conflict, match="last owner"):
        services.remove_member(membership=mine, actor=owner)
    other = services.add_member(project=project, user=make_user("bob"), role=Role.OWNER)
    services.change_role(membership=mine, role=Role.ADMIN, actor=owner)
    mine.refresh_from_db()
    assert mine.role == Role.ADMIN
    with pytest.raises(Forbidden):
        services.remove_member(membership=other, actor=owner)
