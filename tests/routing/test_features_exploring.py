"""The explorer's figures: what is planted is found, and intervals need prompts."""

import numpy as np
import pytest

from routing.features.exploring import BARS, Dual, FeatureFacts, explore, ranks
from routing.features.table import FeatureTable, Floats

N = 600


def table(values: dict[str, Floats], **tags: tuple[str, ...]) -> FeatureTable:
    return FeatureTable(tuple(values), np.column_stack(list(values.values())), tags)


def planted(prompts: int = 200) -> tuple[FeatureTable, Dual]:
    """The judge errs where `gap` is large; `noise` says nothing, `double` the same as `gap`."""
    rng = np.random.default_rng(3)
    gap, noise = rng.random(N), rng.random(N)
    wrong = (rng.random(N) < 0.1 + 0.6 * gap).astype(np.float64)
    domain = tuple("law|art" if w and i % 2 else "law" for i, w in enumerate(wrong))
    found = table(
        {"gap": gap, "noise": noise, "double": 2 * gap, "same": np.full(N, 5.0)}, domain=domain
    )
    return found, Dual(found, wrong, np.arange(N) % prompts)


def facts(name: str, prompts: int = 200) -> FeatureFacts:
    explored = explore(*planted(prompts))
    return next(each for each in explored.features if each.name == name)


def test_a_feature_that_goes_with_disagreement_has_an_interval_above_zero() -> None:
    found, nothing = facts("gap").association, facts("noise").association
    assert found is not None
    assert found.low is not None
    assert found.low > 0.2
    assert found.count == N
    assert nothing is not None
    assert nothing.low is not None
    assert nothing.high is not None
    assert nothing.low < 0 < nothing.high


def test_it_is_spearmans_correlation() -> None:
    stats = pytest.importorskip("scipy.stats")
    found, dual = planted()
    expected = stats.spearmanr(found.values[:, 0], dual.wrong).statistic
    association = facts("gap").association
    assert association is not None
    assert association.value == pytest.approx(expected, abs=1e-9)
    assert ranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]


def test_the_bins_say_how_often_the_judge_differs() -> None:
    rates = [each.disagreement.value for each in facts("gap").bins if each.disagreement]
    assert rates == sorted(rates)
    assert rates[2] - rates[0] > 0.2
    assert [each.count for each in facts("gap").bins] == [200, 200, 200]


def test_features_that_say_the_same_are_named() -> None:
    ((name, rho),) = facts("gap").alike
    assert (name, round(rho, 9)) == ("double", 1.0)
    assert facts("noise").alike == ()


def test_a_constant_feature_is_told() -> None:
    same = facts("same")
    assert same.constant
    assert same.bins == ()
    assert same.association is None
    assert sum(same.bars) == N
    assert len(same.bars) == BARS


def test_few_prompts_give_no_interval() -> None:
    association = facts("gap", prompts=19).association
    assert association is not None
    assert association.low is None


def test_tags_of_several_values_are_counted_in_each() -> None:
    found, dual = planted()
    (tag,) = explore(found, dual).tags
    law, art = tag.values
    assert (law.words, law.count) == ("law", N)
    assert art.disagreement is not None
    assert art.disagreement.value == 1.0
    assert art.count == sum(entry == "law|art" for entry in found.categories["domain"])


def test_nothing_labelled_and_nothing_known() -> None:
    empty = table({"gap": np.full(3, np.nan)}, domain=("", "", ""))
    explored = explore(empty, Dual(empty.take(np.zeros(3, bool)), np.zeros(0), np.zeros(0, int)))
    (feature,) = explored.features
    assert (feature.known, feature.bins, feature.association) == (0, (), None)
    assert explored.overall is None
    assert explored.tags[0].values == ()


def test_a_long_tail_shares_the_last_bar() -> None:
    values = np.concatenate([np.arange(999.0), [1e9]])
    found = table({"length": values})
    (feature,) = explore(
        found, Dual(found.take(np.zeros(1000, bool)), np.zeros(0), np.zeros(0, int))
    ).features
    assert sum(feature.bars) == 1000
    assert feature.high < feature.largest == 1e9
    assert min(feature.bars) > 0
