"""The shapes made of the labels themselves: one function from an instance with its labels. Pure.

Gold and repeats measure people and are in none of them; a review that stands decides.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from annotation.projects.models import Kind, TieKind

from .labels import DATA
from .ratings import deciding, means
from .shapes import MESSAGES, texts

Row = Mapping[str, Any]
Criteria = Sequence[Row]

SOURCE = [
    ("instance_id", pa.string()),
    ("prompt_hash", pa.string()),
    ("split", pa.string()),
    ("simulated", pa.bool_()),
    ("snapshot", pa.string()),
]
# MultiPref's own names for three of its four criteria.
MULTIPREF = {"helpfulness": "helpful", "truthfulness": "truthful", "harmlessness": "harmless"}
CONFIDENCE = {1: "not-confident", 2: "not-confident", 3: "fairly-confident", 4: "fairly-confident"}


@dataclass(frozen=True)
class Labelled:
    """An instance as it is stored, and every label on it."""

    instance: Row
    labels: Sequence[Row]

    @property
    def completions(self) -> list[dict[str, Any]]:
        return list(json.loads(self.instance["completions"]))

    def prompt(self, completion: Row) -> list[dict[str, str]]:
        """The turns before a completion, in words: its own in joint comparison."""
        return texts(completion["messages"] or json.loads(self.instance["messages"]))

    def on(self, key: str) -> list[Row]:
        """The labels on a criterion that decide."""
        return deciding([row for row in self.labels if row["criterion"] == key and _is_data(row)])

    def source(self, labels: Sequence[Row]) -> dict[str, Any]:
        names = ("instance_id", "prompt_hash", "split")
        simulated = any(label["simulated"] for label in labels)
        shared = {name: self.instance[name] for name in names}
        return shared | {"simulated": simulated, "snapshot": self.instance["snapshot"]}


def _is_data(row: Row) -> bool:
    return row.get("purpose", "label") in DATA


def _of_kind(criteria: Criteria, *kinds: str) -> list[Row]:
    return [criterion for criterion in criteria if criterion["asks"] in kinds]


def unpaired(case: Labelled, criteria: Criteria) -> Iterator[dict[str, Any]]:
    """TRL's conversational unpaired format: a completion and whether most thumbs are up.

    As many up as down is no label and has no row. `share` is the share of thumbs up.
    """
    completions = case.completions
    for criterion in _of_kind(criteria, Kind.BINARY):
        labels = case.on(criterion["key"])
        for place, up in enumerate(means(labels, len(completions))):
            if up is None or up == 0.5:
                continue
            completion = completions[place]
            yield {
                "prompt": case.prompt(completion),
                "completion": [{"role": "assistant", "content": _text(completion)}],
                "label": up > 0.5,
                "criterion": criterion["key"],
                "share": up,
                "votes": sum(label["scores"][place] is not None for label in labels),
                "generator": completion["generator"],
                "licence": completion["licence"],
                **case.source(labels),
            }


def ratings(case: Labelled, criteria: Criteria) -> Iterator[dict[str, Any]]:
    """A row per completion with the mean score of every rated attribute, as in HelpSteer."""
    completions = case.completions
    rated = _of_kind(criteria, Kind.RATING)
    labels = {criterion["key"]: case.on(criterion["key"]) for criterion in rated}
    scores = {key: means(rows, len(completions)) for key, rows in labels.items()}
    everything = [label for rows in labels.values() for label in rows]
    for place, completion in enumerate(completions):
        if all(column[place] is None for column in scores.values()):
            continue
        yield {
            "prompt": json.dumps(case.prompt(completion), ensure_ascii=False),
            "response": _text(completion),
            **{column(key): values[place] for key, values in scores.items()},
            "annotators": len({label["annotator"] for label in everything}),
            "generator": completion["generator"],
            "licence": completion["licence"],
            **case.source(everything),
        }


def edits(case: Labelled, criteria: Criteria) -> Iterator[dict[str, Any]]:
    """A triple per edit: the edited text ≻ the completion it was made of ≻ the worst one."""
    completions, seen = case.completions, set()
    for label in case.labels:
        edit = json.loads(label["attributes"]).get("edit")
        if not edit or not _is_data(label):
            continue
        # The same edit comes with every criterion of one submit.
        key = (label["annotator"], edit["position"], edit["text"])
        if key in seen:
            continue
        seen.add(key)
        chosen = completions[edit["position"]]
        worst = _worst(label, edit["position"])
        if worst is not None and case.prompt(completions[worst]) != case.prompt(chosen):
            # It answers another prompt.
            worst = None
        yield {
            "prompt": case.prompt(chosen),
            "gold": edit["text"],
            "chosen": _text(chosen),
            "rejected": _text(completions[worst]) if worst is not None else None,
            "position": edit["position"],
            "generator": chosen["generator"],
            "licence": chosen["licence"],
            "criterion": label["criterion"],
            "annotator": label["annotator"],
            "created_at": label["created_at"],
            **case.source([label]),
        }


def _worst(label: Row, chosen: int) -> int | None:
    """The completion ranked last, where it is ranked behind the chosen one."""
    ranking = label["ranking"]
    if not ranking or max(ranking) <= ranking[chosen]:
        return None
    return max(range(len(ranking)), key=lambda place: (ranking[place], -place))


def multipref(case: Labelled, criteria: Criteria) -> Iterator[dict[str, Any]]:
    """A row per annotator and pair with MultiPref's own columns and values.

    Two answers to different prompts have no row: there is one `text`.
    """
    completions = case.completions
    asked = _of_kind(criteria, Kind.PAIRWISE)
    if (
        len(completions) != 2
        or not asked
        or case.prompt(completions[0]) != case.prompt(completions[1])
    ):
        return
    people = {row["annotator"]: row for row in case.labels if _is_data(row)}
    metadata = json.loads(case.instance["metadata"])
    turns = case.prompt(completions[0])
    for annotator, any_label in people.items():
        mine = {
            row["criterion"]: row
            for row in case.labels
            if row["annotator"] == annotator and _is_data(row)
        }
        yield {
            "comparison_id": case.instance["instance_id"],
            "prompt_id": case.instance["prompt_hash"],
            "text": turns[-1]["content"] if turns else "",
            "completion_a": _text(completions[0]),
            "completion_b": _text(completions[1]),
            "model_a": completions[0]["generator"],
            "model_b": completions[1]["generator"],
            **{name: _said(metadata.get(name)) for name in METADATA},
            **{
                name: value
                for criterion in asked
                for name, value in _answers(criterion["key"], mine.get(criterion["key"])).items()
            },
            "evaluator": annotator,
            "cohort": any_label["cohort"],
            "time_spent": next((row["seconds"] for row in mine.values() if row["seconds"]), None),
            "timestamp": any_label["created_at"],
            **case.source(list(mine.values())),
        }


METADATA = ("source", "category", "subject_study", "highest_level_degree")


def _said(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _answers(key: str, label: Row | None) -> dict[str, Any]:
    prefix = MULTIPREF.get(key, key)
    sure = label["confidence"] if label else None
    return {
        f"{prefix}_pref": _verdict(label) if label else None,
        f"{prefix}_confidence": CONFIDENCE.get(sure, "absolutely-confident") if sure else None,
        f"{prefix}_checked_reasons": list(label["reasons"]) if label else [],
        f"{prefix}_own_reason": label["rationale"] if label else "",
    }


def _verdict(label: Row) -> str | None:
    """A is the first completion in canonical order, wherever it was shown."""
    if label["tie_kind"] == TieKind.CANNOT_JUDGE or not label["ranking"]:
        return None
    first, second = label["ranking"]
    if first == second:
        return "Tie"
    strong = label["strength"] is None or label["strength"] > 0.5
    better = "clearly" if strong else "slightly"
    return f"{'A' if first < second else 'B'}-is-{better}-better"


def _text(completion: Row) -> str:
    return texts([{"role": "", "content": [completion["text"], *completion["parts"]]}])[0][
        "content"
    ]


def column(key: str) -> str:
    """The column of an attribute; one that is taken gets a suffix."""
    return f"{key}_score" if key in RATING_COLUMNS else key


RATING_COLUMNS = {"prompt", "response", "annotators", "generator", "licence"} | {
    name for name, _ in SOURCE
}
MADE_BY = [("generator", pa.string()), ("licence", pa.string())]


def _unpaired_schema(criteria: Criteria) -> pa.Schema:
    return pa.schema(
        [
            ("prompt", MESSAGES),
            ("completion", MESSAGES),
            ("label", pa.bool_()),
            ("criterion", pa.string()),
            ("share", pa.float64()),
            ("votes", pa.int64()),
            *MADE_BY,
            *SOURCE,
        ]
    )


def _ratings_schema(criteria: Criteria) -> pa.Schema:
    attributes = [(column(row["key"]), pa.float64()) for row in _of_kind(criteria, Kind.RATING)]
    texts_ = [("prompt", pa.string()), ("response", pa.string())]
    return pa.schema([*texts_, *attributes, ("annotators", pa.int64()), *MADE_BY, *SOURCE])


def _edits_schema(criteria: Criteria) -> pa.Schema:
    words = [(name, pa.string()) for name in ("gold", "chosen", "rejected")]
    by = [(name, pa.string()) for name in ("criterion", "annotator", "created_at")]
    return pa.schema(
        [("prompt", MESSAGES), *words, ("position", pa.int64()), *MADE_BY, *by, *SOURCE]
    )


def _multipref_schema(criteria: Criteria) -> pa.Schema:
    pair = ("comparison_id", "prompt_id", "text", "completion_a", "completion_b")
    head = [(name, pa.string()) for name in (*pair, "model_a", "model_b", *METADATA)]
    answers = [
        (name, pa.list_(pa.string()) if name.endswith("_checked_reasons") else pa.string())
        for row in _of_kind(criteria, Kind.PAIRWISE)
        for name in _answers(row["key"], None)
    ]
    tail = [("evaluator", pa.string()), ("cohort", pa.string()), ("time_spent", pa.float64())]
    return pa.schema([*head, *answers, *tail, ("timestamp", pa.string()), *SOURCE])


@dataclass(frozen=True)
class LabelShape:
    """How an instance with its labels becomes rows; the columns depend on what was asked."""

    rows: Callable[[Labelled, Criteria], Iterator[dict[str, Any]]]
    schema_of: Callable[[Criteria], pa.Schema]


LABEL_SHAPES = {
    "unpaired": LabelShape(unpaired, _unpaired_schema),
    "ratings": LabelShape(ratings, _ratings_schema),
    "edits": LabelShape(edits, _edits_schema),
    "multipref": LabelShape(multipref, _multipref_schema),
}
