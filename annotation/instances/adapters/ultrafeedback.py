"""UltraFeedback: four completions with GPT-4's ratings and reasons, and its binarised forms.

Schema: the data set cards of openbmb/UltraFeedback, HuggingFaceH4/ultrafeedback_binarized and
argilla/ultrafeedback-binarized-preferences-cleaned.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from .base import Adapter, Instance, Options, Row
from .building import completion, instance, own_id, ranks, said
from .trl import preference
from .values import has, is_conversation, name, number, objects, rest, text

ASPECTS = ("helpfulness", "honesty", "instruction_following", "truthfulness")
JUDGE = "gpt-4"


def fits(row: Row) -> bool:
    given = row.get("completions")
    if not has(row, instruction=str) or not isinstance(given, list | dict) or not given:
        return False
    keys = given[0] if isinstance(given, list) else given
    return isinstance(keys, dict) and "response" in keys


def instances(row: Row, options: Options) -> Iterator[Instance]:
    given = objects(row.get("completions"), "completions")
    yield instance(
        id=own_id("ultrafeedback", row, "id", "prompt_id"),
        prompt=text(row, "instruction"),
        completions=[completion(text(each, "response"), name(each, "model")) for each in given],
        ai=list(_labels(given, name(options, "judge") or JUDGE)),
        meta=rest(row, {"instruction", "completions", "models", "id", "prompt_id"}),
    )


def _labels(given: Sequence[Row], judge: str) -> Iterator[dict[str, Any]]:
    overall = [number(each.get("overall_score")) for each in given]
    if ranking := ranks(overall):
        critiques = [name(each, "critique") for each in given]
        label = {"judge": judge, "ranking": ranking, "scores": overall}
        yield label | said(rationales=critiques if any(critiques) else None)
    for aspect in ASPECTS:
        rated = [_of(each, aspect) for each in given]
        scores = [number(each.get("Rating")) for each in rated]
        reasons = [name(each, "Rationale") for each in rated]
        if any(score is not None for score in scores):
            label = {"judge": judge, "criterion": aspect, "scores": scores}
            yield label | said(rationales=reasons if any(reasons) else None)


def _of(each: Row, aspect: str) -> Row:
    """A completion's rating on an aspect; Parquet has it in a list of one."""
    annotations = each.get("annotations")
    found = annotations.get(aspect) if isinstance(annotations, dict) else None
    if isinstance(found, list):
        found = found[0] if found else None
    return found if isinstance(found, dict) else {}


def fits_binarised(row: Row) -> bool:
    sides = is_conversation(row.get("chosen")) and is_conversation(row.get("rejected"))
    scored = number(row.get("score_chosen")) is not None and is_conversation(row.get("messages"))
    return sides and (scored or has(row, **{"chosen-model": str, "rejected-model": str}))


def binarised(row: Row, options: Options) -> Iterator[Instance]:
    scored = dict(row)
    for side in ("chosen", "rejected"):
        if f"{side}-rating" in row:
            scored[f"{side}_rating"] = scored.pop(f"{side}-rating")
    # `messages` is the chosen side once more.
    scored.pop("messages", None)
    models = [scored.pop(f"{side}-model", None) for side in ("chosen", "rejected")]
    judge = name(options, "judge") or JUDGE
    found = preference(scored, {**options, "judge": judge}, "ultrafeedback")
    ranking = found["ai"][0]["ranking"]
    for rank, each in zip(ranking, found["responses"], strict=True):
        each.update(said(model=name({"model": models[rank - 1]}, "model")))
    yield found


ADAPTER = Adapter(
    name="ultrafeedback",
    title="UltraFeedback",
    reads="an instruction and completions with ratings and reasons on four aspects",
    recognised_by="it has an instruction and completions with a response each",
    fits=fits,
    confidence=0.96,
    instances=instances,
    licence="MIT",
)
BINARISED = Adapter(
    name="ultrafeedback_binarized",
    title="UltraFeedback binarised",
    reads="chosen and rejected conversations with scores",
    recognised_by="it has chosen and rejected conversations, their messages once more, and scores",
    fits=fits_binarised,
    confidence=0.9,
    instances=binarised,
    licence="MIT",
)
