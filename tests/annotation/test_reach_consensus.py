"""What labels say together: majority, models of annotators, reviews, and the rows per scope."""

import math
import random

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Project
from annotation.consensus import services, tasks
from annotation.consensus.models import Consensus, ConsensusState, Scope
from annotation.consensus.posterior import (
    Vote,
    entropy,
    majority,
    mean_scores,
    pair_share,
    vote_of_scores,
    vote_share,
)
from annotation.consensus.services import catch_up, choose_method, update
from annotation.consensus.tasks import behind
from annotation.datasets.services import build_snapshot
from annotation.judges.models import Calibration, Judge
from annotation.labels.models import Annotation, Annotator
from annotation.queue.purposes import Purpose
from core.exceptions import InvalidInput
from jobs.models import Job
from jobs.runner import run
from tests.factories import make_annotation, make_annotator, make_instance, make_project


def votes(*rankings: tuple[int, ...]) -> list[Vote]:
    return [Vote(n, ranking) for n, ranking in enumerate(rankings)]


def test_majority_of_a_pair_counts_ties_one_half() -> None:
    assert majority(votes((1, 2), (1, 2), (2, 1), (1, 1))) == (0.625, 0.375)


def test_majority_of_a_longer_ranking_is_the_mean_share_of_wins() -> None:
    worth = majority(votes((1, 2, 3), (2, 1, 3)))
    assert worth == (0.75, 0.75, 0.0)


def test_a_judge_votes_with_its_probability() -> None:
    assert majority([Vote(0, (1, 2), p=0.8), Vote(1, (2, 1))]) == pytest.approx((0.4, 0.6))


def test_entropy_is_that_of_p_in_nats() -> None:
    assert entropy((1.0, 0.0)) == 0
    assert entropy((0.5, 0.5)) == pytest.approx(math.log(2))
    assert entropy((0.25, 0.75)) == pytest.approx(0.5623, abs=1e-4)


def test_completions_nobody_told_apart_are_no_tie() -> None:
    # The first is best; nobody compared the other two: each loses once and wins never.
    partial = Vote(0, (1, 2, 2), unranked=frozenset({1, 2}))
    assert pair_share(partial, 1, 2) is None
    assert majority([partial]) == (1.0, 0.0, 0.0)
    assert majority([Vote(0, (1, 2, 2))]) == (1.0, 0.25, 0.25)
    told = Vote(1, (1, 2, 3))
    assert majority([partial, told]) == (1.0, 0.5, 0.0)


def test_one_without_a_score_is_compared_with_none() -> None:
    vote = vote_of_scores(0, [5, None, 3])
    assert [pair_share(vote, i, j) for i, j in ((0, 1), (0, 2), (1, 2))] == [None, 1.0, None]
    assert majority([vote]) == (1.0, 0.5, 0.0)


def test_mean_scores_by_hand() -> None:
    found = mean_scores([[5, None, 1], [3, None, 1], [4, 2, 1]])
    assert found.mean == [4, 2, 1]
    assert found.spread == [1.0, None, 0.0]
    assert found.labels == [3, 1, 3]


@pytest.mark.django_db
def test_scopes_people_before_judges_and_simulated() -> None:
    project = make_project()
    both, judged = make_instance(project), make_instance(project)
    judge = make_annotator(project, "judge", kind="judge", simulated=True)
    make_annotation(both, ranking=(1, 2))
    make_annotation(both, ranking=(1, 1))
    for instance in (both, judged):
        make_annotation(
            instance, judge, (2, 1), attributes={"verdict": {"p": 0.2, "flipped": False}}
        )
    assert update(project=project) == 5
    worth = {
        (row.instance_id, row.scope): (row.worth[0], row.labels, row.simulated)
        for row in Consensus.objects.all()
    }
    assert worth == {
        (both.pk, Scope.HUMAN): (0.75, 2, False),
        (both.pk, Scope.JUDGE): (0.2, 1, True),
        (both.pk, Scope.MIXED): (0.75, 2, False),
        (judged.pk, Scope.JUDGE): (0.2, 1, True),
        (judged.pk, Scope.MIXED): (0.2, 1, True),
    }


@pytest.mark.django_db
def test_cannot_judge_counts_for_nothing_and_a_retraction_removes_the_row() -> None:
    project = make_project()
    instance, other = make_instance(project), make_instance(project)
    make_annotation(instance, ranking=(), tie_kind="cannot judge")
    assert update(project=project) == 0
    label = make_annotation(instance)
    make_annotation(other)
    assert update(project=project) == 4
    make_annotation(instance, label.annotator, (), supersedes=label, retracted=True, tie_kind="")
    assert Annotation.objects.count() == 4
    assert update(project=project, instance_ids=[instance.pk]) == 0
    assert {row.instance_id for row in Consensus.objects.all()} == {other.pk}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["one-coin", "dawid-skene", "noisy-bt"])
def test_the_method_is_named_on_the_rows_it_made(method: str) -> None:
    project = make_project()
    people = [make_annotator(project) for _ in range(3)]
    for _ in range(10):
        instance = make_instance(project)
        for person in people:
            make_annotation(instance, person)
    update(project=project, method=method)
    row = Consensus.objects.filter(scope=Scope.HUMAN)[0]
    assert row.method == method
    assert 0.9 < row.worth[0] < 1 or (method == "noisy-bt" and row.worth[0] > 0.8)
    with pytest.raises(InvalidInput, match="majority"):
        update(project=project, method="vibes")


@pytest.mark.django_db
def test_a_reliable_minority_outweighs_noise_in_lists_too() -> None:
    project = make_project(kind="listwise")
    rng = random.Random(3)
    people = [make_annotator(project) for _ in range(5)]
    instances = [make_instance(project, ("a", "b", "c")) for _ in range(40)]
    for instance in instances:
        for place, person in enumerate(people):
            noise = [1, 2, 3]
            rng.shuffle(noise)
            make_annotation(instance, person, (1, 2, 3) if place < 2 else noise)

    def right() -> int:
        rows = Consensus.objects.filter(scope=Scope.HUMAN)
        return sum(row.worth[0] > row.worth[1] > row.worth[2] for row in rows)

    update(project=project)
    plain = right()
    update(project=project, method="one-coin")
    assert right() == 40 > plain


@pytest.mark.django_db
def test_a_review_decides_and_its_retraction_gives_the_word_back() -> None:
    project = make_project()
    instance = make_instance(project)
    for _ in range(3):
        make_annotation(instance, ranking=(1, 2))
    review = make_annotation(instance, ranking=(2, 1), purpose=Purpose.REVIEW)
    update(project=project)
    row = Consensus.objects.get(scope=Scope.MIXED)
    assert (row.method, row.worth, row.labels) == ("review", [0.0, 1.0], 1)
    make_annotation(
        instance, review.annotator, (), supersedes=review, retracted=True, purpose=Purpose.REVIEW
    )
    update(project=project)
    row = Consensus.objects.get(scope=Scope.MIXED)
    assert (row.method, row.worth, row.labels) == ("majority", [1.0, 0.0], 3)


@pytest.mark.django_db
def test_gold_repeats_and_excluded_annotators_do_not_count() -> None:
    project = make_project()
    instance = make_instance(project)
    make_annotation(instance, ranking=(1, 2))
    for purpose in (Purpose.GOLD, Purpose.REPEAT, Purpose.QUALIFICATION):
        make_annotation(instance, ranking=(2, 1), purpose=purpose)
    make_annotation(instance, make_annotator(project, excluded_at=timezone.now()), (2, 1))
    update(project=project)
    row = Consensus.objects.get(scope=Scope.HUMAN)
    assert (row.worth, row.labels) == ([1.0, 0.0], 1)


@pytest.mark.django_db
def test_a_rated_criterion_has_mean_and_spread() -> None:
    project = make_project(kind="rating")
    instance, alone = make_instance(project), make_instance(project, ("only one",))
    for scores in ([5, 2], [3, 2], [4, None]):
        make_annotation(instance, ranking=(), scores=scores)
    for score in (5, 4):
        make_annotation(alone, ranking=(), scores=[score])
    update(project=project)
    row = Consensus.objects.get(scope=Scope.HUMAN, instance=instance)
    assert row.method == "mean score"
    assert row.scores == {"mean": [4, 2], "spread": [1.0, 0.0], "labels": [3, 2]}
    assert row.worth == [1.0, 0.0]
    assert Consensus.objects.get(scope=Scope.HUMAN, instance=alone).worth == [0.875]


@pytest.mark.django_db
def test_catching_up_reads_only_what_is_new() -> None:
    project = make_project()
    first, second = make_instance(project), make_instance(project)
    make_annotation(first)
    assert catch_up(project=project) == 2
    assert catch_up(project=project) == 0
    make_annotation(second)
    make_annotation(first, ranking=(2, 1))
    assert behind() == [project.pk]
    catch_up(project=project)
    worths = dict(Consensus.objects.filter(scope=Scope.HUMAN).values_list("instance", "worth"))
    assert worths == {first.pk: [0.5, 0.5], second.pk: [1.0, 0.0]}
    assert behind() == []


@pytest.mark.django_db
def test_the_project_chooses_its_method() -> None:
    project = make_project()
    make_annotation(make_instance(project))
    choose_method(project=project, method="one-coin")
    catch_up(project=project)
    assert Consensus.objects.filter(method="one-coin").count() == 2
    with pytest.raises(InvalidInput, match="one-coin"):
        choose_method(project=project, method="vibes")


@pytest.mark.django_db
def test_a_burst_of_labels_asks_for_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    monkeypatch.setattr(tasks, "_asked", {})
    for _ in range(3):
        tasks.on_labels(project_id=project.pk, instance_ids=[], annotation_ids=[])
    tasks.ask(project.pk)
    job = Job.objects.get(kind="annotation.consensus", project=project)
    make_annotation(make_instance(project))
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert (job.state, job.result) == ("succeeded", {"written": 2})


def make_crowd(project: Project, instances: int, *, people: int = 4, seed: int = 0) -> None:
    """Pairs that everybody labels; the last two guess, the others err now and then."""
    rng = random.Random(seed)
    annotators = [make_annotator(project) for _ in range(people)]
    for _ in range(instances):
        instance = make_instance(project)
        for place, annotator in enumerate(annotators):
            right = rng.random() < (0.9 if place < people - 2 else 0.5)
            make_annotation(instance, annotator, (1, 2) if right else (2, 1), shown_order=[0, 1])


def worths(project: Project) -> dict[tuple[int, str], list[float]]:
    rows = Consensus.objects.filter(instance__project=project)
    return {(row.instance_id, row.scope): row.worth for row in rows}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["one-coin", "dawid-skene", "mace", "noisy-bt"])
def test_by_the_parameters_at_hand_every_instance_is_as_in_the_whole_fit(method: str) -> None:
    project = make_project()
    make_crowd(project, 12)
    choose_method(project=project, method=method)
    update(project=project)
    whole = worths(project)
    state = ConsensusState.objects.get(project=project)
    assert (state.version, state.fitted) == (1, 48)
    Consensus.objects.all().update(worth=[0.5, 0.5], version=0)
    for instance in {instance for instance, _ in whole}:
        update(project=project, instance_ids=[instance])
    again = worths(project)
    assert {key: pytest.approx(worth, abs=1e-12) for key, worth in whole.items()} == again
    assert set(Consensus.objects.values_list("version", "method")) == {(1, method)}
    state.refresh_from_db()
    assert state.version == 1


@pytest.mark.django_db
def test_a_new_label_changes_its_own_instance_and_enough_of_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = make_project()
    make_crowd(project, 12)
    choose_method(project=project, method="one-coin")
    catch_up(project=project)
    # Labels of a moment ago are looked at again: here none is.
    monkeypatch.setattr(services, "OVERLAP", 0)
    before = worths(project)
    instance = make_instance(project)
    known = Annotation.objects.filter(project=project)[0].annotator
    make_annotation(instance, known)
    make_annotation(instance, make_annotator(project))
    assert catch_up(project=project) == 2
    after = worths(project)
    assert {key: after[key] for key in before} == before
    assert after[instance.pk, "human"][0] > 0.8
    state = ConsensusState.objects.get(project=project)
    assert (state.version, state.since) == (1, 2)
    monkeypatch.setattr(services, "REFIT_LABELS", 2)
    make_annotation(make_instance(project), known)
    assert catch_up(project=project) == 2 * 14
    state.refresh_from_db()
    assert (state.version, state.since, state.fitted) == (2, 0, 51)


@pytest.mark.django_db
def test_a_minority_is_noise_or_signal() -> None:
    project = make_project()
    make_crowd(project, 12, people=6)
    split = make_instance(project)
    for annotator in Annotator.objects.filter(project=project).order_by("pk"):
        make_annotation(split, annotator, (2, 1) if annotator.pk % 3 == 0 else (1, 2))
    choose_method(project=project, method="one-coin")
    catch_up(project=project)
    noise = Consensus.objects.get(instance=split, scope=Scope.MIXED)
    choose_method(project=project, method="one-coin", minority="signal")
    catch_up(project=project)
    signal = Consensus.objects.get(instance=split, scope=Scope.MIXED)
    # Four of six, smoothed: (4 + ½) / 7, whoever they are.
    assert signal.worth[0] == pytest.approx(4.5 / 7)
    assert (signal.method, signal.version) == ("vote share", 0)
    assert noise.worth[0] != pytest.approx(signal.worth[0], abs=0.05)
    assert (noise.method, noise.version) == ("one-coin", 1)
    with pytest.raises(InvalidInput, match="noise or signal"):
        choose_method(project=project, method="one-coin", minority="dust")


@given(st.lists(st.sampled_from([(1, 2), (2, 1), (1, 1)]), min_size=1, max_size=12))
def test_a_share_of_votes_is_never_sharper_than_the_votes(given_: list[tuple[int, int]]) -> None:
    plain, smooth = majority(votes(*given_))[0], vote_share(votes(*given_))[0]
    assert abs(smooth - 0.5) <= abs(plain - 0.5)
    assert (smooth - 0.5) * (plain - 0.5) >= 0


@pytest.mark.django_db
def test_a_judge_counts_by_its_calibrated_probability() -> None:
    project = make_project()
    judge = Judge.objects.create(project=project, name="j", provider="recorded", model="m")
    annotator = make_annotator(project, "j", kind="judge", judge=judge)
    instance = make_instance(project)
    make_annotation(instance, annotator, (1, 2), attributes={"verdict": {"p": 0.95}})
    figures = {"labels": 50, "prompts": 50, "ece_before": 0.2, "ece_after": 0.0}
    criterion = project.criteria.get()
    common = {"judge": judge, "criterion": criterion, "method": "isotonic", **figures}
    Calibration.objects.create(**common, knots={"x": [0.0, 1.0], "y": [0.5, 0.5]})
    Calibration.objects.create(**common, domain="code", knots={"x": [0.0, 1.0], "y": [0.1, 0.9]})
    Calibration.objects.create(**common, knots={"x": [0.05, 0.95], "y": [0.3, 0.7]})
    update(project=project)
    row = Consensus.objects.get(instance=instance, scope=Scope.JUDGE)
    assert row.worth == pytest.approx([0.7, 0.3])


@pytest.mark.django_db
def test_people_and_judges_are_weighed_together_by_a_model_only() -> None:
    project = make_project()
    make_crowd(project, 20)
    judge = make_annotator(project, "judge", kind="judge")
    for instance in list(project.instances.all()):
        make_annotation(instance, judge, (1, 2))
    odd = make_instance(project)
    guesser = Annotator.objects.filter(project=project, kind="person").order_by("-pk")[0]
    make_annotation(odd, guesser, (1, 2))
    make_annotation(odd, judge, (2, 1))
    update(project=project)
    assert Consensus.objects.get(instance=odd, scope=Scope.MIXED).labels == 1
    update(project=project, method="one-coin")
    row = Consensus.objects.get(instance=odd, scope=Scope.MIXED)
    assert (row.labels, row.sources["human"], row.sources["judge"]) == (2, 1, 1)
    # The judge errs less.
    assert row.worth[0] < 0.5


@pytest.mark.django_db
def test_lists_by_plackett_luce() -> None:
    project = make_project(kind="listwise")
    instance = make_instance(project, ("a", "b", "c"))
    make_annotation(instance, ranking=(1, 2, 2), unranked=[1, 2])
    make_annotation(instance, ranking=(1, 3, 2))
    update(project=project, method="plackett-luce")
    row = Consensus.objects.get(scope=Scope.HUMAN)
    assert row.method == "plackett-luce"
    assert row.worth[0] > row.worth[2] > row.worth[1]


@pytest.mark.django_db
def test_a_snapshot_names_the_method() -> None:
    project = make_project()
    make_crowd(project, 3)
    choose_method(project=project, method="majority", minority="signal")
    catch_up(project=project)
    snapshot = build_snapshot(project=project, query={})
    assert snapshot.manifest["consensus_methods"] == ["vote share"]
