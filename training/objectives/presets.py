"""Named objectives: each preset is one configuration of the core in `core.py`.

This module imports no torch, so pages and forms can list presets.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from training.errors import RefusalError

Kind = Literal["reward", "policy"]
Score = Literal["reward", "log_ratio", "log_ratio_mean", "logp", "logp_mean", "log_odds"]
Link = Literal["logistic", "hinge", "squared", "plackett_luce", "none"]
Labels = Literal["hard", "soft"]
MarginShape = Literal["identity", "log1p"]
PairRule = Literal["all", "best_rest"]


@dataclass(frozen=True, slots=True)
class Objective:
    """Score, link and extra terms of one loss.

    The loss of one prompt is
    `preference_weight * mean over pairs of link(d - margin) + centring term + nll_weight * NLL`,
    where d is the difference of two scores.

    Attributes:
        beta: factor of the score; for the squared link the target is 1 / (2 beta) instead.
        labels: "hard" takes the more probable side as the winner and has no use for ties,
            "soft" weighs both sides by their probability.
        smoothing: probability that a label is moved to the other side (label smoothing).
        noise: flip rate per label source, for the unbiased noise-corrected loss (2403.00409).
        noise_default: flip rate of sources that `noise` does not name.
        gamma: constant margin in units of the score.
        margin_scale: factor of the margin that comes with each row.
        centring: c in c * (2 * mean score)^2, which for a pair is c * (r_a + r_b)^2.
        nll_weight: factor of the mean token negative log-likelihood of the best completion.
        pairs: which pairs of a prompt with more than two completions are compared.
    """

    name: str
    kind: Kind
    score: Score
    link: Link
    paper: str
    beta: float = 1.0
    labels: Labels = "hard"
    smoothing: float = 0.0
    noise: Mapping[str, float] = dataclasses.field(default_factory=dict)
    noise_default: float = 0.0
    gamma: float = 0.0
    margin_scale: float = 0.0
    margin_shape: MarginShape = "identity"
    centring: float = 0.0
    preference_weight: float = 1.0
    nll_weight: float = 0.0
    pairs: PairRule = "all"

    @property
    def needs_reference(self) -> bool:
        """Whether the score compares with a reference model."""
        return self.score in ("log_ratio", "log_ratio_mean")

    @property
    def listwise(self) -> bool:
        """Whether the link looks at a whole ranking rather than at pairs."""
        return self.link == "plackett_luce"

    def flip_rate(self, source: str) -> float:
        """Probability that a label of this source names the wrong side."""
        return self.noise.get(source, self.noise_default)


def _reward(name: str, link: Link = "logistic", **fields: Any) -> Objective:
    return Objective(name, "reward", "reward", link, fields.pop("paper"), **fields)


def _policy(name: str, score: Score, link: Link = "logistic", **fields: Any) -> Objective:
    return Objective(name, "policy", score, link, fields.pop("paper"), **fields)


_ALL = (
    _reward("bt", paper="2203.02155"),
    _reward("bt_margin", paper="2307.09288", margin_scale=1.0),
    _reward("bt_soft", paper="soft labels of Bradley-Terry", labels="soft"),
    _reward("bt_noise", paper="2403.00409", labels="soft", noise_default=0.1),
    _reward("bt_centred", paper="2312.09244", centring=0.01),
    _reward("plackett_luce", "plackett_luce", paper="Plackett 1975, Luce 1959"),
    _policy("dpo", "log_ratio", paper="2305.18290", beta=0.1),
    _policy("cdpo", "log_ratio", paper="2305.18290", beta=0.1, smoothing=0.1),
    _policy("dpo_soft", "log_ratio", paper="2305.18290", beta=0.1, labels="soft"),
    _policy("rdpo_robust", "log_ratio", paper="2403.00409", beta=0.1, noise_default=0.1),
    _policy("ipo", "log_ratio_mean", "squared", paper="2310.12036", beta=0.1),
    _policy("ipo_sum", "log_ratio", "squared", paper="2310.12036", beta=0.1),
    _policy("hinge", "log_ratio", "hinge", paper="2309.06657", beta=0.1),
    _policy("dpo_norm", "log_ratio_mean", paper="2411.15124", beta=5.0),
    _policy("simpo", "logp_mean", paper="2405.14734", beta=2.0, gamma=1.0),
    _policy("odpo", "log_ratio", paper="2402.10571", beta=0.1, margin_scale=1.0),
    _policy("orpo", "log_odds", paper="2403.07691", preference_weight=0.1, nll_weight=1.0),
    _policy("cpo", "logp", paper="2401.08417", beta=0.1, nll_weight=1.0),
    _policy("rpo_sft", "log_ratio", paper="2405.16436", beta=0.1, nll_weight=1.0),
    _policy("pl_dpo", "log_ratio", "plackett_luce", paper="2305.18290", beta=0.1),
    _policy("sft", "logp", "none", paper="next-token likelihood", nll_weight=1.0),
)
PRESETS: Mapping[str, Objective] = {preset.name: preset for preset in _ALL}

_RANGES: Mapping[str, tuple[float, float]] = {
    "beta": (1e-6, 1e3),
    "smoothing": (0.0, 0.499),
    "noise_default": (0.0, 0.499),
    "gamma": (0.0, 1e3),
    "margin_scale": (0.0, 1e3),
    "centring": (0.0, 1e2),
    "preference_weight": (0.0, 1e3),
    "nll_weight": (0.0, 1e3),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "labels": ("hard", "soft"),
    "margin_shape": ("identity", "log1p"),
    "pairs": ("all", "best_rest"),
}


def names(kind: Kind) -> list[str]:
    """Preset names of one kind, in the order of the documentation."""
    return [preset.name for preset in _ALL if preset.kind == kind]


def resolve(kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Objective:
    """The preset called `name` with `options` put over its defaults.

    Raises:
        RefusalError: unknown preset, unknown option or a value outside its range.
    """
    preset = PRESETS.get(name)
    if preset is None or preset.kind != kind:
        raise RefusalError(
            f"There is no {kind} preset called {name!r}.",
            f"Set `preset` to one of: {', '.join(names(kind))}.",
        )
    checked = {field: _checked(field, value) for field, value in (options or {}).items()}
    return dataclasses.replace(preset, **checked)


def _checked(field: str, value: Any) -> Any:
    if field in _RANGES:
        return _in_range(field, value, *_RANGES[field])
    if field in _CHOICES:
        if value not in _CHOICES[field]:
            raise RefusalError(
                f"`preset_options.{field}` is {value!r}.",
                f"Set it to one of: {', '.join(_CHOICES[field])}.",
            )
        return value
    if field == "noise":
        if not isinstance(value, Mapping):
            raise RefusalError(
                "`preset_options.noise` must map label sources to flip rates.",
                'Write it as {"source": rate}, for instance {"judge": 0.2}.',
            )
        return {str(k): _in_range(f"noise.{k}", v, 0.0, 0.499) for k, v in value.items()}
    known = ", ".join([*_RANGES, *_CHOICES, "noise"])
    raise RefusalError(f"`preset_options.{field}` is not an option.", f"The options are: {known}.")


def _in_range(field: str, value: Any, low: float, high: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise RefusalError(
            f"`preset_options.{field}` is {value!r}.",
            f"Set it to a number from {low:g} to {high:g}.",
        )
    return float(value)
