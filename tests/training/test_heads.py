"""Reward heads: the same in every layout, and each learns what only it can learn."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import torch

from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.figures.metrics import correlation
from training.fit.heads.modules import attach, attached, poisson, win_log_odds
from training.fit.heads.settings import Head, HeadSpec, head_spec
from training.fit.models.loading import head_of
from training.fit.scoring.backbone import Backbone
from training.fit.scoring.reward import CausalRewardScorer, EncoderRewardScorer
from training.fit.scoring.scorers import make_scorer
from training.objectives.head_losses import skew_product
from training.objectives.preference import Preference

from .head_models import (
    HEADS,
    PRESETS,
    accuracy,
    head_model,
    loss_of,
    pair,
    pairs,
    rated_groups,
    shake,
    spec_for,
    train,
)
from .test_layout_parity import _Sized, assert_same_gradients
from .tiny import bert_model

GOOD, BAD = (5, 6, 7), (8, 9, 10)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
@pytest.mark.parametrize("name", list(HEADS))
def test_packed_and_plain_rows_give_the_same_loss_and_gradients(
    name: str, architecture: str
) -> None:
    members = rated_groups()
    model = head_model(spec_for(HEADS[name], members), architecture)
    shake(model)
    losses = []
    for layout in ("shared", "plain"):
        scorer = make_scorer(model, "reward", _Sized(), layout=layout, precision="fp32")
        assert isinstance(scorer, CausalRewardScorer)
        assert scorer.backbone.layout == layout
        losses.append(loss_of(scorer.signals(members), members, PRESETS.get(name, "bt")))
    assert_same_gradients(model, losses[0], losses[1])


def test_the_shared_layout_is_found_exact_whatever_the_head() -> None:
    members = rated_groups()
    model = head_model(spec_for(HEADS["ideal_point"], members))
    scorer = make_scorer(model, "reward", _Sized(), layout="auto", precision="fp32")
    assert isinstance(scorer, CausalRewardScorer)
    assert scorer.backbone.layout == "shared"


def test_an_encoder_has_heads_too_but_no_gate_on_the_prompt() -> None:
    members = rated_groups((2, 2))
    for name in ("ensemble", "annotators", "attributes_constant"):
        spec = spec_for(HEADS[name], members)
        model = bert_model(num_labels=spec.outputs)
        attach(model, spec)
        signals = EncoderRewardScorer(model, 0, typed=True).signals(members)
        loss = loss_of(signals, members, PRESETS.get(name, "bt"))
        loss.backward()  # type: ignore[no-untyped-call]
        assert head_of(model).weight.grad is not None
    spec = spec_for(HEADS["mixture"], members)
    model = bert_model(num_labels=spec.outputs)
    attach(model, spec)
    with pytest.raises(RefusalError, match="reads the prompt alone"):
        EncoderRewardScorer(model, 0, typed=True)


def opposed(count: int, seed: int) -> list[TokenGroup]:
    """Pairs of which annotator a likes the one kind and annotator b the other."""

    def make(chance: random.Random, number: int) -> TokenGroup:
        annotator = "ab"[number % 2]
        first = tuple(chance.choices(GOOD, k=4))
        second = tuple(chance.choices(BAD, k=4))
        swap = chance.random() < 0.5
        sides = (second, first) if swap else (first, second)
        likes_first = (annotator == "a") != swap
        prompt = (chance.randrange(20, 60),)
        return pair(prompt, *sides, first_wins=likes_first, annotator=annotator)

    return pairs(count, make, seed)


PERSONAL = {
    "annotators": Head("annotators", size=3, prior=0.1),
    "simplex": Head("annotators", size=3, prior=0.1, weights="simplex"),
    "ideal_point": Head("ideal_point", size=3, prototypes=2, prior=0.1),
    "mixture": Head("mixture", size=2, prior=0.1, gate="constant"),
}


@pytest.mark.parametrize("name", list(PERSONAL))
def test_opposed_annotators_need_vectors_of_their_own(name: str) -> None:
    members, held_out = opposed(48, seed=1), opposed(40, seed=2)
    scalar = train(head_model(HeadSpec()), members, "bt")
    assert accuracy(scalar, held_out) < 0.65
    scorer = train(head_model(spec_for(PERSONAL[name], members)), members, "bt")
    assert accuracy(scorer, held_out) > 0.9
    scorer.annotator = "a"
    of_a = [group for group in held_out if group.preference.annotator == "a"]
    of_b = [group for group in held_out if group.preference.annotator == "b"]
    assert accuracy(scorer, of_a) > 0.9
    assert accuracy(scorer, of_b) < 0.1


def test_an_unknown_annotator_is_everybody() -> None:
    members = opposed(8, seed=1)
    model = head_model(spec_for(HEADS["annotators"], members))
    shake(model)
    scorer = CausalRewardScorer(Backbone(model))
    found = []
    for annotator in ("", "somebody else"):
        scorer.annotator = annotator
        found.append(scorer.signals(members).reward)
    assert found[0] is not None
    assert found[1] is not None
    assert torch.equal(found[0], found[1])


def test_few_labels_stay_near_the_shared_vector() -> None:
    """b's two labels against a's many pull its vector less far than twenty of its own would."""
    distances = []
    for labels in (2, 20):
        many = [g for g in opposed(60, seed=1) if g.preference.annotator == "a"]
        few = [g for g in opposed(60, seed=2) if g.preference.annotator == "b"][:labels]
        spec = spec_for(Head("annotators", size=3, prior=3.0), many + few)
        model = head_model(spec)
        train(model, many + few, "bt")
        head = attached(model)
        assert head is not None
        distances.append(float(head.deviation.detach()[head.rows["b"]].norm()))
    assert distances[0] < 0.6 * distances[1]


def test_the_prior_counts_once_over_all_labels_of_an_annotator() -> None:
    members = [g for g in opposed(12, seed=1) if g.preference.annotator == "a"]
    model = head_model(spec_for(Head("annotators", size=3, prior=2.0), members))
    shake(model)
    head = attached(model)
    assert head is not None
    prior = CausalRewardScorer(Backbone(model)).signals(members).head
    assert prior is not None
    assert prior.prior is not None
    found, whole = prior.prior.detach().sum(), head.deviation.detach()[0].square().sum()
    assert float(found) == pytest.approx(float(whole))


CYCLE = ((5, 5, 5), (6, 6, 6), (7, 7, 7))


def rock_paper_scissors(chance: random.Random, _: int) -> TokenGroup:
    kind = chance.randrange(3)
    winner, loser = CYCLE[kind], CYCLE[(kind + 1) % 3]
    swap = chance.random() < 0.5
    sides = (loser, winner) if swap else (winner, loser)
    return pair((chance.randrange(20, 60),), *sides, first_wins=not swap)


def test_a_cycle_needs_general_preference() -> None:
    members = pairs(48, rock_paper_scissors, 1)
    held_out = pairs(60, rock_paper_scissors, 2)
    scalar = train(head_model(HeadSpec()), members, "bt")
    # However a scalar ranks the three, one of the three comparisons is wrong.
    assert accuracy(scalar, held_out) < 0.8
    scorer = train(head_model(spec_for(HEADS["preference"], members)), members, "bt")
    assert accuracy(scorer, held_out) > 0.95


def test_general_preference_ranks_by_mean_win_rate() -> None:
    torch.manual_seed(0)
    vectors, scale = torch.randn(4, 6), torch.rand(3)
    found = win_log_odds(vectors, scale)
    for k in range(4):
        wins = [
            torch.sigmoid(skew_product(vectors[k], vectors[j], scale)) for j in range(4) if j != k
        ]
        rate = float(torch.stack(wins).mean())
        assert float(found[k]) == pytest.approx(math.log(rate / (1 - rate)) / 2, abs=1e-5)
    two = win_log_odds(vectors[:2], scale)
    expected = skew_product(vectors[0], vectors[1], scale)
    assert float(two[0] - two[1]) == pytest.approx(float(expected), abs=1e-5)
    assert win_log_odds(vectors[:1], scale).tolist() == [0.0]


def rated(chance: random.Random, number: int) -> TokenGroup:
    """`many` counts token 5, `late` says whether 6 ends it; the prompt says which one decides."""
    sides = [tuple(chance.choices((5, 6, 7), k=4)) for _ in range(2)]
    ratings = {
        "many": tuple(float(side.count(5)) for side in sides),
        "late": tuple(4.0 * (side[-1] == 6) for side in sides),
    }
    decides = ("many", "late")[number % 2]
    first, second = ratings[decides]
    preference = Preference((first, second), attributes=ratings)
    return TokenGroup((30 + number % 2,), (sides[0], sides[1]), preference)


def test_attributes_are_recovered_and_weighed_by_the_prompt() -> None:
    members, held_out = pairs(80, rated, 1), pairs(60, rated, 2)
    model = head_model(spec_for(HEADS["attributes"], members))
    scorer = train(model, members, "attributes", steps=600)
    with torch.no_grad():
        found = scorer.signals(held_out).head
    assert found is not None
    assert found.attributes is not None
    assert found.ratings is not None
    for column in range(2):
        said, given = found.attributes[:, column].tolist(), found.ratings[:, column].tolist()
        assert correlation(said, given) > 0.8
    decided = [g for g in held_out if len(set(g.preference.relevance)) == 2]
    binary = [
        replace(
            g,
            preference=Preference(
                tuple(float(r == max(g.preference.relevance)) for r in g.preference.relevance)
            ),
        )
        for g in decided
    ]
    assert accuracy(scorer, binary) > 0.85


def test_members_disagree_where_labels_contradict() -> None:
    """Certain kinds have one probability throughout; of the others the labels are dice."""

    def make(chance: random.Random, number: int) -> TokenGroup:
        prompt = (chance.randrange(20, 60),)
        if number % 2:
            group = pair(prompt, (5, 5), (6, 6), first_wins=True, pair_p=0.8)
        else:
            p = float(chance.random() < 0.5)
            group = pair(prompt, (8, 8), (9, 9), first_wins=p > 0.5, pair_p=p)
        return replace(group, instance_id=f"row {number}")

    members = pairs(24, make, 3)
    model = head_model(spec_for(Head("ensemble", size=6), members))
    head_of(model).weight.data.zero_()
    scorer = train(model, members, "bt_soft")
    with torch.no_grad():
        variance = scorer.signals(members[:2]).head
    assert variance is not None
    assert variance.variance is not None
    contradicted, certain = variance.variance.view(2, 2).mean(1).tolist()
    assert contradicted > 2 * certain


def test_bootstrap_draws_are_poisson_and_fixed_by_the_name() -> None:
    draws = [poisson(f"row/{k}") for k in range(2000)]
    assert draws == [poisson(f"row/{k}") for k in range(2000)]
    assert sum(draws) / 2000 == pytest.approx(1, abs=0.07)
    assert draws.count(0) / 2000 == pytest.approx(math.exp(-1), abs=0.04)


def test_a_distribution_is_wide_where_labels_contradict() -> None:
    def make(chance: random.Random, number: int) -> TokenGroup:
        prompt = (chance.randrange(20, 60),)
        if number % 2:
            return pair(prompt, (5, 5), (6, 6), first_wins=True)
        return pair(prompt, (8, 8), (9, 9), first_wins=number % 4 == 0)

    members = pairs(32, make, 3)
    scorer = train(head_model(spec_for(HEADS["distribution"], members)), members, "dpl")
    with torch.no_grad():
        found = scorer.signals(members[:2]).head
    assert found is not None
    assert found.variance is not None
    contradicted, certain = found.variance.view(2, 2).mean(1).tolist()
    assert contradicted > 2 * certain


def test_the_quality_part_forgets_length() -> None:
    """Longer wins in all pairs but those that quality decides; quality alone is kept."""

    def make(chance: random.Random, number: int) -> TokenGroup:
        good = chance.random() < 0.5
        long, short = chance.randint(6, 9), chance.randint(1, 3)
        first = tuple(chance.choices(GOOD if good else BAD, k=long))
        second = tuple(chance.choices(BAD if good else GOOD, k=short))
        return pair((chance.randrange(20, 60),), first, second, first_wins=True)

    members, held_out = pairs(64, make, 1), pairs(48, make, 2)
    rhos = []
    for name in ("scalar", "length"):
        scorer = train(head_model(spec_for(HEADS[name], members)), members, "bt")
        with torch.no_grad():
            signals = scorer.signals(held_out)
        assert signals.reward is not None
        rhos.append(abs(correlation(signals.reward.tolist(), signals.tokens.tolist())))
    assert rhos[0] > 0.5
    assert rhos[1] < 0.4


def test_heads_that_the_data_cannot_train_are_refused() -> None:
    with pytest.raises(RefusalError, match="no training row rates any"):
        head_spec(Head("attributes"), [Preference((1.0, 0.0))])
    with pytest.raises(RefusalError, match="names its annotator"):
        head_spec(Head("annotators"), [Preference((1.0, 0.0))])
    spec = head_spec(Head("mixture"), [Preference((1.0, 0.0))])
    assert spec.annotators == ()


def test_annotators_of_the_base_keep_their_place() -> None:
    labels = [Preference((1.0, 0.0), annotator=name) for name in ("c", "b", "b")]
    base = HeadSpec(Head("annotators"), annotators=("d", "b"), labels=(4, 1))
    spec = head_spec(Head("annotators"), labels, base)
    assert spec.annotators == ("d", "b", "c")
    assert spec.labels == (0, 2, 1)
