"""The columns of published data sets and benchmarks. Pure."""

from itertools import combinations
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from annotation.projects.models import Kind

from .base import (
    MESSAGES,
    PROVENANCE,
    SOURCE,
    Criteria,
    Made,
    Row,
    Shape,
    Source,
    better_first,
    fixed,
    own_prompt,
    plain,
    provenance_of,
)
from .cases import Labelled, of_kind, text_of_completion

# HelpSteer3 says how much better in three steps; a preference without a strength is the middle one.
STEPS, PLAINLY = 3, 2


def rewardbench(row: Row, criteria: Criteria) -> Made:
    """A row per pair that is no tie; `subset` is the split."""
    places = range(len(row["completions"]))
    for i, j in combinations(places, 2):
        if (found := better_first(row, i, j)) is None or own_prompt(row, i) != own_prompt(row, j):
            continue
        best, worst, _p = found
        yield {
            "id": row["instance_id"] if len(places) == 2 else f"{row['instance_id']}#{i}-{j}",
            "prompt": plain(own_prompt(row, best)),
            "chosen": row["completions"][best],
            "chosen_model": row["generators"][best],
            "rejected": row["completions"][worst],
            "rejected_model": row["generators"][worst],
            "subset": row["split"],
            **provenance_of(row),
        }


def helpsteer3(case: Labelled, criteria: Criteria) -> Made:
    """A row per pair and the project's first pairwise criterion; −3: response 1 is much better."""
    asked = of_kind(criteria, Kind.PAIRWISE)
    if len(case.completions) != 2 or not asked or not case.shares_prompt():
        return
    labels = [row for row in case.on(asked[0]["key"]) if row["ranking"]]
    if not labels:
        return
    given = [_individual(row) for row in labels]
    first, second = case.completions
    yield {
        "domain": _word(case, "domain", "general"),
        "language": _word(case, "language", "english"),
        "context": case.prompt(first),
        "response1": text_of_completion(first),
        "response2": text_of_completion(second),
        "overall_preference": round(sum(each["score"] for each in given) / len(given)),
        "individual_preference": given,
        "model1": first["generator"],
        "model2": second["generator"],
        "licence1": first["licence"],
        "licence2": second["licence"],
        "criterion": asked[0]["key"],
        **case.source(labels),
    }


def _individual(label: Row) -> dict[str, Any]:
    """One annotator's preference from −3 (response 1) to 3 (response 2), 0 where they tie."""
    first, second = label["ranking"]
    strength = label["strength"]
    size = PLAINLY if strength is None else max(1, round(STEPS * strength))
    score = 0 if first == second else -size if first < second else size
    return {
        "score": score,
        "reasoning": label["rationale"],
        "feedback1": "",
        "feedback2": "",
        "annotator": label["annotator"],
    }


def _word(case: Labelled, name: str, otherwise: str) -> str:
    value = case.metadata.get(name)
    return value if isinstance(value, str) and value else otherwise


SHAPES = {
    "helpsteer3": Shape(
        _("HelpSteer3: context, two responses, and a preference from −3 to 3 with its reasons."),
        helpsteer3,
        fixed(
            ("domain", pa.string()),
            ("language", pa.string()),
            ("context", MESSAGES),
            ("response1", pa.string()),
            ("response2", pa.string()),
            ("overall_preference", pa.int64()),
            (
                "individual_preference",
                pa.list_(
                    pa.struct(
                        [
                            ("score", pa.int64()),
                            ("reasoning", pa.string()),
                            ("feedback1", pa.string()),
                            ("feedback2", pa.string()),
                            ("annotator", pa.string()),
                        ]
                    )
                ),
            ),
            ("model1", pa.string()),
            ("model2", pa.string()),
            ("licence1", pa.string()),
            ("licence2", pa.string()),
            ("criterion", pa.string()),
            *SOURCE,
        ),
        Source.CASES,
    ),
    "rewardbench": Shape(
        _("RewardBench: prompt, chosen and rejected with their models, to test a reward model."),
        rewardbench,
        fixed(
            *(
                (name, pa.string())
                for name in (
                    "id",
                    "prompt",
                    "chosen",
                    "chosen_model",
                    "rejected",
                    "rejected_model",
                    "subset",
                )
            ),
            *PROVENANCE,
        ),
    ),
}
