"""From a judge's reply to a verdict. Pure. What cannot be parsed is nothing, never a tie."""

import math
import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Literal

from annotation.instances.content import competition_ranks

Side = Literal["first", "second", "tie"]

TAGS: dict[str, Side] = {"A": "first", "B": "second", "C": "tie"}
# The tag has to end the reply: one in the middle may quote the instructions or a completion.
# No two parts of a pattern take the same characters: a reply of blanks would hold up all others.
FINAL_TAG = re.compile(r"\[\[([^\[\]\n]{1,300})\]\][\s.*_`]*\Z")
CONFIDENCE = re.compile(r"[\s*_`]*confidence[\s*_`]*[:=][\s*_`]*(\d{1,3})[\s%*_`.]*\Z", re.I)
# Ġ and ▁ are how tokenizers write the space before a word.
AROUND_A_LABEL = " \t\r\n\"'`*_.,:;()[]{}\u0120\u2581"
REFUSALS = re.compile(
    r"\A\W*(i['\u2019]?m (very |really )?(sorry|unable|not able)|sorry|i apologi[sz]e|"
    r"i (can(no|['\u2019])t|am (unable|not able)|won['\u2019]t)|as an ai\b|unfortunately, i)",
    re.IGNORECASE,
)
# A label that is not even a tenth of what the model would have said is none.
LEAST_MASS = 0.1


def shares(
    top: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> tuple[dict[str, float], float]:
    """({label: its share of the labels' mass}, that mass), from the alternatives of one token.

    Empty and 0 where no label is among them.

    Args:
        top: `{"token": str, "logprob": nats}` as in `top_logprobs` of a chat completion.
    """
    weight = dict.fromkeys(labels, 0.0)
    for entry in top:
        label = str(entry.get("token", "")).strip(AROUND_A_LABEL)
        logprob = entry.get("logprob")
        if label not in weight or isinstance(logprob, bool):
            continue
        if isinstance(logprob, (int, float)) and not math.isnan(logprob):
            weight[label] += math.exp(min(0.0, logprob))
    mass = min(1.0, sum(weight.values()))
    total = sum(weight.values())
    return ({label: each / total for label, each in weight.items()}, mass) if total else ({}, 0.0)


def single_label(reply: str, labels: Sequence[str]) -> str | None:
    """The label that a reply consists of, apart from quotes and punctuation."""
    said = reply.strip(AROUND_A_LABEL)
    return said if said in labels else None


def final_tag(reply: str) -> str | None:
    """What stands in the [[…]] that ends the reply."""
    found = FINAL_TAG.search(reply)
    return found.group(1).strip() or None if found else None


def rationale(reply: str) -> str:
    """What stands before the final tag and the line that states a confidence."""
    text = FINAL_TAG.sub("", reply).rstrip()
    body, _, last = text.rpartition("\n")
    return (body if CONFIDENCE.match(last) else text).strip()


def confidence(reply: str) -> float | None:
    """The confidence stated on the last line before the final tag, 0 to 1."""
    lines = FINAL_TAG.sub("", reply).rstrip().rsplit("\n", 1)
    found = CONFIDENCE.match(lines[-1])
    if found is None or int(found[1]) > 100:
        return None
    return int(found[1]) / 100


def side(tag: str | None, *, ties: bool) -> Side | None:
    """The verdict that a tag names; C only where ties can be given."""
    found = TAGS.get(tag or "")
    return found if ties or found != "tie" else None


def ranking(side: Side, shown_order: Sequence[int]) -> tuple[int, int]:
    """Ranks of a pair by ascending canonical position, from a verdict about the order shown."""
    if side == "tie":
        return (1, 1)
    winner = shown_order[0] if side == "first" else shown_order[1]
    return (1, 2) if winner == min(shown_order) else (2, 1)


def ranks(said: str | None, shown_order: Sequence[int], *, ties: bool) -> tuple[int, ...] | None:
    """Ranks by ascending canonical position from `B > A = C`; every letter has to be there once."""
    size = len(shown_order)
    groups = [[letter.strip() for letter in group.split("=")] for group in (said or "").split(">")]
    letters = [letter for group in groups for letter in group]
    if sorted(letters) != list(ascii_uppercase[:size]):
        return None
    if not ties and len(groups) != size:
        return None
    place = {letter: number for number, group in enumerate(groups) for letter in group}
    by_position = sorted(zip(shown_order, ascii_uppercase, strict=False))
    return tuple(competition_ranks([float(place[letter]) for _, letter in by_position]))


def refuses(reply: str) -> bool:
    """Whether a reply without a verdict begins as refusals do."""
    return bool(REFUSALS.match(reply))
