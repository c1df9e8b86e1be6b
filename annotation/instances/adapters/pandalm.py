"""PandaLM's test set: an instruction, two responses and three people's answers.

1 and 2 name the better response, 0 is a tie. Schema: WeOpenML/PandaLM, data/testset-v1.json.
Judges' results, where they stand in the same rows as `<judge>_result` and `<judge>_reason`.
"""

import re
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import FIRST, SECOND, TIED, completion, instance, own_id, said
from .values import name, number, rest, text

ANNOTATOR = re.compile(r"annotator(\d+)")
RESULT = re.compile(r"(\w+)_result")
RANKINGS = {0: TIED, 1: FIRST, 2: SECOND}


def fits(row: Row) -> bool:
    told = all(key in row for key in ("instruction", "response1", "response2"))
    return told and any(ANNOTATOR.fullmatch(key) or RESULT.fullmatch(key) for key in row)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    used = {"idx", "instruction", "input", "response1", "response2"}
    people, judges = [], []
    for key, value in row.items():
        if (found := ANNOTATOR.fullmatch(key)) and value is not None:
            people.append({"annotator": f"pandalm-h{found[1]}", "ranking": _ranking(value, key)})
        elif (found := RESULT.fullmatch(key)) and number(value) in RANKINGS:
            reason = said(rationale=name(row, f"{found[1]}_reason"))
            judges.append({"judge": found[1], "ranking": _ranking(value, key)} | reason)
        else:
            continue
        used.add(key)
    yield instance(
        id=own_id("pandalm", row, "idx"),
        prompt="\n\n".join(filter(None, (text(row, "instruction"), name(row, "input")))),
        completions=[completion(text(row, f"response{place}")) for place in (1, 2)],
        human=people,
        ai=judges,
        meta=rest(row, used | {key for key in row if key.endswith("_reason")}),
    )


def _ranking(value: Any, key: str) -> list[int]:
    answer = number(value)
    if answer not in RANKINGS:
        raise Unfit(f"{key} must be 0, 1 or 2")
    return RANKINGS[int(answer)]


ADAPTER = Adapter(
    name="pandalm",
    title="PandaLM",
    reads="instruction, input, response1, response2 and annotator1 to annotator3",
    recognised_by="it has response1, response2 and annotators that answer 0, 1 or 2",
    fits=fits,
    confidence=0.97,
    instances=instances,
    licence="Apache-2.0",
)
