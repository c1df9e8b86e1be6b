"""What more labels would give: rises where there is something to learn, nothing where not."""

from dataclasses import replace

import numpy as np
import pytest

from routing.features.table import FeatureTable
from routing.lab.curves import replay
from routing.lab.dual import DualSet
from routing.lab.learning_value import SHARES, learning_value
from routing.lab.plan import Options
from routing.lab.replay import Asked
from routing.lab.stored import replayed
from routing.predictor import proxy
from tests.routing import planted

OPTIONS = Options(resamples=200)


def dual(n: int, d: int, *, learnable: bool = True, noise: float = 0.0) -> DualSet:
    """One prompt each; people follow a direction, or toss a coin."""
    rng = np.random.default_rng(4)
    D = rng.normal(size=(n, d))
    side = (D @ rng.normal(size=d) > 0) != (rng.random(n) < noise)
    human = side if learnable else rng.random(n) < 0.5
    tags = tuple("law" if i % 4 == 0 else "chat|law" if i % 40 == 1 else "chat" for i in range(n))
    return DualSet(
        keys=tuple(str(i) for i in range(n)),
        prompts=tuple(f"p{i}" for i in range(n)),
        votes=tuple((float(each),) for each in human),
        judge=np.full(n, 0.7),
        features=FeatureTable(("a",), np.zeros((n, 1)), {"domain": tags}),
        length_difference=np.zeros(n),
        vote_cost=np.ones(n),
        judge_cost=np.zeros(n),
        differences=D,
    )


def test_more_labels_help_where_there_is_something_to_learn() -> None:
    every, *kinds = learning_value(dual(800, 150), OPTIONS, 4)
    values = [each.value for each in every.accuracy if each]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.05
    assert every.clear
    assert every.labels == pytest.approx([140, 280, 420, 560], abs=1)
    assert {line.kind: line.instances for line in kinds} == {"chat": 600, "law": 220}
    assert len(every.accuracy) == len(SHARES)


def test_coins_are_learned_by_nobody_and_no_tested_prompt_was_trained_on() -> None:
    (every, *_) = learning_value(dual(200, 150, learnable=False), OPTIONS, 4)
    last = every.accuracy[-1]
    assert last
    # A head of 150 directions would know 140 labels by heart if it had seen them.
    assert last.low < 0.5 < last.high + 0.05
    assert not every.clear
    assert every.last
    assert every.last.low < 0 < every.last.high


def test_larger_shares_hold_the_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    fit = proxy.fit_heads

    def watched(D: np.ndarray, P: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
        seen.append(weights)
        return np.asarray(fit(D, P, weights, ridge))

    monkeypatch.setattr(proxy, "fit_heads", watched)
    learning_value(dual(60, 3), OPTIONS, 2)
    for weights in seen:
        assert (np.diff(weights, axis=0) >= 0).all()
        assert weights[-1].all()


def test_without_embeddings_or_with_few_prompts_there_are_no_lines() -> None:
    made = dual(60, 3)
    assert learning_value(replace(made, differences=None), OPTIONS, 2) == ()
    assert learning_value(made.take(np.arange(10)), OPTIONS, 2) == ()


def test_a_replay_tells_it_and_reads_it_back() -> None:
    asked = Asked(arms=("random",), budgets=(0.5,), seeds=2)
    found = replay(planted.dual(150), asked)
    assert found.value
    assert found.value[0].kind == ""
    assert replayed(found.to_json()) == found
    older = {name: value for name, value in found.to_json().items() if name != "value"}
    assert replayed(older).value == ()
