"""Simulated labels: marked, reproducible, imperfect in the stated ways, and blind to the author."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotation.instances.simulation import (
    Parameters,
    is_weak,
    load_embedded,
    person,
    ranks_of_groups,
    simulate_labels,
)
from core.exceptions import InvalidInput

SEED = 20
RAW = list(load_embedded())
LABELLED = [simulate_labels(record, seed=SEED) for record in RAW]


def tiny(**changes: Any) -> dict[str, Any]:
    """Return a hand-made instance with two completions of very different quality."""
    record: dict[str, Any] = {
        "id": "tiny-1",
        "prompt": "Say hello.",
        "responses": [
            {"text": "Go away.", "quality": 0.1, "fault": "rude", "model": "draft-1"},
            {"text": "Hello!", "quality": 0.9, "fault": "", "model": "draft-2"},
        ],
        "human": [],
        "ai": [],
        "meta": {"domain": "everyday", "language": "en"},
    }
    return {**record, **changes}


def sign(ranking: list[int], i: int, j: int) -> int:
    """+1 when completion i is ranked above j, -1 below, 0 tied."""
    return int(np.sign(ranking[j] - ranking[i]))


def pairs(count: int) -> Iterator[tuple[int, int]]:
    return combinations(range(count), 2)


def judge_accuracy(*, weak: bool, seeds: range) -> float:
    """Share of pairs with unequal quality on which the judge's two orders together are right."""
    right = [
        np.sign(sum(sign(call["ranking"], i, j) for call in calls)) == np.sign(q[i] - q[j])
        for record in RAW
        if is_weak(record["meta"]) == weak
        for q in [[completion["quality"] for completion in record["responses"]]]
        for seed in seeds
        for calls in [simulate_labels(record, seed=seed)["ai"]]
        for i, j in pairs(len(q))
        if q[i] != q[j] and sum(sign(call["ranking"], i, j) for call in calls)
    ]
    return float(np.mean(right))


def test_every_label_and_instance_says_that_it_is_simulated() -> None:
    for labelled in LABELLED:
        assert labelled["meta"]["simulated"] is True
        assert all(label["simulated"] is True for label in labelled["human"] + labelled["ai"])
        assert all(label["annotator"].startswith("simulated-") for label in labelled["human"])


def test_quality_and_fault_are_gone_and_the_input_is_untouched() -> None:
    record = tiny()
    labelled = simulate_labels(record, seed=1)
    assert record == tiny()
    assert all(set(completion) == {"text", "model"} for completion in labelled["responses"])
    for instance in LABELLED:
        assert not {"quality", "fault"} & {key for c in instance["responses"] for key in c}


def test_labels_have_the_interchange_form() -> None:
    for labelled in LABELLED:
        count = len(labelled["responses"])
        people = [label["annotator"] for label in labelled["human"]]
        assert 3 <= len(people) == len(set(people)) <= 5
        for label in labelled["human"] + labelled["ai"]:
            assert sorted(label["order"]) == list(range(count))
            # Competition ranks: each rank is one more than the number ranked strictly better.
            ranking = label["ranking"]
            assert ranking == [1 + sum(other < rank for other in ranking) for rank in ranking]
        for label in labelled["human"]:
            assert label["strength"] in {0.0, 0.25, 0.5, 0.75, 1.0}
            assert (label["strength"] == 0) == (set(label["ranking"]) == {1})
    assert json.loads(json.dumps(LABELLED)) == LABELLED


def test_the_judge_is_asked_in_an_order_and_its_reverse() -> None:
    for labelled in LABELLED:
        first, second = labelled["ai"]
        assert first["judge"] == second["judge"] == "simulated-judge"
        assert first["order"] == second["order"][::-1]


def test_result_depends_on_instance_and_seed_only() -> None:
    backwards = [simulate_labels(record, seed=SEED) for record in reversed(RAW)]
    assert backwards[::-1] == LABELLED
    others = [simulate_labels(record, seed=SEED + 1) for record in RAW]
    changed = [a["human"] != b["human"] for a, b in zip(LABELLED, others, strict=True)]
    assert np.mean(changed) > 0.9


def test_the_pool_of_people_is_as_large_as_asked() -> None:
    few = simulate_labels(tiny(), seed=1, annotators=2)
    assert [label["annotator"] for label in few["human"]] == [
        "simulated-person-1",
        "simulated-person-2",
    ]
    names = {
        label["annotator"]
        for record in RAW
        for label in simulate_labels(record, seed=SEED, annotators=9)["human"]
    }
    assert names == {f"simulated-person-{number}" for number in range(1, 10)}


def test_a_person_is_the_same_on_every_instance_and_differs_from_others() -> None:
    assert person(1, seed=SEED) == person(1, seed=SEED)
    assert len({person(number, seed=SEED).skill for number in range(1, 6)}) == 5


def test_people_agree_with_quality_clearly_and_imperfectly() -> None:
    right = [
        sign(label["ranking"], i, j) == np.sign(q[i] - q[j])
        for record, labelled in zip(RAW, LABELLED, strict=True)
        for q in [[completion["quality"] for completion in record["responses"]]]
        for label in labelled["human"]
        for i, j in pairs(len(q))
        if q[i] != q[j] and sign(label["ranking"], i, j)
    ]
    assert 0.8 < np.mean(right) < 0.97


def test_people_tie_more_when_qualities_are_close() -> None:
    def tie_share(gap: float) -> float:
        completions = [
            {"text": "a", "quality": 0.5, "fault": ""},
            {"text": "b", "quality": 0.5 + gap, "fault": ""},
        ]
        labels = [
            label
            for number in range(200)
            for label in simulate_labels(tiny(id=f"t-{number}", responses=completions), seed=1)[
                "human"
            ]
        ]
        return float(np.mean([label["ranking"] == [1, 1] for label in labels]))

    assert 0.1 < tie_share(0.0) < 0.35
    assert tie_share(0.5) < tie_share(0.0) / 2


def test_people_disagree_sometimes() -> None:
    same = [
        sign(a["ranking"], i, j) == sign(b["ranking"], i, j)
        for labelled in LABELLED
        for a, b in combinations(labelled["human"], 2)
        for i, j in pairs(len(a["ranking"]))
    ]
    assert 0.6 < np.mean(same) < 0.9


def test_the_judge_flips_sometimes_and_never_without_bias_and_noise() -> None:
    def flip_rate(parameters: Parameters) -> float:
        flips = [
            sign(first["ranking"], i, j) * sign(second["ranking"], i, j) < 0
            for record in RAW
            for first, second in [simulate_labels(record, seed=SEED, parameters=parameters)["ai"]]
            for i, j in pairs(len(first["ranking"]))
        ]
        return float(np.mean(flips))

    assert 0.03 < flip_rate(Parameters()) < 0.25
    assert flip_rate(Parameters(position_bias=0.0, call_noise=0.0)) == 0
    assert flip_rate(Parameters(position_bias=2.0)) > flip_rate(Parameters())


def test_the_judge_favours_the_completion_shown_first() -> None:
    def mean_verdict(position_bias: float) -> float:
        verdicts = [
            sign(call["ranking"], call["order"][0], call["order"][-1])
            for record in RAW
            for call in simulate_labels(
                record, seed=SEED, parameters=Parameters(position_bias=position_bias)
            )["ai"]
        ]
        return float(np.mean(verdicts))

    assert mean_verdict(0.0) == pytest.approx(0.0, abs=0.03)
    assert mean_verdict(0.5) > 0.05
    assert mean_verdict(50.0) == 1.0


def test_a_guessing_person_follows_their_own_side() -> None:
    def agreement_with_side(side_bias: float) -> float:
        guessing = Parameters(skill=(0.0, 0.0), side_bias=side_bias)
        follows = [
            sign(label["ranking"], *label["order"][:2])
            * np.sign(person(number, seed=SEED, parameters=guessing).side_bias)
            for record in RAW
            for label in simulate_labels(record, seed=SEED, parameters=guessing)["human"]
            for number in [int(label["annotator"].rpartition("-")[2])]
        ]
        return float(np.mean(follows))

    assert agreement_with_side(1e-9) == pytest.approx(0.0, abs=0.12)
    assert agreement_with_side(1000.0) > 0.95


def test_the_judge_is_weaker_in_its_weak_domains() -> None:
    weak = judge_accuracy(weak=True, seeds=range(5))
    strong = judge_accuracy(weak=False, seeds=range(5))
    assert 0.55 < weak < 0.85
    assert strong > 0.88
    assert strong - weak > 0.1


def test_the_judge_prefers_the_longer_of_two_equal_completions() -> None:
    completions = [
        {"text": "short", "quality": 0.5, "fault": ""},
        {"text": "long " * 40, "quality": 0.5, "fault": ""},
    ]
    verdicts = [
        sign(call["ranking"], 1, 0)
        for number in range(100)
        for call in simulate_labels(tiny(id=f"l-{number}", responses=completions), seed=1)["ai"]
    ]
    assert np.mean(verdicts) > 0.3


@pytest.mark.parametrize(
    ("meta", "weak"),
    [
        ({"domain": "mathematics", "language": "en"}, True),
        ({"domain": "history", "language": "de"}, True),
        ({"domain": "history", "language": "en"}, False),
        ({}, False),
    ],
)
def test_where_the_judge_is_weak(meta: dict[str, str], *, weak: bool) -> None:
    assert is_weak(meta) is weak


@pytest.mark.parametrize(
    ("utilities", "ranks"),
    [
        ([3.0, 1.0], [1, 2]),
        ([1.0, 1.2], [1, 1]),
        ([0.0, 5.0, 1.0, 1.1], [4, 1, 2, 2]),
        # A chain of small steps is no tie between its ends: groups are measured from their best.
        ([1.0, 0.6, 0.2], [1, 1, 3]),
        ([2.0], [1]),
    ],
)
def test_ranks_of_groups(utilities: list[float], ranks: list[int]) -> None:
    assert ranks_of_groups(utilities, tie=0.5) == ranks


@pytest.mark.parametrize(
    ("record", "annotators", "message"),
    [
        (tiny(responses=[{"text": "a"}, {"text": "b"}]), 5, "needs a quality"),
        (tiny(responses=[{"text": "a", "quality": 1.5}]), 5, "needs a quality"),
        (tiny(human=[{"annotator": "w1", "ranking": [1, 2]}]), 5, "has labels already"),
        (tiny(), 0, "at least one"),
    ],
)
def test_refusals(record: dict[str, Any], annotators: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        simulate_labels(record, seed=1, annotators=annotators)


def test_the_module_is_pure() -> None:
    code = (
        "import sys; sys.path.append('platform'); import annotation.instances.simulation;"
        "print(sorted({'django', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert found.stdout.strip() == "[]"
