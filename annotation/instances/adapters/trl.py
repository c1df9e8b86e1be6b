"""TRL's dataset formats, standard and conversational, as its page "Dataset formats" names them.

Preference with explicit or implicit prompt, unpaired preference, and stepwise supervision; rows of
prompts alone are refused. Schema: huggingface/trl docs/source/dataset_formats.md.
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import completion, instance, labels, own_id, said, sides, without_order
from .values import Turn, asked, is_conversation, number, rest, text, texts, turns

# Scores of the two sides, in the words of several publishers.
SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
)
ID = ("id", "instance_id", "prompt_id")
STEPS = "\n\n"


def fits(row: Row) -> bool:
    if "chosen" in row and "rejected" in row:
        return _alike(row["chosen"], row["rejected"]) and _asks(row.get("prompt"), implicit=True)
    if "completion" in row:
        return _asks(row.get("prompt")) and isinstance(row.get("label"), bool)
    if "completions" in row:
        return _asks(row.get("prompt")) and isinstance(row.get("labels"), list)
    return set(row) == {"prompt"} and _asks(row["prompt"])


def _alike(one: Any, other: Any) -> bool:
    both_texts = isinstance(one, str) and isinstance(other, str)
    return both_texts or (is_conversation(one) and is_conversation(other))


def _asks(prompt: Any, *, implicit: bool = False) -> bool:
    return (implicit and prompt is None) or isinstance(prompt, str) or is_conversation(prompt)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    if "chosen" in row or "rejected" in row:
        yield preference(row, options, "trl")
    elif "completion" in row and "label" in row:
        yield _unpaired(row, options)
    elif "completions" in row and "labels" in row:
        yield _stepwise(row, options)
    elif "prompt" in row:
        raise Unfit("there are only prompts: nothing that could be compared or rated")
    else:
        raise Unfit("there is no chosen and rejected, no completion and no prompt")


def preference(row: Row, options: Options, adapter: str) -> Instance:
    """A row with `chosen` and `rejected`; their place does not tell which is which."""
    prompt, (best, other) = _sides(row)
    completions, ranking = without_order(best, other)
    label = {"ranking": ranking} | said(attributes=_scores(row, ranking))
    used = {"prompt", "chosen", "rejected", "margin", *(key for pair in SCORES for key in pair)}
    return instance(
        id=own_id(adapter, row, "id"),
        prompt=prompt,
        completions=completions,
        **labels(options, label),
        meta=rest(row, used | {"id"}),
    )


def _sides(row: Row) -> tuple[Any, list[dict[str, Any]]]:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if is_conversation(chosen) and is_conversation(rejected):
        before = [] if row.get("prompt") is None else turns(row["prompt"], "the prompt")
        both = [turns(chosen, "chosen"), turns(rejected, "rejected")]
        if all(each[0]["role"] != "assistant" for each in both):
            # The prompt is told once more at the start of both sides.
            before = []
        return sides(before, *both)
    best, other = text(row, "chosen"), text(row, "rejected")
    if row.get("prompt") is not None:
        return asked(row["prompt"], "the prompt"), [completion(best), completion(other)]
    prompt = _common(best, other)
    return prompt, [completion(best[len(prompt) :]), completion(other[len(prompt) :])]


def _common(best: str, other: str) -> str:
    """What two texts begin with alike, up to a whole word."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(best, other, strict=False))
    shared = best[: sum(1 for _ in alike)]
    shared = shared if shared[-1:].isspace() else _to_word(shared)
    if not shared.strip():
        raise Unfit("there is no prompt, and chosen and rejected begin with nothing alike")
    return shared


def _to_word(shared: str) -> str:
    return shared[: max(shared.rfind(" "), shared.rfind("\n")) + 1] or shared


def _scores(row: Row, ranking: list[int]) -> dict[str, Any]:
    """What the file says of how much better; a list has its values in the completions' order."""
    for chosen, rejected in SCORES:
        pair = [number(row.get(chosen)), number(row.get(rejected))]
        if None not in pair:
            ordered = pair if ranking[0] == 1 else pair[::-1]
            return said(score=ordered, margin=number(row.get("margin")))
    return said(margin=number(row.get("margin")))


def _unpaired(row: Row, options: Options) -> Instance:
    if not isinstance(row["label"], bool):
        raise Unfit("label must be true or false")
    prompt: str | list[Turn] | None
    if is_conversation(row["completion"]):
        before = turns(row.get("prompt"), "the prompt")
        prompt, completions = sides(before, turns(row["completion"], "the completion"))
    else:
        prompt = asked(row.get("prompt"), "the prompt")
        completions = [completion(text(row, "completion"))]
    used = {"prompt", "completion", "label", "id"}
    return instance(
        id=own_id("trl", row, "id"),
        prompt=prompt,
        completions=completions,
        **labels(options, {"scores": [int(row["label"])]}),
        meta=rest(row, used),
    )


def _stepwise(row: Row, options: Options) -> Instance:
    """The steps together are the completion; it is right where every step is."""
    steps, right = texts(row["completions"], "completions"), row["labels"]
    if not isinstance(right, list) or not all(isinstance(each, bool) for each in right):
        raise Unfit("labels must be a list of true and false")
    if len(steps) != len(right) or not steps:
        raise Unfit(f"there are {len(right)} labels for {len(steps)} steps")
    return instance(
        prompt=text(row, "prompt"),
        completions=[completion(STEPS.join(steps))],
        **labels(options, {"scores": [int(all(right))], "attributes": {"steps": right}}),
        meta=rest(row, {"prompt", "completions", "labels"}) | {"steps": steps},
    )


ADAPTER = Adapter(
    name="trl",
    title="TRL",
    reads="prompt, chosen and rejected; or prompt, completion and label; or steps with labels",
    recognised_by="it has chosen and rejected, or completion and label, as texts or conversations",
    fits=fits,
    confidence=0.7,
    instances=instances,
)
