import pytest

from accounts import services
from accounts.models import Project, Role, User
from accounts.policies import ALLOWED, Action, can, project_for
from core.exceptions import Forbidden, InvalidInput, NotFound

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return services.create_user(username="alice", password="correct horse battery")


@pytest.fixture
def project(owner: User) -> Project:
    return services.create_project(name="Helpful answers", owner=owner)


def test_every_action_has_a_rule_and_owners_may_do_everything() -> None:
    assert set(ALLOWED) == set(Action)
    assert all(Role.OWNER in roles for roles in ALLOWED.values())


def test_a_project_of_others_looks_like_none(project: Project) -> None:
    outsider = services.create_user(username="bob", password="correct horse battery")
    for slug in (project.slug, "no-such-project"):
        with pytest.raises(NotFound, match="no such project"):
            project_for(outsider, slug, Action.LABEL)


def test_a_member_without_the_right_is_refused(project: Project) -> None:
    annotator = services.create_user(username="carol", password="correct horse battery")
    services.add_member(project=project, user=annotator, role=Role.ANNOTATOR)
    assert project_for(annotator, project.slug, Action.LABEL) == project
    for action in set(Action) - {Action.LABEL}:
        assert not can(annotator, action, project)
        with pytest.raises(Forbidden):
            project_for(annotator, project.slug, action)


def test_names_differ_in_more_than_case(owner: User) -> None:
    with pytest.raises(InvalidInput, match="taken"):
        services.create_user(username="ALICE", password="correct horse battery")
    assert User.objects.count() == 1


def test_slugs_stay_unique(owner: User) -> None:
    slugs = [services.create_project(name="Same name", owner=owner).slug for _ in range(3)]
    assert slugs == ["same-name", "same-name-2", "same-name-3"]
