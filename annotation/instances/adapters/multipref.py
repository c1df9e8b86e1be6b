"""MultiPref: pairs with verdicts of several people on four criteria; also GPT-4's and our export.

A row per pair with lists of annotations (`normal_worker_annotations`, `expert_worker_annotations`),
a row per annotator (`evaluator`), or a row per pair with `pref_human` and `pref_gpt4`. Schema: the
data set card of allenai/multipref; allenai/hybrid-preferences, scripts/apply_data_model.py.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import FIRST, SECOND, TIED, completion, instance, own_id, said
from .values import has, moment, name, objects, rest, seconds, text

COHORTS = {"normal_worker_annotations": "normal", "expert_worker_annotations": "expert"}
# The columns' words for the criteria; the overall preference is the project's first criterion.
CRITERIA = {
    "overall": "",
    "helpful": "helpfulness",
    "truthful": "truthfulness",
    "harmless": "harmlessness",
}
VERDICT = re.compile(r"([ab])-is-(?:(clearly|slightly)-)?better", re.IGNORECASE)
STRENGTH = {"clearly": 1.0, "slightly": 0.5, None: None}
# Reasons are boxes that people tick.
LONGEST = 60
CONFIDENCE = {"not-confident": 1, "fairly-confident": 3, "absolutely-confident": 5}
BOTH = ("pref_human", "pref_gpt4")
PAIR = {
    *("comparison_id", "id", "instance_id", "text", "prompt", "completion_a", "completion_b"),
    *("model_a", "model_b", "prompt_hash", "split", "snapshot", "simulated"),
}


def fits(row: Row) -> bool:
    if not has(row, completion_a=str, completion_b=str):
        return False
    listed = any(isinstance(row.get(column), list | dict) for column in COHORTS)
    return listed or "evaluator" in row or any(verdict(row.get(key)) for key in BOTH)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    human, ai = list(_people(row)), []
    if decided := verdict(row.get("pref_human")):
        human.append({"annotator": "human"} | decided)
    if judge := name(options, "judge"):
        # The file of GPT-4's annotations has the columns of people's.
        human, ai = [], [_by(judge, each) for each in human]
    if decided := verdict(row.get("pref_gpt4")):
        ai.append({"judge": "gpt-4"} | decided)
    used = PAIR | set(BOTH) | set(COHORTS) | {"evaluator", "cohort", "time_spent", "timestamp"}
    answers = {key for key in row if key.endswith(ANSWER)}
    yield instance(
        id=own_id("multipref", row, "comparison_id", "instance_id", "id"),
        prompt=text(row, "text" if "text" in row else "prompt"),
        completions=[
            completion(text(row, f"completion_{side}"), name(row, f"model_{side}")) for side in "ab"
        ],
        human=human,
        ai=ai,
        meta=rest(row, used | answers),
    )


ANSWER = ("_pref", "_confidence", "_checked_reasons", "_own_reason")


def _by(judge: str, label: dict[str, Any]) -> dict[str, Any]:
    return {"judge": judge} | {key: each for key, each in label.items() if key != "annotator"}


def _people(row: Row) -> Iterator[dict[str, Any]]:
    for column, cohort in COHORTS.items():
        if row.get(column) is not None:
            for given in objects(row[column], column):
                yield from labels_of(given, cohort)
    if "evaluator" in row:
        yield from labels_of(row, name(row, "cohort"))


def labels_of(given: Row, cohort: str) -> list[dict[str, Any]]:
    """One annotator's labels, one for each criterion with a verdict, the overall one first."""
    evaluator = name(given, "evaluator")
    if not evaluator:
        raise Unfit("an annotation names no evaluator")
    prefixes = [key.removesuffix("_pref") for key in given if key.endswith("_pref")]
    found = [
        {"annotator": evaluator} | label | said(attributes=said(cohort=cohort))
        for prefix in sorted(prefixes, key=lambda each: each != "overall")
        if (label := _label(given, prefix))
    ]
    if found:
        # The time is that of the whole form.
        found[0] |= said(seconds=seconds(given.get("time_spent")))
    return [label | said(created_at=moment(given.get("timestamp"))) for label in found]


def _label(given: Row, prefix: str) -> dict[str, Any] | None:
    decided = verdict(given.get(f"{prefix}_pref"))
    reasons = given.get(f"{prefix}_checked_reasons")
    return decided and decided | said(
        criterion=CRITERIA.get(prefix, prefix),
        confidence=CONFIDENCE.get(name(given, f"{prefix}_confidence")),
        reasons=_texts(reasons),
        rationale=name(given, f"{prefix}_own_reason"),
    )


def _texts(value: Any) -> Sequence[str]:
    given = value if isinstance(value, list) else []
    return [each[:LONGEST] for each in given if isinstance(each, str) and each.strip()]


def verdict(value: Any) -> dict[str, Any] | None:
    """`A-is-clearly-better` and its like as a ranking and a strength; None for other values."""
    if not isinstance(value, str):
        return None
    if value.lower() == "tie":
        return {"ranking": TIED}
    found = VERDICT.fullmatch(value)
    if found is None:
        return None
    ranking = FIRST if found[1].lower() == "a" else SECOND
    return {"ranking": ranking} | said(strength=STRENGTH[found[2] and found[2].lower()])


ADAPTER = Adapter(
    name="multipref",
    title="MultiPref",
    reads="completion_a and completion_b with verdicts per annotator and criterion",
    recognised_by="it has completion_a, completion_b and verdicts such as A-is-clearly-better",
    fits=fits,
    confidence=0.97,
    instances=instances,
    licence="ODC-BY-1.0",
    joins=lambda each: each.get("id"),
)
