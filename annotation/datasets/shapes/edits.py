"""Edits and reasons: what an annotator wrote beside the answer. Pure."""

import json
from collections.abc import Iterator
from itertools import combinations

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from .base import MESSAGES, SOURCE, Criteria, Made, Row, Shape, Source, fixed
from .cases import Labelled, is_data, text_of_completion


def edits(case: Labelled, criteria: Criteria) -> Made:
    """A triple per edit: the edited text ≻ the completion it was made of ≻ the worst one."""
    completions, seen = case.completions, set()
    for label in case.labels:
        edit = json.loads(label["attributes"]).get("edit")
        if not edit or not is_data(label):
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
            "chosen": text_of_completion(chosen),
            "rejected": text_of_completion(completions[worst]) if worst is not None else None,
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


def rationales(case: Labelled, criteria: Criteria) -> Made:
    """A row per annotator, pair that they told apart, and the reasons they wrote."""
    for label in case.labels:
        if not (label["rationale"] or label["reasons"]) or not is_data(label):
            continue
        for best, worst in _told_apart(label):
            chosen, rejected = case.completions[best], case.completions[worst]
            if case.prompt(chosen) != case.prompt(rejected):
                continue
            yield {
                "prompt": case.prompt(chosen),
                "chosen": text_of_completion(chosen),
                "rejected": text_of_completion(rejected),
                "rationale": label["rationale"],
                "reasons": label["reasons"],
                "strength": label["strength"],
                "confidence": label["confidence"],
                **{name: label[name] for name in ("criterion", "annotator", "kind", "created_at")},
                "chosen_position": best,
                "generator_chosen": chosen["generator"],
                "generator_rejected": rejected["generator"],
                **case.source([label]),
            }


def _told_apart(label: Row) -> Iterator[tuple[int, int]]:
    """(better, worse) positions by the label's ranking."""
    ranking = label["ranking"] or ()
    for one, other in combinations(range(len(ranking)), 2):
        if ranking[one] != ranking[other]:
            yield (one, other) if ranking[one] < ranking[other] else (other, one)


def _texts(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


SHAPES = {
    "edits": Shape(
        _("The edited text before chosen and rejected: for triple losses and corrections."),
        edits,
        fixed(
            ("prompt", MESSAGES),
            *_texts("gold", "chosen", "rejected"),
            ("position", pa.int64()),
            *_texts("generator", "licence", "criterion", "annotator", "created_at"),
            *SOURCE,
        ),
        Source.CASES,
    ),
    "rationales": Shape(
        _("A pair with the reasons an annotator wrote: for losses that learn from rationales."),
        rationales,
        fixed(
            ("prompt", MESSAGES),
            *_texts("chosen", "rejected", "rationale"),
            ("reasons", pa.list_(pa.string())),
            ("strength", pa.float64()),
            ("confidence", pa.int64()),
            *_texts("criterion", "annotator", "kind", "created_at"),
            ("chosen_position", pa.int64()),
            *_texts("generator_chosen", "generator_rejected"),
            *SOURCE,
        ),
        Source.CASES,
    ),
}
