"""What labels say together: majority, Dawid–Skene, and the rows per scope."""

import math
import random

import pytest

from annotation.consensus.models import Consensus, Scope
from annotation.consensus.posterior import Vote, dawid_skene, entropy, majority
from annotation.consensus.services import update
from annotation.labels.models import Annotation
from core.exceptions import InvalidInput
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


def test_dawid_skene_finds_out_who_is_reliable() -> None:
    rng = random.Random(5)
    skill = {0: 0.95, 1: 0.9, 2: 0.55, 3: 0.55, 4: 0.55}
    truth = {pair: rng.random() < 0.5 for pair in range(400)}
    pairs = {
        pair: [
            Vote(who, (1, 2) if first == (rng.random() < right) else (2, 1))
            for who, right in skill.items()
        ]
        for pair, first in truth.items()
    }
    p, found = dawid_skene(pairs)
    assert all(found[who] == pytest.approx(skill[who], abs=0.08) for who in skill)

    def right(answers: dict[int, float]) -> float:
        return sum((answers[pair] > 0.5) == truth[pair] for pair in truth) / len(truth)

    plain = right({pair: majority(given)[0] for pair, given in pairs.items()})
    assert right(p) > plain + 0.05


def test_dawid_skene_by_hand() -> None:
    # One pair, one vote: p starts at 1, the vote is right with 1, so g = (1 + 4 - 1) / (1 + 4) and
    # then p = g; the fixed point of g = (p + 3) / 5 with p = g is 0.75.
    p, g = dawid_skene({0: [Vote(0, (1, 2))]}, rounds=500, tolerance=1e-12)
    assert g[0] == pytest.approx(0.75)
    assert p[0] == pytest.approx(0.75)


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
def test_dawid_skene_is_named_on_the_rows_it_made() -> None:
    project = make_project()
    instance = make_instance(project)
    for _ in range(3):
        make_annotation(instance)
    update(project=project, method="dawid-skene")
    row = Consensus.objects.get(scope=Scope.HUMAN)
    assert row.method == "dawid-skene"
    assert 0.9 < row.worth[0] < 1
    with pytest.raises(InvalidInput, match="majority"):
        update(project=project, method="vibes")
