"""Labelled lines of JSON as rows: preference pairs as TRL has them, and the interchange format.

| keys of a line                       | reading                                                   |
|--------------------------------------|-----------------------------------------------------------|
| `prompt`, `chosen`, `rejected`       | a pair; each a text or a list of messages                 |
| `chosen`, `rejected`                 | whole conversations: what they share is the prompt        |
| `prompt`, `completion`, `label`      | one completion that is good (true) or bad (false)         |
| `prompt`, `responses`, `human`, `ai` | the interchange format: the mean rank over the labels of  |
|                                      | people, or of judges where no person has labelled         |

`weight`, `margin`, `source` and `instance_id` are taken where a line has them. One file holds lines
of one kind or of several.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.hashing import content_hash
from training.errors import RefusalError

Message = dict[str, str]
Record = dict[str, Any]
KEPT = ("weight", "margin", "source", "instance_id")


def read_jsonl(path: Path) -> list[Record]:
    """Rows in the schema of `training.batching.rows`, in file order.

    Raises:
        RefusalError: no file, no line, or a line that is none of the above; it names the line
            and the key.
    """
    if not path.is_file():
        raise RefusalError(f"There is no data file {path.name}.", "Check the paths under `data`.")
    rows = list(_rows(path))
    if not rows:
        raise RefusalError(f"{path.name} has no lines.", "Write one JSON object per line.")
    return rows


def _rows(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield _row(json.loads(line))
            except (ValueError, TypeError) as error:
                raise RefusalError(
                    f"{path.name}, line {number}: {error}", "Mend or leave out this line."
                ) from error


def _row(line: Any) -> Record:
    if not isinstance(line, dict):
        message = "it is no JSON object"
        raise TypeError(message)
    if "responses" in line:
        row = _interchange(line)
    elif "chosen" in line or "rejected" in line:
        row = _pair(line)
    else:
        row = _single(line)
    kept = {name: line[name] for name in KEPT if line.get(name) is not None}
    return row | {"prompt_hash": content_hash(row["prompt"])} | kept


def _pair(line: Record) -> Record:
    """A pair of TRL; conversations that begin alike share what they begin with as prompt."""
    chosen, rejected = (
        _turns(_needed(line, key), key, "assistant") for key in ("chosen", "rejected")
    )
    prompt = _turns(line["prompt"], "prompt", "user") if "prompt" in line else []
    if not prompt:
        shared = _shared(chosen, rejected)
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
        if not prompt:
            message = "`chosen` and `rejected` share no prompt, and there is no key `prompt`"
            raise ValueError(message)
    texts = [_answer(chosen, "chosen"), _answer(rejected, "rejected")]
    return _made(prompt, texts, [1.0, 0.0], 1.0)


def _single(line: Record) -> Record:
    prompt = _turns(_needed(line, "prompt"), "prompt", "user")
    completion = _turns(_needed(line, "completion"), "completion", "assistant")
    label = _needed(line, "label")
    if not isinstance(label, bool):
        message = f"`label` is {label!r}; it must be true or false"
        raise TypeError(message)
    return _made(prompt, [_answer(completion, "completion")], [float(label)], None)


def _interchange(line: Record) -> Record:
    responses = _needed(line, "responses")
    if not isinstance(responses, list) or not all(isinstance(r, dict) for r in responses):
        message = "`responses` must be a list of objects"
        raise TypeError(message)
    texts = [_text(_needed(response, "text"), "responses[].text") for response in responses]
    source = "human" if line.get("human") else "ai"
    rankings = [_ranking(label, len(texts), source) for label in line.get(source) or []]
    if not rankings:
        message = "it has no label under `human` or `ai`"
        raise ValueError(message)
    means = [sum(ranks) / len(rankings) for ranks in zip(*rankings, strict=True)]
    share = None
    if len(texts) == 2:
        share = sum(0.5 + 0.5 * ((b > a) - (a > b)) for a, b in rankings) / len(rankings)
    prompt = _turns(_needed(line, "prompt"), "prompt", "user")
    row = _made(prompt, texts, [-mean for mean in means], share)
    return row | {"source": source, "instance_id": str(line.get("id") or "")}


def _ranking(label: Any, count: int, source: str) -> list[float]:
    """Ranks of the completions, 1 is best."""
    ranks = label.get("ranking") if isinstance(label, dict) else None
    numbers = isinstance(ranks, list) and all(
        isinstance(rank, (int, float)) and not isinstance(rank, bool) for rank in ranks
    )
    if not numbers or not isinstance(ranks, list) or len(ranks) != count:
        message = f"`{source}[].ranking` must be a list of {count} numbers"
        raise ValueError(message)
    return [float(rank) for rank in ranks]


def _made(
    prompt: Sequence[Message], texts: list[str], scores: list[float], share: float | None
) -> Record:
    return {
        "prompt": json.dumps(list(prompt), ensure_ascii=False),
        "completions": texts,
        "score": scores,
        "pair_p": share,
        "weight": 1.0,
        "margin": 0.0,
        "source": "",
        "instance_id": "",
    }


def _needed(line: Record, key: str) -> Any:
    if line.get(key) is None:
        message = f"the key `{key}` is missing"
        raise ValueError(message)
    return line[key]


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        message = f"`{key}` must be a text"
        raise TypeError(message)
    return value


def _turns(value: Any, key: str, role: str) -> list[Message]:
    """Messages; a plain text is one message of `role`."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if not isinstance(value, list):
        message = f"`{key}` must be a text or a list of messages"
        raise TypeError(message)
    for turn in value:
        if not isinstance(turn, dict) or not {"role", "content"} <= turn.keys():
            message = f"a message of `{key}` needs `role` and `content`"
            raise ValueError(message)
    return [
        {
            "role": _text(t["role"], f"{key}[].role"),
            "content": _text(t["content"], f"{key}[].content"),
        }
        for t in value
    ]


def _shared(first: Sequence[Message], second: Sequence[Message]) -> int:
    """How many messages both begin with, when each still has an answer after them."""
    count = 0
    for left, right in zip(first[:-1], second[:-1], strict=False):
        if left != right:
            break
        count += 1
    return count


def _answer(turns: Sequence[Message], key: str) -> str:
    """The text of the single answer."""
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        message = f"`{key}` must hold one message of the assistant after the prompt"
        raise ValueError(message)
    return turns[0]["content"]
