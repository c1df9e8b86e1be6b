"""Thumbs and ratings: one completion at a time. Pure."""

import json
from collections.abc import Callable

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from annotation.datasets.ratings import means
from annotation.projects.models import Kind

from .base import MESSAGES, SOURCE, Criteria, Made, Shape, Source, fixed, plain, said
from .cases import Labelled, of_kind, text_of_completion


def unpaired(case: Labelled, criteria: Criteria) -> Made:
    """TRL's conversational unpaired format: a completion and whether most thumbs are up.

    As many up as down is no label and has no row. `share` is the share of thumbs up.
    """
    completions = case.completions
    for criterion in of_kind(criteria, Kind.BINARY):
        labels = case.on(criterion["key"])
        for place, up in enumerate(means(labels, len(completions))):
            if up is None or up == 0.5:
                continue
            completion = completions[place]
            yield {
                "prompt": case.prompt(completion),
                "completion": [said(text_of_completion(completion))],
                "label": up > 0.5,
                "criterion": criterion["key"],
                "share": up,
                "votes": sum(label["scores"][place] is not None for label in labels),
                "position": place,
                "generator": completion["generator"],
                "licence": completion["licence"],
                **case.source(labels),
            }


def unpaired_standard(case: Labelled, criteria: Criteria) -> Made:
    """The same as plain texts."""
    for made in unpaired(case, criteria):
        completion = made["completion"][0]["content"]
        yield made | {"prompt": plain(made["prompt"]), "completion": completion}


def ratings(case: Labelled, criteria: Criteria) -> Made:
    """A row per completion with the mean score of every rated attribute, as in HelpSteer."""
    completions = case.completions
    rated = of_kind(criteria, Kind.RATING)
    labels = {criterion["key"]: case.on(criterion["key"]) for criterion in rated}
    scores = {key: means(rows, len(completions)) for key, rows in labels.items()}
    everything = [label for rows in labels.values() for label in rows]
    for place, completion in enumerate(completions):
        if all(column[place] is None for column in scores.values()):
            continue
        yield {
            "prompt": json.dumps(case.prompt(completion), ensure_ascii=False),
            "response": text_of_completion(completion),
            **{column(key): values[place] for key, values in scores.items()},
            "annotators": len({label["annotator"] for label in everything}),
            "position": place,
            "generator": completion["generator"],
            "licence": completion["licence"],
            **case.source(everything),
        }


def column(key: str) -> str:
    """The column of an attribute; one that is taken gets a suffix."""
    return f"{key}_score" if key in TAKEN else key


NAMES = [("generator", pa.string()), ("licence", pa.string())]
TAKEN = {"prompt", "response", "annotators", "position", *(name for name, _kind in NAMES + SOURCE)}


def _unpaired_schema(kind: pa.DataType) -> Callable[[Criteria], pa.Schema]:
    return fixed(
        ("prompt", kind),
        ("completion", kind),
        ("label", pa.bool_()),
        ("criterion", pa.string()),
        ("share", pa.float64()),
        ("votes", pa.int64()),
        ("position", pa.int64()),
        *NAMES,
        *SOURCE,
    )


def _ratings_schema(criteria: Criteria) -> pa.Schema:
    attributes = [(column(row["key"]), pa.float64()) for row in of_kind(criteria, Kind.RATING)]
    texts = [("prompt", pa.string()), ("response", pa.string())]
    counts = [("annotators", pa.int64()), ("position", pa.int64())]
    return pa.schema([*texts, *attributes, *counts, *NAMES, *SOURCE])


SHAPES = {
    "unpaired": Shape(
        _("TRL, unpaired: a completion and a thumb, as turns, for KTO."),
        unpaired,
        _unpaired_schema(MESSAGES),
        Source.CASES,
    ),
    "unpaired-standard": Shape(
        _("TRL, unpaired: the same as plain texts."),
        unpaired_standard,
        _unpaired_schema(pa.string()),
        Source.CASES,
    ),
    "ratings": Shape(
        _("A completion with a column per rated attribute: for regression reward models."),
        ratings,
        _ratings_schema,
        Source.CASES,
    ),
}
