"""Consensus by arrays says the same as label by label, whatever labels a project holds."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.consensus import services, storing
from annotation.consensus.calibrating import calibrate_of
from annotation.consensus.methods import METHODS, How
from annotation.consensus.models import Consensus, ConsensusState, Minority, Scope
from annotation.consensus.pairs import Pairs, read, rows_of_pairs
from annotation.consensus.reading import inside, labels_of
from annotation.consensus.rows import Row, ranked_of, rows_of
from annotation.consensus.services import catch_up, choose_method, update
from annotation.consensus.weighing import Gathered
from annotation.judges.models import Calibration, Judge
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from annotation.queue.purposes import Purpose
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
Key = tuple[int, int, str]


def crowd(project: Project, rng: random.Random) -> list[Annotator]:
    """People, one of them simulated and one excluded, an import, judges of which one is calibrated,
    and a verifier."""
    people = [make_annotator(project) for _ in range(3)]
    people.append(make_annotator(project, kind="import", simulated=True))
    people.append(make_annotator(project, excluded_at=timezone.now()))
    judge = Judge.objects.create(project=project, name="j", model="j", provider="recorded")
    people.append(make_annotator(project, "judge", kind="judge", judge=judge))
    people.append(make_annotator(project, "other judge", kind="judge"))
    people.append(make_annotator(project, "verifier", kind="verifier"))
    knots = {"slope": rng.uniform(0.3, 2)}
    first = criteria_of(project)[0]
    Calibration.objects.create(
        judge=judge,
        criterion=first,
        method="platt",
        knots=knots,
        labels=50,
        prompts=50,
        ece_before=0.1,
        ece_after=0.1,
    )
    return people


def label(instance: Any, who: Annotator, criterion: Criterion, rng: random.Random) -> None:
    """One of everything that can stand in a pair's annotations."""
    ranking: tuple[int, ...] = rng.choice([(1, 2), (2, 1), (1, 1)])
    fields: dict[str, Any] = {"criterion": criterion, "shown_order": rng.choice(SHOWN)}
    if who.kind == "judge" and rng.random() < 0.8:
        fields["attributes"] = {"verdict": {"p": rng.choice([rng.random(), 0.5, None])}}
    elif rng.random() < 0.1:
        # Of a person it says nothing.
        fields["attributes"] = {"verdict": {"p": 0.9}}
    what = rng.random()
    if what < 0.1:
        fields["purpose"] = rng.choice([Purpose.REVIEW, Purpose.REPEAT])
    elif what < 0.2:
        ranking, fields["unranked"] = (1, 1), rng.choice([[0, 1], [1]])
    elif what < 0.25:
        ranking, fields["tie_kind"] = (), "cannot judge"
    made = make_annotation(instance, who, ranking, **fields)
    if rng.random() < 0.15:
        gone = rng.random() < 0.5
        again = {} if gone else {"attributes": fields.get("attributes", {})}
        make_annotation(
            *(instance, who, () if gone else (2, 1)),
            criterion=criterion,
            supersedes=made,
            retracted=gone,
            **again,
        )


SHOWN = ([0, 1], [1, 0], None)


def mixed_project(seed: int) -> Project:
    rng = random.Random(seed)
    project = make_project()
    criteria = [
        criteria_of(project)[0],
        Criterion.objects.create(project=project, key="style", name="Style", position=1),
    ]
    people = crowd(project, rng)
    for number in range(14):
        texts = ("a", "b", "c") if number == 5 else ()
        instance = make_instance(project, texts, state="gold" if number == 6 else "new")
        for who in rng.sample(people, rng.randint(1, len(people))):
            criterion = criteria[rng.random() < 0.3]
            if texts:
                make_annotation(instance, who, (1, 2, 3), criterion=criterion)
            elif number == 7:
                scores = [rng.choice([1, 3, None]), rng.choice([2, 5])]
                make_annotation(instance, who, (), criterion=criterion, scores=scores)
            else:
                label(instance, who, criterion, rng)
    return project


def both_ways(project: Project, how: How) -> tuple[Mapping[Key, Row], Mapping[Key, Row]]:
    """The rows by arrays with the rest by label, and all by label."""
    instances = list(project.instances.values_list("pk", flat=True))
    criteria = {criterion.pk: criterion for criterion in criteria_of(project)}
    calibrate = calibrate_of(project)
    pairs, apart = read(project, instances, calibrate)
    all_ = labels_of(project, instances, calibrate)
    others = {subject: all_[subject] for subject in apart}
    assert len(pairs) + sum(map(len, others.values())) == sum(map(len, all_.values()))
    fast = [*rows_of_pairs(pairs, how), *rows_of(others, criteria, how)]
    return by_key(fast), by_key(rows_of(all_, criteria, how))


def by_key(rows: Sequence[Row]) -> dict[Key, Row]:
    found = {row[:3]: row for row in rows}
    assert len(found) == len(rows)
    return found


def assert_same(fast: Mapping[Key, Row], slow: Mapping[Key, Row]) -> None:
    assert fast.keys() == slow.keys()
    for key, row in fast.items():
        other = slow[key]
        assert row.worth == pytest.approx(other.worth, abs=1e-12)
        assert row.entropy == pytest.approx(other.entropy, abs=1e-12)
        assert row._replace(worth=(), entropy=0) == other._replace(worth=(), entropy=0)


@pytest.mark.parametrize("seed", range(6))
def test_rows_by_arrays_are_those_label_by_label(seed: int) -> None:
    project = mixed_project(seed)
    for minority in Minority.values:
        assert_same(*both_ways(project, How(minority=minority)))
    for method in METHODS:
        update(project=project, method=method)
        state = ConsensusState.objects.filter(project=project).first()
        how = How(method, parameters=state.parameters, version=7) if state else How(method)
        if how.weighs:
            assert_same(*both_ways(project, how))


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_sees_the_same_ballots(seed: int) -> None:
    project = mixed_project(seed)
    instances = list(project.instances.values_list("pk", flat=True))
    calibrate = calibrate_of(project)
    pairs, apart = read(project, instances, calibrate)
    all_ = labels_of(project, instances, calibrate)
    plain = {subject: found for subject, found in all_.items() if subject not in apart}
    for scope in Scope:
        for together in (False, True):
            fast = dict(pairs.inside(scope, together=together).by_criterion())
            slow = gathered(ranked_of(inside(scope, plain, together=together)))
            assert fast.keys() == slow.keys()
            for criterion, ballots in fast.items():
                assert ballot_set(ballots) == ballot_set(slow[criterion])


def gathered(labels: Any) -> dict[int, Any]:
    found: dict[int, Gathered] = {}
    for subject in sorted(labels):
        found.setdefault(subject[1], Gathered()).add(subject, labels[subject])
    return {criterion: each.ballots() for criterion, each in found.items() if each.pairs}


def ballot_set(ballots: Any) -> list[tuple[Any, ...]]:
    columns = vars(ballots).values()
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def test_only_rows_that_change_are_written() -> None:
    project = mixed_project(1)
    written = update(project=project)
    before = dict(Consensus.objects.values_list("pk", "updated_at"))
    assert update(project=project) == written == len(before)
    assert dict(Consensus.objects.values_list("pk", "updated_at")) == before
    row = Consensus.objects.filter(scope=Scope.HUMAN).order_by("pk")[0]
    Consensus.objects.filter(pk=row.pk).update(worth=[0.123, 0.877])
    update(project=project)
    after = dict(Consensus.objects.values_list("pk", "updated_at"))
    assert [pk for pk, at in after.items() if at != before[pk]] == [row.pk]
    row_now = Consensus.objects.get(pk=row.pk)
    assert (row_now.worth, row_now.created_at) == (row.worth, row.created_at)


def test_a_fit_that_was_stopped_is_done_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    people = [make_annotator(project) for _ in range(3)]
    for _ in range(6):
        instance = make_instance(project)
        for person in people:
            make_annotation(instance, person)
    choose_method(project=project, method="one-coin")
    with monkeypatch.context() as patch:
        patch.setattr("annotation.consensus.services.WINDOW", 2)
        stop_after(patch, windows=1)
        with pytest.raises(KeyboardInterrupt):
            catch_up(project=project)
    assert Consensus.objects.values("instance").distinct().count() == 2
    assert catch_up(project=project) == 12
    assert set(Consensus.objects.values_list("version", flat=True)) == {2}
    assert catch_up(project=project) == 0


def stop_after(patch: pytest.MonkeyPatch, windows: int) -> None:
    """The process is killed when it has written so many windows."""
    done: list[Any] = []

    def store(rows: Any, instances: Any) -> int:
        if len(done) == windows:
            raise KeyboardInterrupt
        done.append(instances)
        return storing.store(rows, instances)

    patch.setattr(services, "store", store)


def test_another_method_in_the_middle_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    for _ in range(4):
        make_annotation(make_instance(project))
    monkeypatch.setattr(services, "WINDOW", 1)
    done: list[Any] = []

    def store(rows: Any, instances: Any) -> int:
        written = storing.store(rows, instances)
        done.append(instances)
        if len(done) == 2:
            choose_method(project=project, method="majority", minority="signal")
        return written

    monkeypatch.setattr(services, "store", store)
    assert catch_up(project=project) == 4
    assert ConsensusState.objects.get().annotation == 0
    assert catch_up(project=project) == 8
    assert set(Consensus.objects.values_list("method", flat=True)) == {"vote share"}


def test_no_label_is_no_row() -> None:
    assert list(rows_of_pairs(Pairs.none(), How())) == []
    pairs, apart = read(make_project(), range(1, 1000))
    assert (len(pairs), apart) == (0, set())
    assert Annotation.objects.count() == 0
