"""Bins are cut on the seed, named in words and stored as numbers."""

import json

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.binning import Binning, fit
from routing.features.signals import with_judge
from routing.features.table import FeatureTable


def one(name: str, values: list[float]) -> FeatureTable:
    return FeatureTable((name,), np.array(values)[:, None])


def test_lengths_are_cut_by_percentile_and_similarities_by_value() -> None:
    skewed = [0.0, 1, 2, 3, 4, 5, 6, 7, 90]

    lengths = fit(one("prompt_tokens", skewed)).one_hot(one("prompt_tokens", skewed))
    similar = fit(one("rouge1_f", skewed)).one_hot(one("rouge1_f", skewed))

    assert lengths.sum(axis=0).tolist() == [3, 3, 3]
    # The middle third of the value range is empty and has merged with its neighbour.
    assert similar.sum(axis=0).tolist() == [8, 1]


def test_each_known_instance_fires_one_column_of_each_feature() -> None:
    rng = np.random.default_rng(0)
    table = FeatureTable(("prompt_tokens", "rouge1_f"), rng.random((50, 2)))
    binning = fit(table)

    hot = binning.one_hot(table)

    assert hot.dtype == np.uint8
    assert hot.shape == (50, len(binning.columns))
    for group in np.unique(binning.groups):
        assert (hot[:, binning.groups == group].sum(axis=1) == 1).all()


def test_columns_are_words() -> None:
    columns = fit(one("token_difference", [0, 1, 5, 6, 50, 60])).columns

    assert columns[0] == "completions nearly equal in length"


def test_unknown_values_and_tags_fire_nothing() -> None:
    seed = FeatureTable(
        ("prompt_tokens",), np.arange(9.0)[:, None], {"domain": ("law",) * 5 + ("art",) * 4}
    )
    new = FeatureTable(("prompt_tokens",), np.array([[np.nan]]), {"domain": ("zoology",)})

    assert fit(seed).columns[-2:] == ("domain: art", "domain: law")
    assert fit(seed).one_hot(new).sum() == 0
    assert fit(seed).one_hot(one("other", [1.0])).sum() == 0


def test_a_constant_feature_is_dropped_and_said() -> None:
    binning = fit(one("prompt_tokens", [7.0, 7.0, 7.0]))

    assert binning.columns == ()
    assert binning.dropped == ("prompt_tokens is the same everywhere on the seed",)
    assert binning.one_hot(one("prompt_tokens", [7.0])).shape == (1, 0)


def test_judge_signals_have_columns_and_are_known_to_need_the_judge() -> None:
    text = one("prompt_tokens", [1.0, 2, 3, 4])
    judged = with_judge(text, np.array([0.5, 0.9, 0.1, 0.7]), flip=np.array([1.0, 0, 0, 0]))

    binning = fit(judged)

    assert "judge flips when the order is swapped" in binning.columns
    assert "judge unsure" in binning.columns
    assert binning.reads_judge
    assert not fit(text).reads_judge


def test_a_binning_survives_json() -> None:
    table = FeatureTable(
        ("prompt_tokens", "judge_flip"),
        np.column_stack([np.arange(12.0), np.arange(12) % 2]),
        {"domain": ("a", "b") * 6},
    )
    binning = fit(table)

    again = Binning.from_json(json.loads(json.dumps(binning.to_json())))

    assert again == binning
    assert (again.one_hot(table) == binning.one_hot(table)).all()


def test_an_empty_seed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="label a seed"):
        fit(FeatureTable(("prompt_tokens",), np.zeros((0, 1))))


def test_a_table_that_does_not_fit_its_names_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2 names"):
        FeatureTable(("a", "b"), np.zeros((3, 1)))


def tagged(**tags: tuple[str, ...]) -> FeatureTable:
    size = len(next(iter(tags.values())))
    return FeatureTable(("prompt_tokens",), np.full((size, 1), np.nan), tags)


def test_an_instance_fires_every_value_of_its_tag() -> None:
    seed = tagged(domain=("law|art",) * 3 + ("law",) * 2 + ("zoology|law",) * 2 + ("",) * 2)
    binning = fit(seed)

    # Zoology is too rare for a column; who lacks the tag fires none.
    assert binning.columns == ("domain: art", "domain: law")
    assert binning.one_hot(seed).tolist() == [[1, 1]] * 3 + [[0, 1]] * 4 + [[0, 0]] * 2
    assert binning.groups.tolist() == [0, 0]


def test_a_tag_value_that_the_seed_lacks_fires_nothing_beside_those_it_has() -> None:
    binning = fit(tagged(domain=("law",) * 3 + ("art",) * 3))
    assert binning.one_hot(tagged(domain=("alchemy|law", "alchemy"))).tolist() == [[0, 1], [0, 0]]


def test_a_table_without_the_tags_of_the_seed_fires_no_column() -> None:
    binning = fit(tagged(domain=("law",) * 3 + ("art",) * 3))
    assert binning.one_hot(one("prompt_tokens", [1.0, 2.0])).tolist() == [[0, 0], [0, 0]]


def test_perfectly_collinear_tags_become_one_under_a_joint_name() -> None:
    seed = tagged(
        domain=("law",) * 4 + ("art",) * 4,
        safety=("high",) * 4 + ("safe",) * 4,
        language=("en", "de") * 4,
    )
    binning = fit(seed)

    assert binning.columns == (
        "domain: art = safety: safe",
        "domain: law = safety: high",
        "language: de",
        "language: en",
    )
    assert any(said.startswith("safety divides the seed") for said in binning.dropped)
    assert binning.one_hot(seed).shape == (8, 4)
    assert Binning.from_json(json.loads(json.dumps(binning.to_json()))) == binning


def test_two_values_that_always_come_together_keep_their_tag() -> None:
    binning = fit(tagged(domain=("law|politics",) * 3 + ("art",) * 3))
    assert binning.columns == ("domain: art", "domain: law", "domain: politics")


def test_a_feature_that_nobody_computed_is_dropped_and_said() -> None:
    binning = fit(tagged(domain=("law",) * 3 + ("art",) * 3))
    assert "prompt_tokens is not known on the seed" in binning.dropped
