"""Pairs, lists and single completions with what the consensus says of them. Pure."""

from itertools import combinations

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from annotation.instances.content import competition_ranks

from .base import (
    MESSAGES,
    PROVENANCE,
    Criteria,
    Made,
    Row,
    Shape,
    at,
    better_first,
    fixed,
    own_prompt,
    preference,
    provenance_of,
    whole_prompt,
)

# Columns of a side beside its text, by the stored column.
BESIDE = {"parts": "parts", "prompt": "own_prompts"}


def pairs(row: Row, criteria: Criteria) -> Made:
    """One row per pair of completions in canonical order, ties included."""
    for i, j in combinations(range(len(row["completions"])), 2):
        yield {
            "prompt": whole_prompt(row),
            "completion_a": row["completions"][i],
            "completion_b": row["completions"][j],
            "p": preference(row, i, j),
            "weight": row["weight"],
            "margin": row["margin"],
            "generator_a": row["generators"][i],
            "generator_b": row["generators"][j],
            "licence_a": row["licences"][i],
            "licence_b": row["licences"][j],
            "context": row.get("context"),
            **{f"{name}_a": at(row, field, i) for name, field in BESIDE.items()},
            **{f"{name}_b": at(row, field, j) for name, field in BESIDE.items()},
            **provenance_of(row),
        }


def joint(row: Row, criteria: Criteria) -> Made:
    """One row per pair that is no tie, where each side carries its own prompt."""
    for i, j in combinations(range(len(row["completions"])), 2):
        if (found := better_first(row, i, j)) is None:
            continue
        best, worst, p = found
        yield {
            "prompt_chosen": own_prompt(row, best),
            "chosen": row["completions"][best],
            "prompt_rejected": own_prompt(row, worst),
            "rejected": row["completions"][worst],
            "p": p,
            "margin": row["margin"],
            "weight": row["weight"],
            "generator_chosen": row["generators"][best],
            "generator_rejected": row["generators"][worst],
            "licence_chosen": row["licences"][best],
            "licence_rejected": row["licences"][worst],
            **provenance_of(row),
        }


def listwise(row: Row, criteria: Criteria) -> Made:
    """One row per instance; `ranking` has competition ranks, 1 is best, ties share a rank."""
    score = row["score"]
    yield {
        "prompt": whole_prompt(row),
        "completions": row["completions"],
        "ranking": competition_ranks([-worth for worth in score]),
        "score": score,
        "unranked": row.get("unranked") or [],
        "parts": row.get("parts"),
        "own_prompts": row.get("own_prompts"),
        "context": row.get("context"),
        "generators": row["generators"],
        "licences": row["licences"],
        **provenance_of(row),
    }


def scored(row: Row, criteria: Criteria) -> Made:
    """One row per completion with its worth: the share of comparisons that it would win."""
    ranking = competition_ranks([-worth for worth in row["score"]])
    for place, text in enumerate(row["completions"]):
        yield {
            "prompt": own_prompt(row, place),
            "completion": text,
            "score": row["score"][place],
            "rank": ranking[place],
            "position": place,
            "generator": row["generators"][place],
            "licence": row["licences"][place],
            **provenance_of(row),
        }


def triples(row: Row, criteria: Criteria) -> Made:
    """Gold ≻ chosen ≻ rejected from a ranking of three or more: best, one between, worst.

    Completions that answer different prompts make no triple: it has one prompt.
    """
    score = row["score"]
    order = sorted(range(len(score)), key=lambda place: -score[place])
    best, worst = order[0], order[-1]
    for between in order[1:-1]:
        places = (best, between, worst)
        if not score[best] > score[between] > score[worst]:
            continue
        prompts = [own_prompt(row, place) for place in places]
        if prompts[0] != prompts[1] or prompts[0] != prompts[2]:
            continue
        names = ("gold", "chosen", "rejected")
        yield {
            "prompt": prompts[0],
            **{name: row["completions"][p] for name, p in zip(names, places, strict=True)},
            **{f"score_{name}": score[p] for name, p in zip(names, places, strict=True)},
            **{f"generator_{n}": row["generators"][p] for n, p in zip(names, places, strict=True)},
            **provenance_of(row),
        }


def _text(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


def _number(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.float64()) for name in names]


TEXTS = pa.list_(pa.string())
SHAPES = {
    "pairs": Shape(
        _("Pairs with the probability, margin and weight of each: for reward models and analysis."),
        pairs,
        fixed(
            *_text("prompt", "completion_a", "completion_b"),
            *_number("p", "weight", "margin"),
            *_text("generator_a", "generator_b", "licence_a", "licence_b"),
            # JSON where there is more than text: documents, parts, own prompts; else null.
            *_text("context", "parts_a", "prompt_a", "parts_b", "prompt_b"),
            *PROVENANCE,
        ),
    ),
    "joint": Shape(
        _("Chosen and rejected with a prompt of their own: for joint preference losses."),
        joint,
        fixed(
            ("prompt_chosen", MESSAGES),
            ("chosen", pa.string()),
            ("prompt_rejected", MESSAGES),
            ("rejected", pa.string()),
            *_number("p", "margin", "weight"),
            *_text("generator_chosen", "generator_rejected", "licence_chosen", "licence_rejected"),
            *PROVENANCE,
        ),
    ),
    "listwise": Shape(
        _("A ranking of all completions with scores: for listwise losses and ranking metrics."),
        listwise,
        fixed(
            ("prompt", pa.string()),
            ("completions", TEXTS),
            ("ranking", pa.list_(pa.int64())),
            ("score", pa.list_(pa.float64())),
            ("unranked", pa.list_(pa.int64())),
            ("parts", TEXTS),
            ("own_prompts", TEXTS),
            ("context", pa.string()),
            ("generators", TEXTS),
            ("licences", TEXTS),
            *PROVENANCE,
        ),
    ),
    "scored": Shape(
        _("A completion with its score: for filtered or reward-weighted fine-tuning."),
        scored,
        fixed(
            ("prompt", MESSAGES),
            ("completion", pa.string()),
            ("score", pa.float64()),
            ("rank", pa.int64()),
            ("position", pa.int64()),
            *_text("generator", "licence"),
            *PROVENANCE,
        ),
    ),
    "triples": Shape(
        _("Gold, chosen and rejected from rankings of three or more: for triple losses."),
        triples,
        fixed(
            ("prompt", MESSAGES),
            *_text("gold", "chosen", "rejected"),
            *_number("score_gold", "score_chosen", "score_rejected"),
            *_text("generator_gold", "generator_chosen", "generator_rejected"),
            *PROVENANCE,
        ),
    ),
}
