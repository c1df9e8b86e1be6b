"""AlpacaEval and AlpacaFarm: two outputs for an instruction, and who prefers which how surely.

`preference` runs from 1, the first, to 2, the second; 1.5 and 0 are ties; none is no answer.
Annotators are people by number, and judges by name. Annotations of one pair must follow each other
to become one instance. Schema: tatsu-lab/alpaca_eval, README, "Analyzing" and
docs/format_sample_sheets.py; notebooks/notebook_helpers.py for 0.
"""

from collections.abc import Iterator
from typing import Any

from core.hashing import canonical_json

from .base import Adapter, Instance, Options, Row, Unfit
from .building import FIRST, SECOND, TIED, completion, instance, said
from .values import has, is_number, name, number, rest, text

EVEN = 1.5
LEAST, MOST = 1, 2


def fits(row: Row) -> bool:
    both = has(row, instruction=str, output_1=str, output_2=str)
    return both and "preference" in row and ("generator_1" in row or "annotator" in row)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    used = {"instruction", "input", "annotator", "preference", "raw_completion", "is_randomized"}
    for place in (1, 2):
        used |= {f"output_{place}", f"generator_{place}"}
    yield instance(
        prompt="\n\n".join(filter(None, (text(row, "instruction"), name(row, "input")))),
        completions=[
            completion(text(row, f"output_{place}"), name(row, f"generator_{place}"))
            for place in (1, 2)
        ],
        **_label(row, options),
        meta=rest(row, used | {"index"} | {key for key in row if key.endswith(UNSTABLE)}),
    )


# What a call took; it differs from annotator to annotator.
UNSTABLE = ("_price", "_time", "price_per_example", "time_per_example", "_version", "_date")


def _label(row: Row, options: Options) -> dict[str, Any]:
    if row.get("preference") in (None, ""):
        return {}
    preference = number(row["preference"])
    if preference is None or not (preference == 0 or LEAST <= preference <= MOST):
        raise Unfit("preference must be a number from 1 to 2, or 0 for a tie")
    annotator = row.get("annotator")
    label = _ranking(preference)
    if is_number(annotator) or not name(row, "annotator"):
        if judge := name(options, "judge"):
            return {"ai": [{"judge": judge} | label]}
        who = name(row, "annotator") or name(options, "annotator") or "unnamed"
        return {"human": [{"annotator": f"alpaca-{who}"} | label]}
    # A judge's preference is 1 + P(second is better); labels hold P(first is better).
    probability = said(probability=MOST - preference if preference else None)
    return {"ai": [{"judge": name(row, "annotator")} | label | probability]}


def _ranking(preference: float) -> dict[str, Any]:
    if preference in (0, EVEN):
        return {"ranking": TIED}
    return {"ranking": FIRST if preference < EVEN else SECOND}


def same_pair(each: Instance) -> str:
    return canonical_json([each["prompt"], each["responses"]])


ADAPTER = Adapter(
    name="alpaca_eval",
    title="AlpacaEval",
    reads="instruction, two outputs with their generators, an annotator and a preference of 1 to 2",
    recognised_by="it has output_1, output_2 and a preference from 1 to 2",
    fits=fits,
    confidence=0.97,
    instances=instances,
    licence="CC-BY-NC-4.0 (AlpacaEval's data)",
    joins=same_pair,
)
