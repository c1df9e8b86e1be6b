"""RewardBench 1 and 2: a chosen and a rejected completion, or several of each.

In the second, all chosen ones are equally right: they share the first rank. The completions stand
in an order of their own, so that their place does not tell which are right. Schema: the data set
cards of allenai/reward-bench and allenai/reward-bench-2; allenai/reward-bench, rewardbench/utils.py
"""

from collections.abc import Iterator
from typing import Any

from core.hashing import content_hash

from .base import Adapter, Instance, Options, Row, Unfit
from .building import completion, instance, own_id, without_order
from .values import Turn, asked, has, name, rest, text, texts

KEY = "rewardbench-key"
# Our own exports of this form say whether they are simulated.
CONSENSUS = "consensus"
OURS = {"instance_id", "prompt_hash", "snapshot", "simulated", "annotators"}


def fits(row: Row) -> bool:
    sides = has(row, chosen=str, rejected=str, subset=str) and "prompt" in row
    return sides and ("chosen_model" in row or "rejected_model" in row)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    best, other = (
        completion(text(row, side), name(row, f"{side}_model")) for side in ("chosen", "rejected")
    )
    completions, ranking = without_order(best, other)
    used = {"id", "prompt", "chosen", "rejected", "chosen_model", "rejected_model"} | OURS
    yield instance(
        id=_id("rewardbench", row),
        prompt=_prompt(row),
        completions=completions,
        human=[{"annotator": CONSENSUS if "simulated" in row else KEY, "ranking": ranking}],
        meta=rest(row, used),
    )


def _id(bench: str, row: Row) -> str:
    """Numbers are counted anew in some subsets."""
    if "simulated" in row:
        return name(row, "id")
    found = own_id(bench, row, "id")
    subset = name(row, "subset")
    return f"{found}-{subset}"[:190] if found.startswith(bench) and subset else found


def _prompt(row: Row) -> str | list[Turn]:
    return asked(row.get("prompt"), "the prompt")


def fits_second(row: Row) -> bool:
    sides = isinstance(row.get("chosen"), list) and isinstance(row.get("rejected"), list)
    listed = sides and all(isinstance(each, str) for each in [*row["chosen"], *row["rejected"]])
    return listed and ("num_correct" in row or "total_completions" in row or "subset" in row)


def second(row: Row, options: Options) -> Iterator[Instance]:
    right, wrong = texts(row.get("chosen"), "chosen"), texts(row.get("rejected"), "rejected")
    if not right or not wrong:
        raise Unfit("chosen and rejected must each hold a completion")
    models = _models(row, len(right) + len(wrong))
    ranked = [
        (completion(each, model), 1 if place < len(right) else len(right) + 1)
        for place, (each, model) in enumerate(zip([*right, *wrong], models, strict=True))
    ]
    ranked.sort(key=lambda pair: content_hash(pair[0]))
    used = {"id", "prompt", "chosen", "rejected", "models", "num_correct", "num_incorrect"}
    yield instance(
        id=_id("rewardbench2", row),
        prompt=_prompt(row),
        completions=[each for each, _ in ranked],
        human=[{"annotator": KEY, "ranking": [rank for _, rank in ranked]}],
        meta=rest(row, used | {"num_rejected", "total_completions"}),
    )


def _models(row: Row, count: int) -> list[str]:
    """The completions' models, where the file has one for each; chosen ones first."""
    given: Any = row.get("models")
    if not isinstance(given, list) or len(given) != count:
        return [""] * count
    return [each if isinstance(each, str) else "" for each in given]


ADAPTER = Adapter(
    name="rewardbench",
    title="RewardBench",
    reads="prompt, chosen, rejected, their models and the subset",
    recognised_by="it has chosen and rejected with their models and a subset",
    fits=fits,
    confidence=0.95,
    instances=instances,
    licence="ODC-BY-1.0",
)
SECOND = Adapter(
    name="rewardbench2",
    title="RewardBench 2",
    reads="prompt, lists of chosen and rejected completions, and the subset",
    recognised_by="chosen and rejected are lists of texts, with a subset",
    fits=fits_second,
    confidence=0.96,
    instances=second,
    licence="ODC-BY-1.0",
)
