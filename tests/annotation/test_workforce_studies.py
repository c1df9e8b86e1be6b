"""Studies: each row of the table in `annotation.workforce.entry`, and the count of places."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotation.labels.models import Annotation
from annotation.labels.services import Answer, submit, undo
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from annotation.workforce import entry
from annotation.workforce.models import Earning, Participation, Stage, Study
from annotation.workforce.studies import create_study, new_link, set_state
from core.exceptions import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotFound,
)
from tests.factories import make_instance, make_member, make_project, make_user
from tests.races import at_once

pytestmark = pytest.mark.django_db


def make_study(project: Project, owner: User, **fields: Any) -> tuple[Study, str]:
    values: dict[str, Any] = {
        "name": "Answers",
        "labels": 2,
        "places": 3,
        "completion_code": "DONE123",
        "reward_micros": 3_000_000,
    }
    study, token = create_study(project=project, actor=owner, **(values | fields))
    return set_state(study=study, state="open", actor=owner), token


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def project(owner: User) -> Project:
    project = make_project(owner=owner)
    items = [AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(8)]
    assign(project=project, items=items)
    return project


@pytest.fixture
def study(project: Project, owner: User) -> Study:
    return make_study(project, owner)[0]


def visitor(external_id: str = "5f1a", study_id: str = "S1") -> entry.Visitor:
    return entry.Visitor(external_id, study_id, "session")


def come(study: Study, external_id: str = "5f1a") -> Participation:
    return entry.enter(study=study, visitor=visitor(external_id))[0]


def label(mine: Participation, number: int = 1) -> None:
    for _ in range(number):
        slot = claim(project=mine.study.project, annotator=mine.annotator)
        assert slot is not None
        submit(
            slot_key=slot.key,
            annotator=mine.annotator,
            client_id=uuid.uuid4(),
            answers=[Answer("overall", [1, 2])],
        )


def away(mine: Participation, minutes: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    Participation.objects.filter(pk=mine.pk).update(seen_at=then)
    Slot.objects.filter(annotator=mine.annotator).update(leased_at=then)


def taken(study: Study) -> int:
    study.refresh_from_db()
    return study.taken


def test_the_first_entry_makes_an_account_of_the_study(study: Study) -> None:
    mine, code = entry.enter(study=study, visitor=visitor())
    assert mine.user.username.startswith(f"study:{study.pk}:")
    assert not mine.user.has_usable_password()
    assert Membership.objects.get(user=mine.user).role == "annotator"
    assert mine.annotator.quota == study.labels
    assert code not in str(Participation.objects.values()[0])
    assert taken(study) == 1
    for password in ("", "!", mine.user.password):
        assert authenticate(username=mine.user.username, password=password) is None


def test_an_ordinary_account_is_never_found_by_an_id(study: Study) -> None:
    """Also not when it has the very name that the study would give."""
    mine, _ = entry.enter(study=study, visitor=visitor("first"))
    known = make_user("5f1a")
    other = come(study, "5f1a")
    assert other.user != known
    assert entry.known(study, visitor(mine.user.username)) is None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"PROLIFIC_PID": "a", "STUDY_ID": "b"},
        {"PROLIFIC_PID": "", "STUDY_ID": "b", "SESSION_ID": "c"},
        {"PROLIFIC_PID": "a b", "STUDY_ID": "b", "SESSION_ID": "c"},
        {"PROLIFIC_PID": "x" * 65, "STUDY_ID": "b", "SESSION_ID": "c"},
        {"PROLIFIC_PID": "{{%PROLIFIC_PID%}}", "STUDY_ID": "b", "SESSION_ID": "c"},
        {"PROLIFIC_PID": "study:1:ab", "STUDY_ID": "b", "SESSION_ID": "c"},
    ],
)
def test_bad_or_missing_parameters(values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="not complete"):
        entry.read_visitor(values)


def test_a_link_opens_its_own_study_only(project: Project, owner: User) -> None:
    study, token = make_study(project, owner, external_id="S1")
    assert entry.study_by(token, visitor()) == study
    with pytest.raises(NotFound, match="another study"):
        entry.study_by(token, visitor(study_id="S2"))
    with pytest.raises(NotFound, match="no such study"):
        entry.study_by("x" * 43)
    fresh = new_link(study=study, actor=owner)
    with pytest.raises(NotFound):
        entry.study_by(token)
    assert entry.study_by(fresh) == study
    assert token not in str(Study.objects.values())


def test_a_replayed_entry_makes_nothing(study: Study) -> None:
    come(study)
    with pytest.raises(Conflict, match="return code"):
        entry.enter(study=study, visitor=visitor())
    assert (Participation.objects.count(), taken(study)) == (1, 1)


def test_the_return_code_works_once_and_a_forged_one_never(study: Study) -> None:
    mine, code = entry.enter(study=study, visitor=visitor())
    other, _ = entry.enter(study=study, visitor=visitor("other"))
    for forged in ("", "AAAA-AAAA-AAAA-AAAA", mine.return_hash):
        with pytest.raises(Forbidden):
            entry.come_back(participation=mine, code=forged)
    with pytest.raises(Forbidden):
        entry.come_back(participation=other, code=code)
    _, fresh = entry.come_back(participation=mine, code=f" {code.lower()} ")
    with pytest.raises(Forbidden):
        entry.come_back(participation=mine, code=code)
    entry.come_back(participation=mine, code=fresh)


def test_the_same_id_in_a_second_study_is_another_account(
    project: Project, owner: User, study: Study
) -> None:
    second, _ = make_study(project, owner, name="Second")
    here, there = come(study), come(second)
    assert here.user != there.user
    assert here.annotator != there.annotator
    label(here, 2)
    assert (entry.labels_of(here), entry.labels_of(there)) == (2, 0)


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_study_that_is_not_open_takes_nobody_and_lets_people_finish(
    study: Study, owner: User, state: str
) -> None:
    mine = come(study)
    set_state(study=study, state=state, actor=owner)
    with pytest.raises(Gone, match="nobody at the moment"):
        come(study, "late")
    assert entry.go_on(participation=mine).stage == Stage.ACTIVE
    label(mine, 2)
    assert entry.complete(participation=mine).stage == Stage.COMPLETED


def test_a_draft_takes_nobody_and_a_closed_study_stays_closed(
    project: Project, owner: User
) -> None:
    draft, _ = create_study(
        project=project, actor=owner, name="x", labels=1, places=1, completion_code="A"
    )
    with pytest.raises(Gone):
        come(draft)
    closed = set_state(study=draft, state="closed", actor=owner)
    with pytest.raises(Conflict):
        set_state(study=closed, state="open", actor=owner)


def test_completion_is_counted_on_the_server(study: Study) -> None:
    mine = come(study)
    label(mine, 1)
    with pytest.raises(Conflict, match="1 more") as refused:
        entry.complete(participation=mine)
    assert refused.value.extra["missing"] == 1
    label(mine, 1)
    undo(annotator=mine.annotator, project=study.project)
    with pytest.raises(Conflict):
        entry.complete(participation=mine)
    assert Earning.objects.count() == 0
    label_held(mine)
    done = entry.complete(participation=mine)
    assert done.stage == Stage.COMPLETED
    assert not Membership.objects.filter(user=mine.user).exists()
    assert taken(study) == 1


def label_held(mine: Participation) -> None:
    slot = claim(project=mine.study.project, annotator=mine.annotator, resume=True)
    assert slot is not None
    submit(
        slot_key=slot.key,
        annotator=mine.annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [2, 1])],
    )


def test_the_reward_is_earned_once(study: Study) -> None:
    mine = come(study)
    label(mine, 2)
    for _ in range(3):
        entry.complete(participation=mine)
    line = Earning.objects.get()
    assert (line.amount, line.labels, line.kind) == (3_000_000, 2, "study")


def test_a_return_frees_every_lease_at_once_and_keeps_the_labels(study: Study) -> None:
    mine = come(study)
    label(mine, 1)
    claim(project=study.project, annotator=mine.annotator)
    assert Slot.objects.filter(state=SlotState.LEASED).count() == 1
    entry.stop(participation=mine)
    assert Slot.objects.filter(state=SlotState.LEASED).count() == 0
    assert Annotation.objects.filter(annotator=mine.annotator).count() == 1
    assert taken(study) == 0
    assert not Membership.objects.filter(user=mine.user).exists()
    with pytest.raises(Conflict, match="ended"):
        entry.stop(participation=mine)
    with pytest.raises(Gone, match="second time"):
        entry.go_on(participation=mine)
    assert taken(study) == 0


def test_who_is_away_too_long_loses_the_leases_and_may_go_on(study: Study) -> None:
    mine, there = come(study), come(study, "there")
    claim(project=study.project, annotator=mine.annotator)
    away(mine, 61)
    assert entry.time_out() == 1
    assert entry.time_out() == 0
    mine.refresh_from_db()
    there.refresh_from_db()
    assert (mine.stage, there.stage) == (Stage.TIMED_OUT, Stage.ACTIVE)
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()
    assert taken(study) == 1
    again = entry.go_on(participation=mine)
    assert (again.stage, taken(study)) == (Stage.ACTIVE, 2)
    assert Membership.objects.filter(user=mine.user).exists()


def test_somebody_who_labels_is_not_away(study: Study) -> None:
    mine = come(study)
    label(mine, 1)
    Participation.objects.update(seen_at=timezone.now() - timedelta(minutes=61))
    assert entry.time_out() == 0


def test_who_did_everything_and_left_has_completed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = timezone.now() - timedelta(minutes=61)
    with monkeypatch.context() as past:
        past.setattr(timezone, "now", lambda: then)
        mine = come(study)
        label(mine, 2)
    assert entry.time_out() == 1
    mine.refresh_from_db()
    assert mine.stage == Stage.COMPLETED
    assert (Earning.objects.count(), taken(study)) == (1, 1)


def test_a_full_study_gives_the_place_of_those_who_left(project: Project, owner: User) -> None:
    study, _ = make_study(project, owner, places=1)
    mine = come(study)
    with pytest.raises(Gone, match="places"):
        come(study, "next")
    away(mine, 61)
    come(study, "next")
    assert taken(study) == 1
    with pytest.raises(Gone, match="places"):
        entry.go_on(participation=mine)


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": 0},
        {"places": 0},
        {"minutes": 0},
        {"reward_micros": -1},
        {"completion_code": ""},
        {"completion_code": "A B"},
        {"completion_code": "SAME", "screen_out_code": "SAME"},
        {"currency": "euro"},
        {"name": " "},
    ],
)
def test_a_study_is_checked(project: Project, owner: User, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_study(project, owner, **fields)
    assert not Study.objects.exists()


def test_only_those_who_manage_people_make_studies(project: Project) -> None:
    with pytest.raises(Forbidden):
        make_study(project, make_member(project))


@pytest.mark.django_db(transaction=True)
def test_places_are_never_oversold() -> None:
    owner = make_user()
    study, _ = make_study(make_project(owner=owner), owner, places=4)
    outcomes = at_once(*[lambda n=n: come(study, f"person{n}") for n in range(16)])
    assert (outcomes.count("done"), outcomes.count("Gone")) == (4, 12)
    assert (taken(study), Participation.objects.count()) == (4, 4)
    assert User.objects.filter(username__startswith="study:").count() == 4


@pytest.mark.django_db(transaction=True)
def test_one_id_in_many_tabs_is_one_participation() -> None:
    owner = make_user()
    study, _ = make_study(make_project(owner=owner), owner)
    outcomes = at_once(*[lambda: come(study, "same")] * 8)
    assert outcomes.count("done") == 1
    assert set(outcomes) == {"done", "Conflict"}
    assert taken(study) == 1


@pytest.mark.django_db(transaction=True)
def test_stopping_twice_at_once_frees_one_place() -> None:
    owner = make_user()
    study, _ = make_study(make_project(owner=owner), owner)
    mine = come(study)
    come(study, "stays")
    outcomes = at_once(*[lambda: entry.stop(participation=mine)] * 6)
    assert outcomes.count("done") == 1
    assert taken(study) == 1
