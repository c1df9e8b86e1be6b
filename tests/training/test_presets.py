"""Names and options of presets, and what a form is told of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from training.errors import RefusalError
from training.objectives.links import PAIRS
from training.objectives.lists import LISTS
from training.objectives.objective import PAIR_LINKS, SINGLE_LINKS
from training.objectives.options import OPTIONS, SORTED_LINKS, options_of
from training.objectives.presets import PRESETS, catalogue, names, resolve


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(RefusalError, match="no reward preset called 'dpo'") as caught:
        resolve("reward", "dpo")
    assert "bt_margin" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"beta": 0},
        {"beta": "x"},
        {"beta": True},
        {"smoothing": 0.5},
        {"noise": {"judge": 0.7}},
        {"noise": [0.1]},
        {"labels": "firm"},
        {"likelihood_weighted": 1},
        {"colour": 1},
    ],
)
def test_bad_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RefusalError, match="preset_options") as caught:
        resolve("policy", "dpo", options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dpo", {"threshold": 2.0}),
        ("dpo", {"focus": 1.0}),
        ("dpo", {"aim_weight": 0.5}),
        ("simpo", {"divergence": "js"}),
        ("pl_dpo", {"gamma": 1.0}),
        ("kto", {"pairs": "best_rest"}),
        ("sft", {"beta": 0.2}),
        ("aot", {"labels": "soft"}),
    ],
)
def test_option_without_effect_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(RefusalError, match="changes nothing"):
        resolve("policy", name, options)


def test_options_open_others() -> None:
    weights = {"attribute_weights": {"safe": 0.3}, "aim_weight": 0.7}
    assert resolve("policy", "modpo", weights).aim_weight == 0.7
    assert resolve("policy", "dpo", {"divergence": "alpha", "divergence_alpha": 0.2})


@pytest.mark.parametrize("kind", ["reward", "policy"])
def test_the_catalogue_tells_a_form_everything(kind: Any) -> None:
    told = catalogue(kind)
    assert [entry["name"] for entry in told] == names(kind)
    for entry in told:
        assert entry["about"].endswith("."), entry["name"]
        preset = PRESETS[entry["name"]]
        assert entry["needs_reference"] == preset.needs_reference
        for option in entry["options"]:
            default = option["default"]
            assert option["about"]
            if option["kind"] == "number":
                assert option["low"] <= default <= option["high"], (entry["name"], option["name"])
            elif option["kind"] == "choice":
                assert default in option["choices"]
        # Its own defaults, put over it, change nothing and are allowed.
        values = {option["name"]: option["default"] for option in entry["options"]}
        assert resolve(kind, entry["name"], values) == preset


def test_every_option_serves_a_preset() -> None:
    served = {option.name for preset in PRESETS.values() for option in options_of(preset)}
    later = {"divergence_alpha", "aim_weight", "temperature"}
    assert set(OPTIONS) - served <= later


def test_every_link_is_written() -> None:
    written = {*PAIRS, *LISTS, *SORTED_LINKS, *SINGLE_LINKS, "none"}
    policies = {preset.link for preset in PRESETS.values() if preset.kind == "policy"}
    assert policies <= written
    assert set(PAIRS) <= set(PAIR_LINKS)


def test_presets_are_listed_without_torch() -> None:
    code = (
        "import sys; from training.objectives.presets import catalogue;"
        "catalogue('policy'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
