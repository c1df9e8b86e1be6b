"""Label Studio: JSON exports, and JSON-MIN and CSV, which have a row per annotation.

Pairwise, Ranker, Rating, Number, Choices and TextArea results; annotations that were cancelled are
left out, and regions of images, sounds and texts. Rows of JSON-MIN and CSV that are of one
instance must follow each other, as they do in its exports. Schema: HumanSignal/label-studio-sdk,
src/label_studio_sdk/converter/converter.py and exports/csv2.py; the page "Export annotations".
"""

import json
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import instance, own_id, said
from .forms import Answers, Shown, shown
from .values import moment, name, number, objects, seconds

# The key of a result's value, by its type.
VALUES = ("selected", "ranker", "rating", "number", "choices", "text")
ABOUT = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}


def fits(row: Row) -> bool:
    return isinstance(row.get("data"), dict) and isinstance(row.get("annotations"), list)


def fits_rows(row: Row) -> bool:
    return "annotation_id" in row and "annotator" in row and "lead_time" in row


def instances(row: Row, options: Options) -> Iterator[Instance]:
    data = row.get("data")
    if not isinstance(data, dict):
        raise Unfit("data must be an object")
    seen = shown(data, options)
    human, ai = [], []
    for given in objects(row.get("annotations") or [], "annotations"):
        if not given.get("was_cancelled"):
            human += _answered(seen, given).signed("annotator", _who(given), _when(given))
    for given in objects(row.get("predictions") or [], "predictions"):
        judge = name(given, "model_version") or "prediction"
        ai += _answered(seen, given).signed("judge", judge, {})
    yield instance(
        id=own_id("label-studio", row, "id"),
        prompt=seen.prompt,
        completions=seen.completions,
        human=human,
        ai=ai,
        meta=seen.rest,
    )


def _answered(seen: Shown, given: Row) -> Answers:
    answers = Answers(seen)
    results = given.get("result") or []
    for result in objects(results, "result"):
        question, value = name(result, "from_name"), result.get("value")
        key = isinstance(value, dict) and next((key for key in VALUES if key in value), None)
        if question and isinstance(value, dict) and key:
            answers.add(question, _plain(value[key]))
    if given.get("ground_truth") is True:
        answers.attributes["ground_truth"] = True
    return answers


def _plain(value: Any) -> Any:
    """A ranker's buckets as the one list it has; a list of one text as the text."""
    if isinstance(value, dict):
        buckets = [each for each in value.values() if isinstance(each, list)]
        value = buckets[0] if len(buckets) == 1 else value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return value


def _who(given: Row) -> str:
    """The annotator's number; their address only where the file has nothing else."""
    by = given.get("completed_by")
    found = name(by, "id", "email") if isinstance(by, dict) else name({"by": by}, "by")
    return found or "unnamed"


def _when(given: Row) -> dict[str, Any]:
    return said(seconds=seconds(given.get("lead_time")), created_at=moment(given.get("created_at")))


def rows(row: Row, options: Options) -> Iterator[Instance]:
    """A row of JSON-MIN or CSV: fields and answers side by side, told apart by their names.

    Option `questions`: the names of the answers, where they look like fields.
    """
    given = {key: _opened(each) for key, each in row.items() if key not in ABOUT}
    asked = options.get("questions")
    answers = {key for key in given if key in asked} if isinstance(asked, list) else set()
    seen = shown({key: each for key, each in given.items() if key not in answers}, options)
    found = Answers(seen)
    for question, value in given.items():
        if question in answers or question in seen.rest:
            found.add(question, value)
    yield instance(
        id=own_id("label-studio", row, "id"),
        prompt=seen.prompt,
        completions=seen.completions,
        human=found.signed("annotator", name(row, "annotator") or "unnamed", _when(row)),
    )


def _opened(value: Any) -> Any:
    """A cell's list or object; numbers written as text are numbers."""
    if not isinstance(value, str):
        return _plain(value)
    if value.lstrip()[:1] in ("[", "{"):
        try:
            return _plain(json.loads(value))
        except (ValueError, RecursionError):
            return value
    found = number(value)
    return value if found is None else found


ADAPTER = Adapter(
    name="label_studio",
    title="Label Studio",
    reads="tasks with data, annotations and predictions",
    recognised_by="it has data and annotations",
    fits=fits,
    confidence=0.96,
    instances=instances,
)
ROWS = Adapter(
    name="label_studio_rows",
    title="Label Studio JSON-MIN and CSV",
    reads="a row per annotation; rows of one instance must follow each other",
    recognised_by="it has annotation_id, annotator and lead_time",
    fits=fits_rows,
    confidence=0.96,
    instances=rows,
    joins=lambda each: each.get("id"),
)
