"""What an objective is: score, link and extra terms as plain values, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["reward", "policy"]
Group = Literal[
    "reward models",
    "pairs with a reference",
    "pairs without a reference",
    "one completion at a time",
    "lists and sets",
    "strength, margins and several aims",
    "tokens",
    "likelihood",
]
Score = Literal["reward", "log_ratio", "log_ratio_mean", "logp", "logp_mean", "log_odds"]
Labels = Literal["hard", "soft"]
MarginShape = Literal["identity", "log1p"]
PairRule = Literal["all", "best_rest", "below_best"]
Reduction = Literal["mean", "sum"]
Divergence = Literal["reverse_kl", "forward_kl", "js", "alpha"]
KlSides = Literal["none", "both", "rejected"]
Likelihood = Literal["best", "all_desirable", "reward_weighted"]

# How a link sees completions: two at a time, each alone, or all of a prompt together.
PAIR_LINKS = (
    "logistic",
    "probit",
    "davidson",
    "rao_kupper",
    "hinge",
    "squared",
    "exo",
    "nca",
    "bco_pair",
    "apo_zero",
    "apo_down",
    "sppo_hard",
    "discopop",
    "focal",
    "mappo",
    "gap_squared",
    "gap_backward",
    "gap_forward",
    "sorted_margins",
    "sorted_sides",
)
SINGLE_LINKS = ("kto", "shifted_logistic", "apo_zero_single", "win_rate")
LIST_LINKS = (
    "plackett_luce",
    "lambda",
    "gap_temperature",
    "softmax",
    "softmax_nca",
)
# Likelihoods with an outcome of its own for ties.
TIE_LINKS = ("davidson", "rao_kupper")
# Their targets hold beta; scores go in without it.
UNSCALED_LINKS = ("squared", "sppo_hard", "win_rate")


@dataclass(frozen=True, slots=True)
class Objective:
    """Score, link and extra terms of one loss.

    The loss of one prompt is
    `preference_weight * link of its scores + centring term + nll_weight * NLL`,
    where a link over pairs is the mean (or sum) over the compared pairs, a link over single
    completions the mean over them, and a link over lists one number.

    Attributes:
        about: one line for people who choose.
        beta: factor of the score; in the links of `UNSCALED_LINKS` part of the target instead.
        labels: "hard" takes the more probable side as the winner and has no use for ties,
            "soft" weighs both sides by their probability.
        smoothing: probability that a label is moved to the other side (label smoothing).
        noise: flip rate per label source, for the unbiased noise-corrected loss (2403.00409).
        noise_default: flip rate of sources that `noise` does not name.
        gamma: constant margin in units of the score.
        margin_scale: factor of the margin that comes with each row.
        centring: c in c * (2 * mean score)^2, which for a pair is c * (r_a + r_b)^2.
        nll_weight: factor of the mean token negative log-likelihood of the best completion.
        likelihood: which completions the likelihood term reads.
        pairs: which pairs of a prompt with more than two completions are compared; "below_best"
            keeps the best completion for the likelihood term alone.
        reduction: whether pairs of one prompt are averaged or added.
        threshold: where the hinge begins, in units of the score.
        divergence: f-divergence to the reference that turns log-ratios into scores (2309.16240).
        divergence_alpha: alpha of the alpha-divergence.
        length_bonus: a in s + a * tokens, which takes length out of what is learnt (2403.19159).
        tail_weight: weight of tokens beyond the shorter completion's length (2409.06411).
        reward_alpha: alpha in (1 - p^-alpha) / alpha instead of log p (2501.03884); 0 is log p.
        kl_sides: which sides' sequential KL to the reference is added to the score (2404.11999).
        kl_weight: factor of that KL.
        likelihood_weighted: whether pairs count by how likely the policy finds them (2406.11827).
        positive_penalty: lambda of the penalty where the better side falls under the reference.
        exo_smoothing: probability of the other side in the target of the link "exo".
        temperature: of the link: tau of "discopop", alpha of the soft targets of "softmax", of
            rewards in "reward_weighted" likelihood.
        focus: gamma in p^gamma of the link "focal".
        desirable_weight, undesirable_weight: weights of the two kinds of single completions.
        attribute_weights: weights of the other aims' ratings, beside this aim's `aim_weight`.
        aim_weight: weight of the aim that the labels are about (2310.03708).
        adaptation: how strongly beta follows the batch's margin (2407.08639); 0 keeps it.
        kept_share: share of pairs kept when outliers of the margin are left out; 1 keeps all.
        momentum: of the running mean and deviation that these two read.
        tie_width: how wide ties are: nu of "davidson", log theta of "rao_kupper".
        attribute_weight: factor of the squared error of predicted ratings.
        variance_penalty: factor of the variance of a distribution of rewards.
        length_weight: factor of the correlations with length of a head with a length part.
        orthogonality: factor of the alignment of that part's weights with the quality's.
    """

    name: str
    kind: Kind
    score: Score
    link: str
    paper: str
    group: Group = "reward models"
    about: str = ""
    beta: float = 1.0
    labels: Labels = "hard"
    smoothing: float = 0.0
    noise: Mapping[str, float] = field(default_factory=dict)
    noise_default: float = 0.0
    gamma: float = 0.0
    margin_scale: float = 0.0
    margin_shape: MarginShape = "identity"
    centring: float = 0.0
    preference_weight: float = 1.0
    nll_weight: float = 0.0
    likelihood: Likelihood = "best"
    pairs: PairRule = "all"
    reduction: Reduction = "mean"
    threshold: float = 1.0
    divergence: Divergence = "reverse_kl"
    divergence_alpha: float = 0.5
    length_bonus: float = 0.0
    tail_weight: float = 1.0
    reward_alpha: float = 0.0
    kl_sides: KlSides = "none"
    kl_weight: float = 1.0
    likelihood_weighted: bool = False
    positive_penalty: float = 0.0
    exo_smoothing: float = 1e-3
    temperature: float = 1.0
    focus: float = 0.05
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    attribute_weights: Mapping[str, float] = field(default_factory=dict)
    aim_weight: float = 1.0
    adaptation: float = 0.0
    kept_share: float = 1.0
    momentum: float = 0.9
    tie_width: float = 0.5
    attribute_weight: float = 0.0
    variance_penalty: float = 0.0
    length_weight: float = 1.0
    orthogonality: float = 1.0

    @property
    def needs_reference(self) -> bool:
        """Whether the score compares with a reference model."""
        return self.score in ("log_ratio", "log_ratio_mean")

    @property
    def listwise(self) -> bool:
        """Whether the link looks at a whole ranking rather than at pairs."""
        return self.link in LIST_LINKS

    @property
    def single(self) -> bool:
        """Whether the link looks at each completion by itself."""
        return self.link in SINGLE_LINKS

    @property
    def unpaired(self) -> bool:
        """Whether rows with one completion, wanted or unwanted, can be trained on."""
        return self.single or self.link == "none"

    @property
    def knows_ties(self) -> bool:
        """Whether a tie is an outcome of its own, which teaches something."""
        return self.link in TIE_LINKS

    @property
    def stateful(self) -> bool:
        """Whether it carries running numbers from step to step."""
        return self.link == "shifted_logistic" or self.adaptive

    @property
    def adaptive(self) -> bool:
        """Whether beta or the kept pairs follow the margins of the batch."""
        return self.adaptation > 0 or self.kept_share < 1

    @property
    def reads(self) -> frozenset[str]:
        """Names of the signals that the loss reads beyond sums per completion."""
        found = {
            "token_logp": self.tail_weight != 1.0,
            "reference_token_logp": self.tail_weight != 1.0 and self.needs_reference,
            "token_kl": self.kl_sides != "none",
            "alignment": self.likelihood_weighted,
            "mismatched": self.link == "kto",
        }
        return frozenset(name for name, wanted in found.items() if wanted)

    def flip_rate(self, source: str) -> float:
        """Probability that a label of this source names the wrong side."""
        return self.noise.get(source, self.noise_default)
