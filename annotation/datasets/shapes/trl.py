"""Preferences as TRL's trainers read them, and what other trainers make of these. Pure."""

from itertools import combinations
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from .base import (
    MESSAGES,
    PROVENANCE,
    Criteria,
    Made,
    Row,
    Shape,
    better_first,
    fixed,
    own_prompt,
    plain,
    provenance_of,
    said,
    shared_turns,
)

SCORED = [(name, pa.float64()) for name in ("score_chosen", "score_rejected", "p", "margin")]
GOAL = "Give an answer of score {goal:.2f} on a scale from 0 to 1."


def trl(row: Row, criteria: Criteria) -> Made:
    """TRL's conversational preference format with an explicit prompt; ties have no row.

    Where the sides have prompts of their own, `prompt` is the turns that both begin with, and the
    rest of each stands before its answer. Sides that share no turn have no row: TRL refuses an
    empty prompt.
    """
    for i, j in combinations(range(len(row["completions"])), 2):
        if (found := better_first(row, i, j)) is None:
            continue
        best, worst, p = found
        chosen, rejected = own_prompt(row, best), own_prompt(row, worst)
        shared = shared_turns(chosen, rejected)
        if not shared:
            continue
        yield {
            "prompt": chosen[:shared],
            "chosen": [*chosen[shared:], said(row["completions"][best])],
            "rejected": [*rejected[shared:], said(row["completions"][worst])],
            "score_chosen": row["score"][best],
            "score_rejected": row["score"][worst],
            "p": p,
            "margin": row["margin"],
            **provenance_of(row),
        }


def standard(row: Row, criteria: Criteria) -> Made:
    """The same as plain texts: what comes before the answers as a transcript, where it is long."""
    for made in trl(row, criteria):
        chosen, rejected = made["chosen"], made["rejected"]
        if len(chosen) == len(rejected) == 1:
            texts = {"chosen": chosen[0]["content"], "rejected": rejected[0]["content"]}
            yield made | texts | {"prompt": plain(made["prompt"])}


def implicit(row: Row, criteria: Criteria) -> Made:
    """The same without a prompt: both sides are whole conversations."""
    for made in trl(row, criteria):
        sides = {side: made["prompt"] + made[side] for side in ("chosen", "rejected")}
        yield made | sides


def curriculum(row: Row, criteria: Criteria) -> Made:
    """The same with how far apart the sides are: `difficulty` is 1 − gap, `order` easy to hard.

    The gap is the strength of the preference where people gave one, else |2p − 1|; between two of
    a longer ranking it is the difference of their scores.
    """
    for made in trl(row, criteria):
        if row["pair_p"] is None:
            gap = made["score_chosen"] - made["score_rejected"]
        else:
            gap = made["margin"] or abs(2 * made["p"] - 1)
        gap = min(1.0, gap)
        yield made | {"gap": gap, "difficulty": 1 - gap}


def conditioned(row: Row, criteria: Criteria) -> Made:
    """Two rows per pair: asked for the score of one side, that side is the better answer.

    The goal is told in a system turn before the prompt, and stands in `goal`.
    """
    for made in trl(row, criteria):
        for chosen, rejected in (("chosen", "rejected"), ("rejected", "chosen")):
            goal = made[f"score_{chosen}"]
            asked = {"role": "system", "content": GOAL.format(goal=goal)}
            yield made | {
                "prompt": [asked, *made["prompt"]],
                "chosen": made[chosen],
                "rejected": made[rejected],
                "score_chosen": made[f"score_{chosen}"],
                "score_rejected": made[f"score_{rejected}"],
                "goal": goal,
            }


def _sides(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


def _columns(*head: Any) -> Any:
    return fixed(*head, *SCORED, *PROVENANCE)


EXPLICIT = ("prompt", "chosen", "rejected")
SHAPES = {
    "trl": Shape(
        _("TRL, conversational: prompt, chosen and rejected as turns, for DPO and reward models."),
        trl,
        _columns(*_sides(MESSAGES, *EXPLICIT)),
    ),
    "trl-standard": Shape(
        _("TRL, standard: prompt, chosen and rejected as plain texts."),
        standard,
        _columns(*_sides(pa.string(), *EXPLICIT)),
    ),
    "trl-implicit": Shape(
        _("TRL, implicit prompt: chosen and rejected as whole conversations."),
        implicit,
        _columns(*_sides(MESSAGES, "chosen", "rejected")),
    ),
    "curriculum": Shape(
        _("TRL with the difficulty of each pair and its place from easy to hard."),
        curriculum,
        _columns(
            *_sides(MESSAGES, *EXPLICIT),
            *_sides(pa.float64(), "gap", "difficulty"),
            ("order", pa.int64()),
        ),
        orders="gap",
    ),
    "conditioned": Shape(
        _("TRL with the score asked for in the prompt, each pair both ways: reward-augmented."),
        conditioned,
        _columns(*_sides(MESSAGES, *EXPLICIT), ("goal", pa.float64())),
    ),
}
