"""Rows of every shape of our exports, made by the shapes themselves from stored rows."""

import json
from typing import Any

from annotation.datasets.shapes import SHAPES, Source
from annotation.datasets.shapes.cases import Labelled

from .rows import Rows, user

PROVENANCE = {
    **{"prompt_hash": "p" * 64, "split": "train", "source": "human", "simulated": False},
    **{"annotators": 2, "snapshot": "s" * 64},
}
TURNS = [user("Hi")]
TEXTS = ["Hello", "Hi there", "Go away"]


def stored(name: str, count: int, score: list[float]) -> dict[str, Any]:
    """An instance with its consensus, as a snapshot keeps it."""
    return {
        "instance_id": name,
        "prompt": json.dumps(TURNS),
        "messages": json.dumps(TURNS),
        "completions": TEXTS[:count],
        "generators": [f"model-{place}" for place in range(count)],
        "licences": ["MIT"] * count,
        "score": score,
        "pair_p": score[0] if count == 2 else None,
        "weight": 1.0,
        "margin": 0.5,
        "unranked": [],
        "parts": None,
        "own_prompts": None,
        "context": None,
        **PROVENANCE,
    }


def label(annotator: str, **other: Any) -> dict[str, Any]:
    return {
        **{"instance_id": "x", "criterion": "overall", "annotator": annotator, "kind": "human"},
        **{"simulated": False, "ranking": [1, 2], "tie_kind": "", "strength": 0.5},
        **{"confidence": 3, "rationale": "Because.", "reasons": ["Clear"], "attributes": "{}"},
        **{"shown_order": [1, 0], "seconds": 4.5, "guideline": None, "asks": "pairwise"},
        **{"purpose": "label", "unranked": [], "scores": [], "cohort": "", "group": None},
        **{"group_p": None, "excluded": False, "created_at": "2026-01-02T03:04:05+00:00"},
        **{"decision_id": None, "arm": "", "propensity": None},
        **other,
    }


CRITERIA = [
    {"key": "overall", "asks": "pairwise"},
    {"key": "helpfulness", "asks": "rating"},
    {"key": "fine", "asks": "binary"},
]


def case(*labels: dict[str, Any]) -> Labelled:
    completions: list[dict[str, Any]] = [
        {"text": text, "generator": f"model-{place}", "licence": "", "parts": [], "messages": None}
        for place, text in enumerate(TEXTS[:2])
    ]
    instance = {
        "instance_id": "case-1",
        "messages": json.dumps(TURNS),
        "context": "[]",
        "completions": json.dumps(completions),
        "metadata": json.dumps({"topic": "greeting"}),
        "tags": ["short"],
        **{name: PROVENANCE[name] for name in ("prompt_hash", "split", "snapshot")},
    }
    return Labelled(instance, list(labels))


CASE = case(
    label("ann"),
    label("ann", criterion="helpfulness", asks="rating", ranking=[], scores=[4, 2]),
    label("ann", criterion="fine", asks="binary", ranking=[], scores=[1, 0]),
    label(
        "bob",
        ranking=[2, 1],
        attributes=json.dumps({"edit": {"position": 1, "text": "Hi there!"}}),
    ),
)
PAIR = stored("pair-1", 2, [0.75, 0.25])
LIST = stored("list-1", 3, [0.6, 0.9, 0.1])


def _rows(shape: str) -> Rows:
    made = SHAPES[shape]
    given = [CASE] if made.reads is Source.CASES else [PAIR, LIST]
    return [row for each in given for row in made.rows(each, CRITERIA)]


TEXTLESS = {"annotations", "conditioned"}
# Other adapters read these: they are other people's formats.
OTHERS = {"interchange", "multipref", "rewardbench", "helpsteer3"}
EXPORTED: dict[str, Rows] = {
    shape: _rows(shape) for shape in SHAPES if shape not in TEXTLESS | OTHERS
}
