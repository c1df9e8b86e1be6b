"""Benchmarks of judges with one right answer a pair: LLMBar and JudgeBench.

The right answer comes in as a label of the benchmark's authors. JudgeBench's outputs have what a
judge decided in both orders. Schema: princeton-nlp/LLMBar, Dataset/*/dataset.json;
ScalerLab/JudgeBench, data/*.jsonl, outputs/*.jsonl and utils/metrics.py.
"""

from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import FIRST, SECOND, TIED, completion, instance, own_id, said
from .values import has, is_whole, name, objects, rest, text

DECISIONS = {"A>B": FIRST, "B>A": SECOND, "A=B": TIED}


def fits_llmbar(row: Row) -> bool:
    return has(row, input=str, output_1=str, output_2=str) and row.get("label") in (1, 2)


def llmbar(row: Row, options: Options) -> Iterator[Instance]:
    label = row.get("label")
    if not is_whole(label) or label not in (1, 2):
        raise Unfit("label must be 1 or 2")
    used = {"input", "output_1", "output_2", "label", "results"}
    yield instance(
        prompt=text(row, "input"),
        completions=[completion(text(row, f"output_{place}")) for place in (1, 2)],
        human=[{"annotator": "llmbar-authors", "ranking": FIRST if label == 1 else SECOND}],
        meta=rest(row, used),
    )


def fits_judgebench(row: Row) -> bool:
    both = has(row, question=str, response_A=str, response_B=str)
    return both and isinstance(row.get("label"), str) and row["label"] in DECISIONS


def judgebench(row: Row, options: Options) -> Iterator[Instance]:
    model = name(row, "response_model")
    used = {"pair_id", "question", "response_A", "response_B", "label", "response_model"}
    yield instance(
        id=own_id("judgebench", row, "pair_id"),
        prompt=text(row, "question"),
        completions=[completion(text(row, f"response_{side}"), model) for side in "AB"],
        human=[{"annotator": "judgebench-key", "ranking": _decided(row.get("label"), "label")}],
        ai=list(_judgments(row)),
        meta=rest(row, used | {"judgments", "judge_name"}),
    )


def _decided(value: Any, what: str) -> list[int]:
    if not isinstance(value, str) or value not in DECISIONS:
        raise Unfit(f"{what} must be one of {', '.join(DECISIONS)}")
    return DECISIONS[value]


def _judgments(row: Row) -> Iterator[dict[str, Any]]:
    """What a judge decided: first as the file has the two, then with their places exchanged."""
    given = row.get("judgments")
    if given is None:
        return
    kept = [each for each in given if each is not None] if isinstance(given, list) else given
    for place, each in enumerate(objects(kept, "judgments")):
        if (decision := name(each, "decision")) not in DECISIONS:
            continue
        ranking = DECISIONS[decision]
        asked = each.get("judgment")
        told = asked if isinstance(asked, dict) else {}
        judge = "/".join(filter(None, (name(row, "judge_name"), name(told, "judge_model"))))
        yield {
            "judge": judge or "judge",
            "ranking": ranking[::-1] if place else ranking,
            "order": [1, 0] if place else [0, 1],
        } | said(rationale=name(told, "response"))


LLMBAR = Adapter(
    name="llmbar",
    title="LLMBar",
    reads="input, output_1, output_2 and a label of 1 or 2",
    recognised_by="it has output_1, output_2 and a label of 1 or 2",
    fits=fits_llmbar,
    confidence=0.95,
    instances=llmbar,
    licence="MIT",
)
JUDGEBENCH = Adapter(
    name="judgebench",
    title="JudgeBench",
    reads="question, response_A, response_B and a label such as A>B, with judgments if any",
    recognised_by="it has response_A, response_B and labels such as A>B",
    fits=fits_judgebench,
    confidence=0.97,
    instances=judgebench,
    licence="MIT",
)
