"""The board: allowed by the project, wanted by the person, and only then."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.models import Project, User
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.workforce.leaderboard import board, choose, wishes
from annotation.workforce.streaks import monday, streak
from core.exceptions import Forbidden, InvalidInput
from tests.factories import make_annotation, make_annotator, make_instance, make_project, make_slot

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def project() -> Project:
    project = make_project()
    Protocol.objects.filter(project=project).update(leaderboard=True)
    return project


def user_of(annotator: Annotator) -> User:
    assert annotator.user is not None
    annotator.user.refresh_from_db()
    return annotator.user


def labelled(annotator: Annotator, number: int) -> None:
    for _ in range(number):
        slot = make_slot(
            make_instance(annotator.project), annotator, state="submitted", leased_until=None
        )
        make_annotation(slot.instance, annotator, slot=slot)


def test_nobody_is_listed_who_did_not_choose_to(project: Project) -> None:
    shy, proud = make_annotator(project), make_annotator(project)
    labelled(shy, 3)
    labelled(proud, 2)
    assert board(project, user_of(shy)) == []
    choose(user=user_of(proud), project=project, shown=True)
    (place,) = board(project, user_of(shy))
    assert (place.rank, place.name, place.labels, place.streak, place.mine) == (
        1,
        proud.pseudonym,
        2,
        1,
        False,
    )
    choose(user=user_of(proud), project=project, shown=False)
    assert board(project, user_of(shy)) == []


def test_a_project_without_a_board_takes_no_wish(project: Project) -> None:
    person = make_annotator(project)
    Protocol.objects.filter(project=project).update(leaderboard=False)
    with pytest.raises(Forbidden):
        choose(user=user_of(person), project=project, shown=True)
    assert wishes(user_of(person), project) == (False, "")


def test_a_wish_holds_for_one_project(project: Project) -> None:
    person, other = make_annotator(project), make_project()
    Protocol.objects.update(leaderboard=True)
    choose(user=user_of(person), project=project, shown=True, name="  Ada   L ")
    assert wishes(user_of(person), project) == (True, "Ada L")
    assert wishes(user_of(person), other)[0] is False
    assert board(other, user_of(person)) == []


def test_other_preferences_stay(project: Project) -> None:
    person = make_annotator(project)
    user = user_of(person)
    user.preferences = {"keys": {"submit": "Enter"}}
    user.save()
    choose(user=user, project=project, shown=True)
    assert user_of(person).preferences["keys"] == {"submit": "Enter"}


def test_nobody_takes_the_name_of_another(project: Project) -> None:
    one, two = make_annotator(project), make_annotator(project)
    choose(user=user_of(one), project=project, shown=True, name="Ada")
    for name in ("ada", "ADA"):
        with pytest.raises(InvalidInput, match="Somebody else"):
            choose(user=user_of(two), project=project, shown=True, name=name)
    with pytest.raises(InvalidInput, match="30"):
        choose(user=user_of(two), project=project, shown=True, name="x" * 31)
    choose(user=user_of(one), project=project, shown=True, name="Ada")


def test_equal_counts_share_a_place(project: Project) -> None:
    people = [make_annotator(project) for _ in range(3)]
    for person, number in zip(people, (2, 2, 1), strict=True):
        labelled(person, number)
        choose(user=user_of(person), project=project, shown=True)
    assert [place.rank for place in board(project, user_of(people[0]))] == [1, 1, 3]


def test_last_week_counts_for_the_streak_and_not_for_the_week(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make_annotator(project)
    choose(user=user_of(person), project=project, shown=True)
    wednesday = timezone.now().replace(hour=12) + timedelta(weeks=1)
    wednesday += (2 - wednesday.weekday()) * DAY
    for back in range(5):
        with monkeypatch.context() as past:
            past.setattr(timezone, "now", lambda back=back: wednesday - back * DAY)
            labelled(person, 1)
    monkeypatch.setattr(timezone, "now", lambda: wednesday)
    (place,) = board(project, user_of(person))
    assert (place.labels, place.streak) == (3, 5)


@pytest.mark.parametrize(
    ("days", "length"),
    [([], 0), ([0], 1), ([1], 1), ([0, 1, 2], 3), ([2, 3], 0), ([0, 2, 3], 1), ([1, 2, 4], 2)],
)
def test_streak(days: list[int], length: int) -> None:
    today = date(2030, 3, 1)
    assert streak({today - back * DAY for back in days}, today) == length


def test_a_week_begins_on_monday() -> None:
    assert monday(date(2030, 3, 3)) == date(2030, 2, 25)
    assert monday(date(2030, 2, 25)) == date(2030, 2, 25)
