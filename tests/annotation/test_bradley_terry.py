"""Strengths: parity with evalica, planted ties and style, intervals over prompts; cycles."""

from collections.abc import Sequence
from itertools import combinations, permutations

import evalica
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from annotation.consensus import cycles
from annotation.consensus.bradley_terry import (
    Comparisons,
    Vector,
    bootstrap,
    counted,
    fit,
    groups_of,
    ranks,
    wins_of,
)


def drawn(
    strengths: Sequence[float],
    number: int = 4000,
    *,
    tie: float = 0.0,
    prompts: int = 200,
    seed: int = 0,
    noise: float = 0.0,
    style: float | None = None,
) -> Comparisons:
    """Comparisons from planted strengths; `noise` is shared by those of a prompt."""
    rng = np.random.default_rng(seed)
    n, s = len(strengths), np.array(strengths)
    first = rng.integers(0, n, number)
    second = (first + rng.integers(1, n, number)) % n
    cluster = rng.integers(0, prompts, number)
    x = rng.normal(0, 1, (number, 1))
    shared = rng.normal(0, noise, (prompts, n)) if noise else np.zeros((prompts, n))
    gap = s[first] - s[second] + shared[cluster, first] - shared[cluster, second]
    gap = gap + (style or 0) * x[:, 0]
    odds = np.stack([np.exp(gap / 2), np.exp(-gap / 2), np.full(number, tie)])
    at = rng.random(number) * odds.sum(axis=0)
    won, lost = at < odds[0], (at >= odds[0]) & (at < odds[:2].sum(axis=0))
    amounts = [each.astype(float) for each in (won, lost, ~won & ~lost)]
    given_style = x if style is not None else None
    return Comparisons(first, second, amounts[0], amounts[1], amounts[2], cluster, n, given_style)


def by_evalica(given_: Comparisons) -> Vector:
    winners = [
        evalica.Winner.X if w else evalica.Winner.Y if lost else evalica.Winner.Draw
        for w, lost in zip(given_.won, given_.lost, strict=True)
    ]
    found = evalica.bradley_terry(
        given_.first.tolist(), given_.second.tolist(), winners, tolerance=1e-13, limit=20000
    )
    logs: Vector = np.log([found.scores[k] for k in range(given_.contestants)])
    centred: Vector = logs - logs.mean()
    return centred


@pytest.mark.parametrize("tie", [0.0, 0.6])
def test_without_a_prior_strengths_are_those_of_evalica(tie: float) -> None:
    given_ = drawn([1.0, 0.5, 0.0, -0.5, -1.5], tie=tie)
    assert fit(given_.halved(), ridge=0.0).values == pytest.approx(by_evalica(given_), abs=1e-8)


def test_davidson_is_the_maximum_of_its_likelihood() -> None:
    given_ = drawn([0.8, 0.0, -0.8], 300, tie=0.7)
    found = fit(given_, ridge=0.0)

    def loss(parameters: np.ndarray) -> float:
        s, log_nu = np.append(parameters[:2], -parameters[:2].sum()), parameters[2]
        half = (s[given_.first] - s[given_.second]) / 2
        whole = np.log(np.exp(half) + np.exp(-half) + np.exp(log_nu))
        likely = given_.won * half - given_.lost * half + given_.tied * log_nu - whole
        return float(-likely.sum())

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    assert found.values[:2] == pytest.approx(best[:2], abs=1e-4)
    assert found.tie == pytest.approx(np.exp(best[2]), abs=1e-4)


def test_planted_ties_and_style_are_found() -> None:
    found = fit(drawn([1.0, 0.0, -1.0], 20_000, tie=0.5, style=0.4))
    assert found.values == pytest.approx([1, 0, -1], abs=0.06)
    assert found.tie == pytest.approx(0.5, abs=0.04)
    assert found.style == pytest.approx([0.4], abs=0.04)


def test_who_always_wins_and_who_never_met_have_numbers() -> None:
    always = Comparisons(
        *(np.array([0, 0]), np.array([1, 1])),
        *(np.ones(2), np.zeros(2), np.zeros(2)),
        cluster=np.array([0, 1]),
        contestants=4,
    )
    found = fit(always)
    assert np.isfinite(found.values).all()
    assert found.values[0] > found.values[1]
    assert sorted(map(len, groups_of(always))) == [1, 1, 2]


def test_a_draw_of_prompts_is_the_fit_to_their_comparisons() -> None:
    given_ = drawn([1.0, 0.0, -1.0], 600, tie=0.3, prompts=30)
    pairs, table = counted(given_)
    assert table.sum() == pytest.approx(600)
    drawn_ = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30))
    rows = np.repeat(np.arange(600), drawn_[given_.cluster])
    again = Comparisons(
        *(given_.first[rows], given_.second[rows]),
        *(given_.won[rows], given_.lost[rows], given_.tied[rows]),
        *(given_.cluster[rows], 3),
    )
    assert bootstrap(given_, resamples=1, seed=0)[0] == pytest.approx(fit(again).values, abs=1e-7)
    assert len(pairs) == 3


def test_intervals_know_that_comparisons_of_a_prompt_are_alike() -> None:
    given_ = drawn([0.5, 0.0, -0.5], 6000, prompts=60, noise=1.0)
    robust, naive = fit(given_), fit(given_, robust=False)
    spread = bootstrap(given_, resamples=300).std(axis=0)
    assert robust.errors == pytest.approx(spread, rel=0.25)
    assert (robust.errors > 2 * naive.errors).all()
    low, high = ranks(bootstrap(given_))
    assert all(1 <= a <= b <= 3 for a, b in zip(low, high, strict=True))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    hits = 0
    for seed in range(100):
        found = fit(drawn([0.5, 0.0, -0.5], 400, prompts=50, seed=seed), ridge=1e-9)
        hits += bool(abs(found.values[0] - 0.5) < 1.96 * found.errors[0])
    assert 88 <= hits <= 99


tables = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=n, max_size=n)
)


@given(tables)
@settings(max_examples=60, deadline=None)
def test_triads_are_those_of_brute_force(rows: list[list[int]]) -> None:
    wins = np.array(rows, dtype=np.float64)
    np.fill_diagonal(wins, 0)
    beats = wins > wins.T
    decided = [
        three
        for three in combinations(range(len(wins)), 3)
        if all(beats[a, b] or beats[b, a] for a, b in combinations(three, 2))
    ]
    rounds = {
        (a, b, c)
        for a, b, c in permutations(range(len(wins)), 3)
        if a < min(b, c) and beats[a, b] and beats[b, c] and beats[c, a]
    }
    assert cycles.count(wins) == cycles.Triads(len(decided), len(rounds))
    assert set(cycles.cycles(wins)) == rounds
    edges: cycles.Edges = {
        (str(a), str(b)): wins[a, b] - wins[b, a] for a, b in combinations(range(len(wins)), 2)
    }
    triads, found = cycles.within(edges)
    assert triads == cycles.count(wins)
    assert {tuple(int(str(node)) for node in each) for each in found} == rounds


def test_one_order_has_no_cycle_and_chance_has_a_quarter() -> None:
    order = np.triu(np.ones((8, 8)), 1)
    assert cycles.count(order) == cycles.Triads(56, 0)
    rng = np.random.default_rng(0)
    coin = np.triu(rng.random((40, 40)) < 0.5, 1).astype(float)
    chance = cycles.count(coin + np.tril(1 - coin.T, -1))
    assert chance.share == pytest.approx(cycles.BY_CHANCE, abs=0.03)
    assert chance.many


def test_wins_count_ties_half() -> None:
    given_ = Comparisons(
        *(np.array([0, 1]), np.array([1, 0])),
        *(np.array([1.0, 0.0]), np.zeros(2), np.array([0.0, 1.0])),
        cluster=np.array([0, 0]),
        contestants=2,
    )
    assert wins_of(given_).tolist() == [[0, 1.5], [0.5, 0]]
