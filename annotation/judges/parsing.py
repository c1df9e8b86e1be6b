"""From a judge's reply to a verdict. Pure. What cannot be parsed is nothing, never a tie."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Side = Literal["first", "second", "tie"]

LETTERS: dict[str, Side] = {"A": "first", "B": "second"}
TAGS: dict[str, Side] = {"A": "first", "B": "second", "C": "tie"}
# The tag has to end the reply: one in the middle may quote the instructions.
FINAL_TAG = re.compile(r"\[\[\s*([ABC])\s*\]\][\s.*_`]*\Z")
AROUND_A_LETTER = " \t\r\n\"'`*_.,:;()[]{}"


def first_share(top: Sequence[Mapping[str, Any]]) -> float | None:
    """P(A) / (P(A) + P(B)) over the alternatives of one token; None where neither is there.

    Args:
        top: `{"token": str, "logprob": nats}` as in `top_logprobs` of a chat completion.
    """
    weight = {"A": 0.0, "B": 0.0}
    for entry in top:
        letter = str(entry.get("token", "")).strip(AROUND_A_LETTER)
        logprob = entry.get("logprob")
        if letter in weight and isinstance(logprob, (int, float)) and not math.isnan(logprob):
            weight[letter] += math.exp(min(0.0, logprob))
    total = sum(weight.values())
    return weight["A"] / total if total > 0 else None


def single_letter(reply: str) -> Side | None:
    """The verdict of a reply that is one letter, apart from quotes and punctuation."""
    return LETTERS.get(reply.strip(AROUND_A_LETTER))


def final_tag(reply: str) -> Side | None:
    """The verdict of a reply that ends in [[A]], [[B]] or [[C]] (a tie)."""
    found = FINAL_TAG.search(reply)
    return TAGS[found.group(1)] if found else None


def rationale(reply: str) -> str:
    """What stands before the final tag."""
    return FINAL_TAG.sub("", reply).strip()


def ranking(side: Side, shown_order: Sequence[int]) -> tuple[int, int]:
    """Ranks of a pair in canonical positions from a verdict about the order shown."""
    if side == "tie":
        return (1, 1)
    winner = shown_order[0] if side == "first" else shown_order[1]
    return (1, 2) if winner == 0 else (2, 1)
