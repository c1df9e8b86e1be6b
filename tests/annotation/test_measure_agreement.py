"""Agreement against textbook values, against a second implementation, and on real votes."""

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.quality.agreement import (
    alpha_of,
    cohen_kappa,
    fleiss_kappa,
    krippendorff,
    krippendorff_interval,
    units_of,
)

SHARED = Path(__file__).parents[3] / "shared" / "data" / "norm"
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C/D: 4 observers.
TEXTBOOK = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]
units = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=2, max_size=12)


def test_alpha_of_the_textbook() -> None:
    assert krippendorff(TEXTBOOK) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff(TEXTBOOK, "ordinal") == pytest.approx(0.815, abs=5e-4)


@settings(max_examples=30, deadline=None)
@given(units)
def test_the_resampled_statistic_is_the_same_alpha(given_units: list[list[int]]) -> None:
    from annotation.quality.agreement import coincidences

    table = sum((coincidences(u, [0, 1, 2]) for u in given_units if len(u) > 1), np.zeros((3, 3)))
    if not table.any():
        assert math.isnan(krippendorff(given_units))
        return
    for measure in ("nominal", "ordinal"):
        assert alpha_of(table, measure) == pytest.approx(krippendorff(given_units, measure))


def test_unanimity_and_nothing_shared() -> None:
    assert krippendorff([[1, 1], [1, 1]]) == 1
    assert math.isnan(krippendorff([[1], [2]]))


def test_intervals_resample_prompts_not_labels() -> None:
    rng = np.random.default_rng(0)
    # Ten prompts with eight units each; agreement differs by prompt only.
    labels = [[0, 0, 0] if prompt % 2 else [0, 1, 2] for prompt in range(10) for _ in range(8)]
    labels = [list(rng.permutation(unit)) for unit in labels]
    prompts = [f"p{n // 8}" for n in range(80)]
    clustered = krippendorff_interval(labels, prompts)
    apart = krippendorff_interval(labels, [str(n) for n in range(80)])
    assert clustered.low <= clustered.value <= clustered.high
    assert clustered.high - clustered.low > 1.5 * (apart.high - apart.low)
    assert (clustered.clusters, clustered.few_prompts, apart.few_prompts) == (10, True, False)


def test_cohen_kappa_by_hand() -> None:
    # 50 units: 20 and 15 agree, 5 and 10 do not: po 0.7, pe 0.5, kappa 0.4.
    first = [0] * 25 + [1] * 25
    second = [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa([1, 1], [1, 1]) == 1
    assert math.isnan(cohen_kappa([], []))


def test_fleiss_kappa_by_hand() -> None:
    # Two units of two raters: agreement 1 and 0, so P = 0.5; shares 3/4 and 1/4, so Pe = 0.625.
    assert fleiss_kappa([[0, 0], [0, 1]]) == pytest.approx((0.5 - 0.625) / 0.375)
    assert fleiss_kappa([[0, 0], [0, 0]]) == 1
    assert math.isnan(fleiss_kappa([[0]]))


def test_rankings_as_pair_labels() -> None:
    assert units_of({"a": [(1, 2, 2), (2, 1, 3)]}) == [
        ("a", [0, 1]),
        ("a", [0, 0]),
        ("a", [2, 0]),
    ]


@pytest.mark.shared
@pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the real data in ../shared beside the checkout"
)
@pytest.mark.parametrize(
    ("name", "alpha"), [("crowdrag25_pairs", 0.164), ("llmfao", 0.291), ("pandalm_testset", 0.864)]
)
def test_alpha_of_real_votes_is_the_published_check(name: str, alpha: float) -> None:
    labels: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    prompts = {}
    with (SHARED / f"{name}.jsonl").open(encoding="utf-8") as file:
        for line in map(json.loads, file):
            prompts[line["id"]] = json.dumps(line["prompt"])
            labels[line["id"]] = [tuple(vote["ranking"]) for vote in line["human"]]
    found = units_of(labels)
    estimate = krippendorff_interval(
        [codes for _, codes in found], [prompts[instance] for instance, _ in found], resamples=200
    )
    assert round(estimate.value, 3) == alpha
    assert estimate.low < alpha < estimate.high
    assert estimate.clusters == len(set(prompts.values()))
