"""Every policy preset against a computation in plain floats on logits of one to three tokens."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.training.hand import (
    FIRST,
    KL_A,
    KL_B,
    PA,
    PB,
    PC,
    POLICY,
    REFERENCE,
    A,
    B,
    C,
    alignment,
    bernoulli_kl,
    log_odds,
    loss,
    nls,
    sigmoid,
    signals_of,
    token_logps,
)
from training.objectives.preference import Preference
from training.objectives.presets import names, resolve

W, L = 0.1 * A, 0.1 * B
D = W - L
NAN = math.nan
SURE = Preference((1.0, 0.0), pair_p=0.7)
STRONG = Preference((1.0, 0.0), margin=3.0)
RATED = Preference((1.0, 0.0), attributes={"safe": (1.0, 3.0)})
THREE = Preference((3.0, 1.0, 2.5))
Case = tuple[str, dict[str, Any], Preference, float]

PAIRS: list[Case] = [
    ("dpo", {}, FIRST, nls(D)),
    ("dpo", {"beta": 0.5}, Preference((0.0, 1.0)), nls(0.5 * (B - A))),
    ("cdpo", {"smoothing": 0.2}, FIRST, 0.8 * nls(D) + 0.2 * nls(-D)),
    ("dpo_soft", {}, SURE, 0.7 * nls(D) + 0.3 * nls(-D)),
    (
        "rdpo_robust",
        {"noise": {"judge": 0.2}},
        Preference((1.0, 0.0), source="judge"),
        (0.8 * nls(D) - 0.2 * nls(-D)) / 0.6,
    ),
    ("ipo", {"beta": 0.2}, FIRST, (A / 2 - B / 3 - 1 / 0.4) ** 2),
    ("ipo_sum", {"beta": 0.2}, FIRST, (A - B - 1 / 0.4) ** 2),
    ("hinge", {"beta": 0.3}, FIRST, max(0.0, 1 - 0.3 * (A - B))),
    ("dpo_norm", {"beta": 5.0}, FIRST, nls(5 * (A / 2 - B / 3))),
    (
        "exo_pair",
        {"exo_smoothing": 0.01},
        FIRST,
        bernoulli_kl(sigmoid(D), 0.99),
    ),
    ("nca_pair", {}, FIRST, nls(W) + nls(-W) / 2 + nls(-L) / 2),
    ("bco_pair", {}, FIRST, nls(W) + nls(-L)),
    ("apo_zero", {}, FIRST, 1 - sigmoid(W) + sigmoid(L)),
    ("apo_down", {}, FIRST, sigmoid(W) + 1 - sigmoid(D)),
    ("sppo_hard", {}, FIRST, (A - 5) ** 2 + (B + 5) ** 2),
    ("aot", {}, FIRST, nls(D)),
    ("aot_unpaired", {}, FIRST, nls(D)),
    (
        "discopop",
        {},
        FIRST,
        (1 - sigmoid(D / 0.05)) * nls(D) + sigmoid(D / 0.05) * math.exp(-D),
    ),
    ("focal_po", {"focus": 2.0}, FIRST, sigmoid(D) ** 2 * nls(D)),
    ("beta_dpo", {}, FIRST, nls(D)),
    ("wpo", {}, FIRST, math.exp(alignment("a") + alignment("b")) * nls(D)),
    ("dpop", {}, FIRST, nls(W - 5 * max(0.0, -W) - L)),
    ("dpop", {}, Preference((0.0, 1.0)), nls(L - 5 * max(0.0, -L) - W)),
    ("rpo_sft", {"nll_weight": 0.3}, FIRST, nls(D) - 0.3 * PA / 2),
    ("fdpo_forward_kl", {}, FIRST, nls(0.1 * (math.exp(-B) - math.exp(-A)))),
    ("fdpo_js", {}, FIRST, nls(0.1 * (nls(B) - nls(A)))),
    (
        "fdpo_alpha",
        {"divergence_alpha": 0.3},
        FIRST,
        nls(0.1 * (math.exp(-0.7 * A) - math.exp(-0.7 * B)) / -0.7),
    ),
    ("joint_2404_00530", {}, FIRST, nls(D)),
]
TOKENS: list[Case] = [
    ("tdpo1", {}, FIRST, nls(D - 0.1 * (KL_B - KL_A))),
    ("tdpo2", {"kl_weight": 0.7}, FIRST, nls(D - 0.07 * (KL_B - KL_A))),
    ("tdpo2", {"kl_weight": 0.7}, Preference((0.0, 1.0)), nls(-D - 0.07 * (KL_A - KL_B))),
    (
        "ld_dpo",
        {"tail_weight": 0.4},
        FIRST,
        nls(
            D + 0.1 * 0.6 * (token_logps(POLICY["b"])[2] - token_logps(REFERENCE["b"])[2]),
        ),
    ),
    ("rdpo_2403_19159", {"length_bonus": 0.2}, FIRST, nls(D + 0.2 * (2 - 3))),
]
FREE: list[Case] = [
    ("simpo", {"beta": 2.0, "gamma": 0.6}, FIRST, nls(2 * (PA / 2 - PB / 3) - 0.6)),
    (
        "alpha_po",
        {"reward_alpha": 0.5},
        FIRST,
        nls(2.5 * (math.exp(-PB / 6) - math.exp(-PA / 4)) / 0.5 - 1),
    ),
    (
        "orpo",
        {"preference_weight": 0.25},
        FIRST,
        -PA / 2 + 0.25 * nls(log_odds(PA / 2) - log_odds(PB / 3)),
    ),
    ("cpo", {}, FIRST, nls(0.1 * (PA - PB)) - PA / 2),
    ("slic", {"threshold": 2.0}, FIRST, max(0.0, 2 - PA + PB) - PA / 2),
    # sigma(log-odds of P) is P: the two terms are -log P(a) and -log(1 - P(b)).
    ("asft", {}, FIRST, -PA / 2 - math.log(1 - math.exp(PB / 3)) - PA / 2),
]
STRENGTH: list[Case] = [
    ("odpo", {"margin_scale": 0.5}, STRONG, nls(D - 1.5)),
    ("odpo", {"margin_shape": "log1p"}, STRONG, nls(D - math.log(4))),
    ("mappo", {"margin_scale": 0.1}, STRONG, nls(W - 0.3 * L)),
    ("rpo_sq_2406_11704", {}, STRONG, (D - 3) ** 2),
    ("rpo_bwd_2406_11704", {}, STRONG, bernoulli_kl(sigmoid(3), sigmoid(D))),
    ("rpo_fwd_2406_11704", {}, STRONG, bernoulli_kl(sigmoid(D), sigmoid(3))),
    ("modpo", {}, FIRST, nls(D)),
    (
        "modpo",
        {"attribute_weights": {"safe": 0.4}, "aim_weight": 0.6},
        RATED,
        nls((W - 0.4 * 1) / 0.6 - (L - 0.4 * 3) / 0.6),
    ),
]
# The drift is beta times the mean log-ratio of the mismatched completion, 1.5.
SINGLES: list[Case] = [
    ("kto", {}, FIRST, (sigmoid(0.15 - W) + sigmoid(L - 0.15)) / 2),
    (
        "kto",
        {"desirable_weight": 2.0, "undesirable_weight": 0.5},
        FIRST,
        (2 * sigmoid(0.15 - W) + 0.5 * sigmoid(L - 0.15)) / 2,
    ),
    ("bco", {}, FIRST, (nls(W) + nls(-L)) / 2),
    ("apo_zero_unpaired", {}, FIRST, (sigmoid(-W) + sigmoid(L)) / 2),
    ("sppo", {}, SURE, ((A - 2) ** 2 + (B + 2) ** 2) / 2),
]
LIKELIHOOD: list[Case] = [
    ("sft", {}, Preference((0.0, 1.0)), -PB / 3),
    ("filtered_sft", {}, Preference((1.0, 0.0)), -PA / 2),
    ("rwr", {}, FIRST, (math.exp(1) * -PA / 2 - PB / 3) / 2),
    ("rwr", {"temperature": 2.0}, FIRST, (math.exp(0.5) * -PA / 2 - PB / 3) / 2),
]


@pytest.mark.parametrize(
    ("name", "options", "preference", "expected"),
    [*PAIRS, *TOKENS, *FREE, *STRENGTH, *SINGLES, *LIKELIHOOD],
)
def test_pair_equals_hand_computation(
    name: str, options: dict[str, Any], preference: Preference, expected: float
) -> None:
    objective = resolve("policy", name, options)
    assert loss(signals_of(), objective, preference) == pytest.approx(expected, abs=1e-9)


def ordered(scores: list[float], relevance: list[float]) -> list[float]:
    return [scores[k] for k in sorted(range(len(scores)), key=lambda k: -relevance[k])]


S3 = [0.1 * A, 0.1 * B, 0.1 * C]
M3 = [PA / 2, PB / 3, PC]
R3 = [3.0, 1.0, 2.5]


def plackett_luce(scores: list[float], relevance: list[float]) -> float:
    best = ordered(scores, relevance)
    return sum(math.log(sum(math.exp(s) for s in best[k:])) - best[k] for k in range(len(best)))


def lambda_loss(scores: list[float], relevance: list[float]) -> float:
    by_score = sorted(range(len(scores)), key=lambda k: -scores[k])
    total = 0.0
    for i, first in enumerate(relevance):
        for j, second in enumerate(relevance):
            if first > second:
                ranks = by_score.index(i) + 1, by_score.index(j) + 1
                places = [1 / math.log(1 + rank) for rank in ranks]
                gain = abs(2**first - 2**second)
                weight = gain * abs(places[0] - places[1])
                total += weight * nls(scores[i] - scores[j])
    return total


def gap_temperature(scores: list[float], relevance: list[float]) -> float:
    s, r = ordered(scores, relevance), sorted(relevance, reverse=True)
    total = 0.0
    for k in range(len(s) - 1):
        largest = r[k] - r[-1]
        rest = sum(math.exp(s[i] * (r[k] - r[i])) for i in range(k + 1, len(s)))
        total += math.log(math.exp(s[k] * largest) + rest) - s[k] * largest
    return total


def rank_hinge(scores: list[float], relevance: list[float]) -> float:
    return sum(
        max(0.0, scores[j] - scores[i])
        for i in range(len(scores))
        for j in range(len(scores))
        if relevance[i] > relevance[j]
    )


def soft(relevance: list[float]) -> list[float]:
    total = sum(math.exp(r) for r in relevance)
    return [math.exp(r) / total for r in relevance]


def info_nca(scores: list[float], relevance: list[float]) -> float:
    total = math.log(sum(math.exp(s) for s in scores))
    return sum(t * (total - s) for t, s in zip(soft(relevance), scores, strict=True))


def nca(scores: list[float], relevance: list[float]) -> float:
    wanted = sum(t * nls(s) for t, s in zip(soft(relevance), scores, strict=True))
    return wanted + sum(nls(-s) for s in scores) / len(scores)


LISTS: list[tuple[str, float]] = [
    ("pl_dpo", plackett_luce(S3, R3)),
    ("lipo_lambda", lambda_loss(S3, R3)),
    ("pro_2306_17492", gap_temperature(M3, R3) - 0.05 * PA / 2),
    ("rrhf", rank_hinge(M3, R3) - PA / 2),
    ("info_nca", info_nca(S3, R3)),
    ("nca", nca(S3, R3)),
    ("tpo_2405_16681", nls(0.1 * (PC - PB)) - PA / 2),
    ("tpo_l_2405_16681", nls(2 * (PC - PB / 3) - 1) - PA / 2),
    ("filtered_sft", (-PA / 2 - PC) / 2),
    ("dpo", (nls(0.1 * (A - B)) + nls(0.1 * (A - C)) + nls(0.1 * (C - B))) / 3),
    ("kto", (sigmoid(0.15 - W) + sigmoid(0.15 - 0.1 * C) + sigmoid(L - 0.15)) / 3),
    # Of two others a beats both, c one, b none.
    ("sppo", ((A - 5) ** 2 + (B + 5) ** 2 + C**2) / 3),
]


@pytest.mark.parametrize(("name", "expected"), LISTS)
def test_list_of_three_equals_hand_computation(name: str, expected: float) -> None:
    objective = resolve("policy", name)
    assert loss(signals_of("abc"), objective, THREE) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["lipo_lambda", "info_nca", "nca", "pro_2306_17492"])
def test_unranked_completions_are_left_out_of_lists(name: str) -> None:
    objective = resolve("policy", name, {"nll_weight": 0.0})
    partly = Preference((3.0, NAN, 2.5))
    without = loss(signals_of("ac"), objective, Preference((3.0, 2.5)))
    if name in ("lipo_lambda", "info_nca", "nca", "pro_2306_17492"):
        assert loss(signals_of("abc"), objective, partly) == pytest.approx(without)


def test_every_policy_preset_has_a_case() -> None:
    cases = [*PAIRS, *TOKENS, *FREE, *STRENGTH, *SINGLES, *LIKELIHOOD, *LISTS]
    assert {case[0] for case in cases} == set(names("policy"))
