"""Pairs compared by their log-ratios to a reference."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective, Score
from training.objectives.presets.making import policy


def _ratio(
    name: str, link: str = "logistic", score: Score = "log_ratio", **fields: Any
) -> Objective:
    return policy(name, score, link, group="pairs with a reference", **fields)


REFERENCED = (
    _ratio("dpo", paper="2305.18290", about="The standard: a logistic loss on log-ratios."),
    _ratio(
        "cdpo",
        paper="2305.18290",
        smoothing=0.1,
        about="DPO with a share of labels moved (smoothing).",
    ),
    _ratio(
        "dpo_soft", paper="2305.18290", labels="soft", about="DPO on probabilities, ties included."
    ),
    _ratio(
        "rdpo_robust",
        paper="2403.00409",
        noise_default=0.1,
        about="DPO corrected for labels that are flipped at a known rate.",
    ),
    _ratio(
        "ipo",
        "squared",
        "log_ratio_mean",
        paper="2310.12036",
        about="Squared distance of the mean log-ratio gap from a target: bounded for sure labels.",
    ),
    _ratio("ipo_sum", "squared", paper="2310.12036", about="IPO on sums over tokens."),
    _ratio("hinge", "hinge", paper="2309.06657", about="No push beyond a gap of 1 (RSO)."),
    _ratio(
        "dpo_norm",
        score="log_ratio_mean",
        paper="2411.15124",
        beta=5.0,
        about="DPO on the mean over tokens (LN-DPO, Tülu 3).",
    ),
    _ratio(
        "exo_pair",
        "exo",
        paper="2402.00856",
        about="Reverse KL to the labels' distribution over the two sides.",
    ),
    _ratio(
        "nca_pair",
        "nca",
        paper="2402.05369",
        about="Contrasts each side with noise: keeps the likelihood up.",
    ),
    _ratio(
        "bco_pair",
        "bco_pair",
        paper="2404.04656",
        about="A classifier of wanted and unwanted, without its shift.",
    ),
    _ratio(
        "apo_zero",
        "apo_zero",
        paper="2408.06266",
        about="Raises the better, lowers the worse: data above the model.",
    ),
    _ratio(
        "apo_down",
        "apo_down",
        paper="2408.06266",
        about="Lowers both, the worse more: data under the model.",
    ),
    _ratio(
        "sppo_hard",
        "sppo_hard",
        paper="2405.00675",
        about="Squared distance of each log-ratio from ±1/(2β).",
    ),
    _ratio(
        "aot",
        "sorted_margins",
        paper="2406.05882",
        about="Sorted margins of the batch over the reference's.",
    ),
    _ratio(
        "aot_unpaired",
        "sorted_sides",
        paper="2406.05882",
        about="Sorted better sides over sorted worse sides.",
    ),
    _ratio(
        "discopop",
        "discopop",
        paper="2406.08414",
        temperature=0.05,
        about="A found blend of logistic and exponential.",
    ),
    _ratio(
        "focal_po",
        "focal",
        paper="2501.06645",
        about="DPO with more weight on pairs that are ranked right already.",
    ),
    _ratio(
        "beta_dpo",
        paper="2407.08639",
        adaptation=0.6,
        kept_share=0.8,
        about="Beta follows the batch's margin; outliers are left out.",
    ),
    _ratio(
        "wpo",
        paper="2406.11827",
        likelihood_weighted=True,
        about="DPO weighted by how likely the policy finds both sides: near on-policy data counts.",
    ),
    _ratio(
        "dpop",
        paper="2402.13228",
        positive_penalty=5.0,
        about="DPO with a penalty where the better side becomes less likely.",
    ),
    _ratio(
        "rpo_sft",
        paper="2405.16436",
        nll_weight=1.0,
        about="DPO and the likelihood of the better side.",
    ),
    _ratio(
        "fdpo_forward_kl",
        paper="2309.16240",
        divergence="forward_kl",
        about="DPO under the forward KL.",
    ),
    _ratio(
        "fdpo_js",
        paper="2309.16240",
        divergence="js",
        about="DPO under the Jensen-Shannon divergence.",
    ),
    _ratio(
        "fdpo_alpha", paper="2309.16240", divergence="alpha", about="DPO under an alpha-divergence."
    ),
    _ratio(
        "joint_2404_00530",
        paper="2404.00530",
        about="DPO on sides that answer prompts of their own (DOVE, conditional form).",
    ),
)
