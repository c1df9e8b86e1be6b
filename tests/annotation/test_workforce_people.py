"""Members: what changes them, what it leaves in the audit log, and what stays."""

from datetime import timedelta

import pytest
from django.db.models import Q, QuerySet

from accounts.models import Membership, Project, Role, User
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.queue.models import Slot, SlotState
from annotation.workforce import services
from annotation.workforce.selectors import members_of, people
from audit.models import Event
from core.exceptions import Conflict, Forbidden, InvalidInput
from tests.factories import make_instance, make_member, make_project, make_slot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner=owner)


@pytest.fixture
def member(project: Project) -> Membership:
    return Membership.objects.get(project=project, user=make_member(project, username="bob"))


def acts() -> QuerySet[Event]:
    """What the audit log says of people, in its order."""
    of_people = Q(action__startswith="member.") | Q(action__startswith="invitation.")
    return Event.objects.filter(of_people).order_by("pk")


def holding(member: Membership, number: int = 2) -> Annotator:
    annotator = annotator_for(project=member.project, user=member.user)
    for _ in range(number):
        make_slot(make_instance(member.project), annotator)
    return annotator


def test_the_cohort_of_a_link_comes_with_the_person(project: Project, owner: User) -> None:
    row, token = services.invite(
        project=project,
        actor=owner,
        role=Role.ANNOTATOR,
        seats=3,
        valid_for=timedelta(days=1),
        cohort=" experts ",
    )
    services.sign_up(token=token, username="carol", password="correct horse battery")
    known = make_user("dave")
    services.join(token=token, user=known)
    assert set(Annotator.objects.values_list("name", "cohort")) == {
        ("carol", "experts"),
        ("dave", "experts"),
    }
    assert list(acts().values_list("action", flat=True)) == [
        "invitation.created",
        "member.joined",
        "member.joined",
    ]
    services.revoke(invitation=row, actor=owner)
    assert Event.objects.filter(action="invitation.revoked", target=str(row.pk)).exists()
    assert token not in str(list(Event.objects.values()))


def test_a_removed_member_holds_nothing_and_keeps_their_labels(
    member: Membership, owner: User
) -> None:
    annotator = holding(member)
    done = make_slot(
        make_instance(member.project), annotator, state=SlotState.SUBMITTED, leased_until=None
    )
    assert services.remove(membership=member, actor=owner) == 2
    assert not Membership.objects.filter(user=annotator.user).exists()
    assert list(Slot.objects.exclude(state=SlotState.OPEN)) == [done]
    event = Event.objects.get(action="member.removed")
    assert (event.actor, event.data["released"]) == (owner, 2)


def test_a_removed_member_comes_back_by_a_new_link_only(project: Project, owner: User) -> None:
    def link() -> str:
        day = timedelta(days=1)
        made = {"project": project, "actor": owner, "role": Role.ANNOTATOR, "valid_for": day}
        return services.invite(seats=5, **made)[1]  # type: ignore[arg-type]

    old, person = link(), make_user("dave")
    services.remove(membership=services.join(token=old, user=person), actor=owner)
    with pytest.raises(Forbidden, match="removed from this project"):
        services.join(token=old, user=person)
    assert not Membership.objects.filter(user=person).exists()
    assert project.invitations.get().used == 1
    assert services.join(token=old, user=make_user("erin")).project == project
    assert services.join(token=link(), user=person).user == person
    assert services.join(token=old, user=person).user == person


def test_everything_a_person_holds_opens_at_once(member: Membership, owner: User) -> None:
    holding(member)
    other = Membership.objects.get(
        project=member.project, user=make_member(member.project, username="carol")
    )
    holding(other, 1)
    assert services.release_everything(membership=member, actor=owner) == 2
    assert services.release_everything(membership=member, actor=owner) == 0
    assert Slot.objects.get(state=SlotState.LEASED).annotator == annotator_for(
        project=member.project, user=other.user
    )


def test_a_role_change_is_written_down(member: Membership, owner: User) -> None:
    services.set_role(membership=member, role=Role.REVIEWER, actor=owner)
    event = Event.objects.get(action="member.role")
    assert (event.data["before"], event.data["after"]) == ("annotator", "reviewer")
    mine = Membership.objects.get(user=owner)
    with pytest.raises(Conflict, match="last owner"):
        services.remove(membership=mine, actor=owner)
    assert acts().count() == 1


def test_an_admin_gives_roles_below_their_own(member: Membership, owner: User) -> None:
    admin = make_member(member.project, Role.ADMIN)
    services.set_role(membership=member, role=Role.RESEARCHER, actor=admin)
    for row, role in (
        (member, Role.ADMIN),
        (Membership.objects.get(user=owner), Role.ANNOTATOR),
    ):
        with pytest.raises(Forbidden):
            services.set_role(membership=row, role=role, actor=admin)


def test_what_a_person_may_label(member: Membership, owner: User) -> None:
    annotator = services.set_work(
        membership=member,
        cohort="experts",
        qualifications=["lang:de", "expert", "lang:de", " "],
        quota=40,
        actor=owner,
    )
    annotator.refresh_from_db()
    assert (annotator.cohort, annotator.quota) == ("experts", 40)
    assert annotator.qualifications == ["expert", "lang:de"]


@pytest.mark.parametrize(
    "fields",
    [{"cohort": "x" * 41}, {"qualifications": ["x" * 81]}, {"quota": 0}, {"cohort": "a\nb"}],
)
def test_names_and_quotas_are_checked(
    member: Membership, owner: User, fields: dict[str, object]
) -> None:
    values = {"cohort": "", "qualifications": [], "quota": None} | fields
    with pytest.raises(InvalidInput):
        services.set_work(membership=member, actor=owner, **values)  # type: ignore[arg-type]
    assert not acts().exists()


def test_those_who_may_not_manage_people_change_nothing(member: Membership) -> None:
    with pytest.raises(Forbidden):
        services.release_everything(membership=member, actor=member.user)
    with pytest.raises(Forbidden):
        services.set_work(
            membership=member, cohort="", qualifications=[], quota=None, actor=member.user
        )


def test_the_list_says_who_does_what(
    member: Membership,
    owner: User,
    django_assert_num_queries: object,
) -> None:
    annotator = holding(member, 1)
    for _ in range(3):
        make_slot(
            make_instance(member.project), annotator, state=SlotState.SUBMITTED, leased_until=None
        )
    with django_assert_num_queries(3):  # type: ignore[operator]
        found = people(members_of(member.project).order_by("-pk"))
    assert [(one.membership.user.username, one.labels, one.held, one.state) for one in found] == [
        ("bob", 3, 1, "at work"),
        ("alice", 0, 0, "new"),
    ]
    for search in ("BOB", annotator.pseudonym[:6]):
        assert [row.user.username for row in members_of(member.project, search)] == ["bob"]
