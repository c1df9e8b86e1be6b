"""Votes of Chatbot Arena, in the forms they were published in; MT-bench's judgments have the first.

`conversation_a` and `conversation_b` with a `winner`; or `response_a` and `response_b` with
`winner_model_a`, `winner_model_b` and `winner_tie`, where the texts are lists of turns in JSON.
Schema: the data set cards of lmsys/chatbot_arena_conversations, lmsys/mt_bench_human_judgments,
lmarena-ai/arena-human-preference-55k, -100k and -140k.
"""

import json
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import FIRST, SECOND, TIED, instance, own_id, said, sides
from .values import Turn, has, is_conversation, is_whole, moment, name, number, rest, text, turns

WINNERS: dict[str, dict[str, Any]] = {
    "model_a": {"ranking": FIRST},
    "model_b": {"ranking": SECOND},
    "tie": {"ranking": TIED},
    "tie (bothbad)": {"ranking": TIED, "tie_kind": "both bad"},
    "both_bad": {"ranking": TIED, "tie_kind": "both bad"},
}
FLAGS = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
VOTER = "arena-anonymous"
# MT-bench's questions have two turns; a judgment of the first is of the first answer.
FIRST_TURN = 2
USED = {
    *("question_id", "id", "model_a", "model_b", "winner", "judge", "prompt", "turn", "tstamp"),
    *("conversation_a", "conversation_b", "response_a", "response_b", "timestamp", *FLAGS),
    # The conversations once more.
    "full_conversation",
}


def fits(row: Row) -> bool:
    if not has(row, model_a=str, model_b=str):
        return False
    if is_conversation(row.get("conversation_a")) and is_conversation(row.get("conversation_b")):
        return name(row, "winner") in WINNERS
    return has(row, response_a=str, response_b=str) and all(flag in row for flag in FLAGS)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    both = [_side(row, side) for side in "ab"]
    if row.get("turn") == 1 and is_whole(row.get("question_id")):
        both = [each[:FIRST_TURN] for each in both]
    prompt, completions = sides([], *both)
    for side, each in zip("ab", completions, strict=True):
        each.update(said(model=name(row, f"model_{side}")))
    label = _vote(row) | said(created_at=moment(row.get("tstamp", row.get("timestamp"))))
    yield instance(
        id=_id(row),
        prompt=prompt,
        completions=completions,
        meta=rest(row, USED),
        **_signed(name(row, "judge"), options, label),
    )


def _signed(judge: str, options: Options, label: dict[str, Any]) -> dict[str, Any]:
    """The label by whom the file or the options name; both models and people are `judge` there."""
    asked = name(options, "judge")
    if asked or judge.startswith("gpt"):
        return {"ai": [{"judge": judge or asked} | label]}
    return {"human": [{"annotator": judge or name(options, "annotator") or VOTER} | label]}


def _id(row: Row) -> str:
    """The vote's own id; MT-bench's names a question only."""
    question = row.get("question_id")
    if "turn" in row and "judge" in row and is_whole(question):
        parts = ("question_id", "model_a", "model_b", "turn")
        return "mt-bench-" + "-".join(str(row.get(part)) for part in parts)
    return own_id("arena", row, "question_id", "id")


def _side(row: Row, side: str) -> list[Turn]:
    """One side's whole conversation."""
    if f"conversation_{side}" in row:
        return turns(row[f"conversation_{side}"], f"conversation_{side}")
    asked, answers = _listed(row, "prompt"), _listed(row, f"response_{side}")
    if len(asked) != len(answers) or not asked:
        raise Unfit(f"prompt has {len(asked)} turns and response_{side} {len(answers)}")
    return [
        turn
        for question, answer in zip(asked, answers, strict=True)
        for turn in (
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        )
    ]


def _listed(row: Row, key: str) -> list[str]:
    """A list of texts in JSON, whose missing ones are empty; or a plain text."""
    given: Any = text(row, key)
    if given.startswith("["):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = [given]
    found = given if isinstance(given, list) else [given]
    if not all(each is None or isinstance(each, str) for each in found):
        raise Unfit(f"{key} must be a list of texts")
    return [each or "" for each in found]


def _vote(row: Row) -> dict[str, Any]:
    winner = row.get("winner")
    if winner is None:
        flags = [word for flag, word in FLAGS.items() if number(row.get(flag)) == 1]
        winner = flags[0] if len(flags) == 1 else None
    if not isinstance(winner, str) or winner not in WINNERS:
        raise Unfit(f"the winner must be one of {', '.join(WINNERS)}")
    return dict(WINNERS[winner])


ADAPTER = Adapter(
    name="arena",
    title="Chatbot Arena",
    reads="two conversations, their models and the winner; judgments of one pair follow each other",
    recognised_by="it has two models with their conversations and a winner",
    fits=fits,
    confidence=0.97,
    instances=instances,
    licence="CC-BY-4.0 (prompts), CC-BY-NC-4.0 (answers)",
    joins=lambda each: each.get("id"),
)
