"""Options of presets: which there are, what they may be, and where they change something."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from training.errors import RefusalError
from training.objectives.objective import PAIR_LINKS, SINGLE_LINKS, Objective

SORTED_LINKS = ("sorted_margins", "sorted_sides")
# Links that read the difference of two scores, so that margins can be taken from it.
DIFFERENCE_LINKS = (
    "logistic",
    "probit",
    "davidson",
    "rao_kupper",
    "hinge",
    "squared",
    "exo",
    "discopop",
    "focal",
)
GAP_LINKS = ("gap_squared", "gap_backward", "gap_forward")
SOFTMAX_LINKS = ("softmax", "softmax_nca")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of an objective.

    Attributes:
        kind: "number" between `low` and `high`, "choice" among `choices`, "flag", or "numbers":
            a mapping of names to numbers between `low` and `high`.
        about: one line for forms.
        applies: whether it changes anything in an objective.
    """

    name: str
    kind: Literal["number", "choice", "flag", "numbers"]
    about: str
    applies: Callable[[Objective], bool]
    low: float = 0.0
    high: float = 1e3
    choices: tuple[str, ...] = ()

    def checked(self, value: Any) -> Any:
        """The value in its type.

        Raises:
            RefusalError: it is not of this option's kind or outside its range.
        """
        if self.kind == "number":
            return _in_range(self.name, value, self.low, self.high)
        if self.kind == "numbers":
            return self._mapping(value)
        allowed = self.choices if self.kind == "choice" else (True, False)
        if value not in allowed or (self.kind == "flag" and not isinstance(value, bool)):
            raise RefusalError(
                f"`preset_options.{self.name}` is {value!r}.",
                f"Set it to one of: {', '.join(str(c).lower() for c in allowed)}.",
            )
        return value

    def _mapping(self, value: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise RefusalError(
                f"`preset_options.{self.name}` must map names to numbers.",
                'Write it as {"name": number}, for instance {"judge": 0.2}.',
            )
        return {
            str(k): _in_range(f"{self.name}.{k}", v, self.low, self.high) for k, v in value.items()
        }


def _in_range(name: str, value: Any, low: float, high: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise RefusalError(
            f"`preset_options.{name}` is {value!r}.",
            f"Set it to a number from {low:g} to {high:g}.",
        )
    return float(value)


def _has_link(o: Objective) -> bool:
    return o.link != "none"


def _pairs(o: Objective) -> bool:
    return o.link in PAIR_LINKS


def _labelled(o: Objective) -> bool:
    return (_pairs(o) and o.link not in SORTED_LINKS) or o.link in SINGLE_LINKS[:3]


def _smoothed(o: Objective) -> bool:
    return _labelled(o) or o.link in SORTED_LINKS


def _difference(o: Objective) -> bool:
    return o.link in DIFFERENCE_LINKS


def _margin(o: Objective) -> bool:
    return _difference(o) or o.link in GAP_LINKS or o.link == "mappo"


def _policy(o: Objective) -> bool:
    return o.kind == "policy"


def _reward(o: Objective) -> bool:
    return o.kind == "reward"


def _adaptable(o: Objective) -> bool:
    return o.score == "log_ratio" and o.link == "logistic"


def _number(
    name: str, about: str, applies: Callable[[Objective], bool], low: float, high: float
) -> Option:
    return Option(name, "number", about, applies, low, high)


def _choice(name: str, about: str, applies: Callable[[Objective], bool], *choices: str) -> Option:
    return Option(name, "choice", about, applies, choices=choices)


_ALL = (
    _number(
        "beta", "Scale of the scores; higher stays closer to the reference.", _has_link, 1e-6, 1e3
    ),
    _choice(
        "labels", "Whether the probability of a label weighs both sides.", _labelled, "hard", "soft"
    ),
    _number(
        "smoothing", "Probability that a label is moved to the other side.", _smoothed, 0, 0.499
    ),
    Option("noise", "numbers", "Flip rate of each label source.", _labelled, 0, 0.499),
    _number("noise_default", "Flip rate of sources that are not named.", _labelled, 0, 0.499),
    _number("gamma", "Constant margin in units of the score.", _difference, 0, 1e3),
    _number("margin_scale", "Factor of the margin that comes with each row.", _margin, 0, 1e3),
    _choice(
        "margin_shape", "The margin as it is, or log(1 + margin).", _margin, "identity", "log1p"
    ),
    _number("centring", "Weight of the square of the mean score.", _has_link, 0, 1e2),
    _number("preference_weight", "Weight of the preference term.", _has_link, 0, 1e3),
    _number("nll_weight", "Weight of the likelihood term.", _policy, 0, 1e3),
    _choice(
        "likelihood",
        "What the likelihood term reads.",
        lambda o: _policy(o) and o.nll_weight > 0,
        "best",
        "all_desirable",
        "reward_weighted",
    ),
    _choice(
        "pairs",
        "Which pairs of a longer list are compared.",
        _pairs,
        "all",
        "best_rest",
        "below_best",
    ),
    _choice(
        "reduction", "Whether pairs of one prompt are averaged or added.", _pairs, "mean", "sum"
    ),
    _number(
        "threshold", "Difference at which the hinge begins.", lambda o: o.link == "hinge", 0, 1e3
    ),
    _choice(
        "divergence",
        "Divergence to the reference.",
        lambda o: o.needs_reference and _difference(o),
        "reverse_kl",
        "forward_kl",
        "js",
        "alpha",
    ),
    _number(
        "divergence_alpha",
        "Alpha of the alpha-divergence.",
        lambda o: o.needs_reference and o.divergence == "alpha",
        0,
        1,
    ),
    _number("length_bonus", "Added to the score for every token.", _policy, 0, 1e2),
    _number(
        "tail_weight",
        "Weight of tokens beyond the length that all completions of a prompt have.",
        lambda o: o.score in ("log_ratio", "logp") and _pairs(o),
        0,
        1,
    ),
    _number(
        "reward_alpha",
        "Alpha of the reward (1 - p^-alpha) / alpha.",
        lambda o: o.score in ("logp", "logp_mean") and _pairs(o),
        -10,
        10,
    ),
    _number("kl_weight", "Factor of the KL per token.", lambda o: o.kl_sides != "none", 0, 1e2),
    Option(
        "likelihood_weighted",
        "flag",
        "Weigh pairs by how likely the policy finds them.",
        lambda o: _policy(o) and _pairs(o) and o.link not in SORTED_LINKS,
    ),
    _number(
        "positive_penalty",
        "Penalty where the better side falls under the reference.",
        lambda o: o.needs_reference and _difference(o),
        0,
        1e3,
    ),
    _number(
        "exo_smoothing",
        "Target probability of the other side.",
        lambda o: o.link == "exo",
        1e-9,
        0.499,
    ),
    _number(
        "temperature",
        "Temperature of the link's target.",
        lambda o: o.link in (*SOFTMAX_LINKS, "discopop") or o.likelihood == "reward_weighted",
        1e-3,
        1e3,
    ),
    _number(
        "focus", "Exponent of the weight of right rankings.", lambda o: o.link == "focal", 0, 10
    ),
    _number(
        "desirable_weight",
        "Weight of wanted completions.",
        lambda o: o.link in SINGLE_LINKS[:3],
        0,
        1e3,
    ),
    _number(
        "undesirable_weight",
        "Weight of unwanted completions.",
        lambda o: o.link in SINGLE_LINKS[:3],
        0,
        1e3,
    ),
    Option(
        "attribute_weights",
        "numbers",
        "Weights of other aims, by attribute.",
        lambda o: o.link == "logistic" and o.score == "log_ratio",
        -1e3,
        1e3,
    ),
    _number(
        "aim_weight",
        "Weight of the aim of these labels.",
        lambda o: bool(o.attribute_weights),
        1e-3,
        1,
    ),
    _number("adaptation", "How strongly beta follows the margins.", _adaptable, 0, 10),
    _number(
        "kept_share", "Share of pairs kept, outliers of the margin left out.", _adaptable, 0.01, 1
    ),
    _number("momentum", "Of the running margin.", lambda o: o.adaptive, 0, 0.9999),
    _number("tie_width", "How wide ties are.", lambda o: o.knows_ties, 1e-3, 1e3),
    _number("attribute_weight", "Weight of ratings of attributes.", _reward, 0, 1e3),
    _number("variance_penalty", "Weight of the variance of rewards.", _reward, 0, 1e3),
    _number("length_weight", "Weight of the correlations with length.", _reward, 0, 1e3),
    _number("orthogonality", "Weight of what length and quality share.", _reward, 0, 1e3),
)
OPTIONS: Mapping[str, Option] = {option.name: option for option in _ALL}


def options_of(objective: Objective) -> list[Option]:
    """The options that change something in this objective."""
    return [option for option in _ALL if option.applies(objective)]


def with_options(preset: Objective, values: Mapping[str, Any]) -> Objective:
    """The preset with options put over its defaults.

    Raises:
        RefusalError: unknown option, one without effect here, or a value outside its range.
    """
    checked = {}
    for name, value in values.items():
        if name not in OPTIONS:
            raise RefusalError(
                f"`preset_options.{name}` is not an option.",
                f"The options are: {', '.join(o.name for o in options_of(preset))}.",
            )
        checked[name] = OPTIONS[name].checked(value)
    found = dataclasses.replace(preset, **checked)
    useful = {option.name for option in options_of(found)}
    for name in checked:
        if name not in useful:
            raise RefusalError(
                f"`preset_options.{name}` changes nothing in the preset {preset.name}.",
                f"Leave it out; its options are: {', '.join(sorted(useful))}.",
            )
    return found
