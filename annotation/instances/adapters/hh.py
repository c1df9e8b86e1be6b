"""Anthropic's helpful and harmless dialogues, and other files of such transcripts.

`chosen` and `rejected` are whole conversations in one text, each turn after "\\n\\nHuman:" or
"\\n\\nAssistant:". What both begin with is the prompt. A `prompt` of the same form may stand before
them. Schema: anthropics/hh-rlhf, README.
"""

import re
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import instance, labels, own_id, sides, without_order
from .values import Turn, has, rest, text

TURN = re.compile(r"\n\n(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def fits(row: Row) -> bool:
    if not has(row, chosen=str, rejected=str):
        return False
    first = row["prompt"] if isinstance(row.get("prompt"), str) else row["chosen"]
    return TURN.match(_opened(first)) is not None


def _opened(transcript: str) -> str:
    """A transcript with the blank line before its first turn, which tables tend to strip."""
    return "\n\n" + transcript.lstrip()


def instances(row: Row, options: Options) -> Iterator[Instance]:
    before = text(row, "prompt") if row.get("prompt") is not None else ""
    both = [transcript(before + text(row, side), side) for side in ("chosen", "rejected")]
    prompt, (best, other) = sides([], *both)
    completions, ranking = without_order(best, other)
    yield instance(
        id=own_id("hh", row, "id"),
        prompt=prompt,
        completions=completions,
        **labels(options, {"ranking": ranking}, "hh-anonymous"),
        meta=rest(row, {"id", "prompt", "chosen", "rejected"}),
    )


def transcript(value: str, what: str) -> list[Turn]:
    """The turns of a transcript.

    Raises:
        Unfit: it does not begin with a turn.
    """
    pieces: list[Any] = TURN.split(_opened(value))
    if pieces[0].strip() or len(pieces) < 3:
        raise Unfit(f"{what} does not begin with Human: or Assistant:")
    return [
        {"role": ROLES[role], "content": said.strip()}
        for role, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


ADAPTER = Adapter(
    name="hh",
    title="Anthropic HH",
    reads="chosen and rejected as transcripts with Human: and Assistant:",
    recognised_by="chosen and rejected are transcripts with Human: and Assistant:",
    fits=fits,
    confidence=0.95,
    instances=instances,
    licence="MIT",
)
