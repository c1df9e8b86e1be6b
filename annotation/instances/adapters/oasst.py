"""OpenAssistant: message trees with the people's ranking of replies.

Every message with two or more ranked replies of the assistant is an instance, with the consensus
ranking as one label. A row is a tree, or a message: messages of a tree must follow each other, as
they do in the published files. Schema: LAION-AI/Open-Assistant, the data set card of OpenAssistant/
oasst1 and oasst_data/schemas.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import completion, instance, said
from .values import ROLES, Turn, has, is_whole, name, text

CONSENSUS = "oasst-consensus"
# Python's own stack is the limit; real trees are a dozen messages deep.
DEEPEST = 100


def fits(row: Row) -> bool:
    root = row.get("prompt")
    return "message_tree_id" in row and isinstance(root, dict) and "replies" in root


def instances(row: Row, options: Options) -> Iterator[Instance]:
    root = row.get("prompt")
    if not isinstance(root, dict):
        raise Unfit("prompt must be the tree's first message")
    meta = said(message_tree_id=name(row, "message_tree_id"), lang=name(root, "lang"))
    yield from _below(root, [], meta)


def _below(message: Row, before: list[Turn], meta: Row) -> Iterator[Instance]:
    """The instances of a message and of all that follow it."""
    if len(before) > DEEPEST:
        raise Unfit(f"the tree is more than {DEEPEST} messages deep")
    conversation = [*before, _turn(message)]
    replies = message.get("replies") or []
    if not isinstance(replies, list) or not all(isinstance(each, dict) for each in replies):
        raise Unfit("replies must be a list of messages")
    if found := _instance(message, conversation, replies, meta):
        yield found
    for reply in replies:
        yield from _below(reply, conversation, meta)


def _turn(message: Row) -> Turn:
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise Unfit("a message has no role of prompter or assistant")
    return {"role": ROLES[role], "content": text(message, "text")}


def _instance(
    message: Row, conversation: list[Turn], replies: Sequence[Row], meta: Row
) -> Instance | None:
    ranked = [
        each
        for each in replies
        if is_whole(each.get("rank")) and each.get("role") == "assistant" and not _gone(each)
    ]
    if len(ranked) < 2:
        return None
    better = [sum(other["rank"] < each["rank"] for other in ranked) for each in ranked]
    parent = name(message, "message_id")
    return instance(
        id=f"oasst-{parent}" if parent else "",
        prompt=conversation,
        completions=[completion(text(each, "text"), name(each, "model_name")) for each in ranked],
        human=[{"annotator": CONSENSUS, "ranking": [1 + each for each in better]}],
        meta=meta,
    )


def _gone(message: Row) -> bool:
    return message.get("deleted") is True


def fits_messages(row: Row) -> bool:
    told = has(row, message_id=str, text=str, role=str) and "parent_id" in row
    return told and "message_tree_id" in row


def grown(row: Row, options: Options) -> Iterator[Instance]:
    """The instances of a tree whose messages are in `rows`."""
    by_id: dict[str, dict[str, Any]] = {}
    rows = row["rows"]
    for each in rows:
        by_id[name(each, "message_id")] = {**each, "replies": []}
    roots: list[dict[str, Any]] = []
    for each in by_id.values():
        parent = by_id.get(name(each, "parent_id"))
        (roots if parent is None or parent is each else parent["replies"]).append(each)
    for root in roots:
        tree_id = name(root, "message_tree_id")
        yield from _below(root, [], said(message_tree_id=tree_id, lang=name(root, "lang")))


def tree_of(row: Row) -> str:
    return name(row, "message_tree_id")


ADAPTER = Adapter(
    name="oasst",
    title="OpenAssistant trees",
    reads="one tree of messages a row",
    recognised_by="it has a message_tree_id and a prompt with replies",
    fits=fits,
    confidence=0.98,
    instances=instances,
    licence="Apache-2.0",
)
MESSAGES = Adapter(
    name="oasst_messages",
    title="OpenAssistant messages",
    reads="one message a row; messages of a tree must follow each other",
    recognised_by="it has message_id, parent_id, message_tree_id, text and role",
    fits=fits_messages,
    confidence=0.98,
    instances=grown,
    licence="Apache-2.0",
    gathers=tree_of,
)
