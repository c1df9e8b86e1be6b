"""Embeddings of completions and how alike they are, from one pass of an encoder over each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from django.db import transaction

from jobs.context import JobContext
from training.runs.commands import compare_texts

from .extractors import encoded_by
from .models import Embedding, FeatureVector
from .text import token_count

# Prompts are longer than an encoder reads; the completion must not be cut away.
PROMPT_CHARACTERS = 400
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """`folder` is below MODEL_ROOTS, None the encoder of the installation."""

    folder: str | None
    extractor: str


def encode(
    context: JobContext,
    encoder: Encoder,
    texts: Mapping[int, tuple[str, Sequence[str]]],
    *,
    offset: int = 0,
    total: int = 0,
) -> int:
    """Encode the completions of instances and store the vectors and `ENCODED_FEATURES`.

    Each distinct text (the start of the prompt, then the completion) is encoded once. Returns how
    many texts that were.

    Args:
        texts: prompt and completions by instance id.
        offset, total: texts done before and in all, for the progress.
    """
    rows: dict[tuple[str, int], int] = {}
    places = {
        pk: [rows.setdefault(framed(prompt, text), len(rows)) for text in completions]
        for pk, (prompt, completions) in texts.items()
    }
    pairs = {
        pair: number
        for number, pair in enumerate(
            dict.fromkeys(pair for place in places.values() for pair in combinations(place, 2))
        )
    }
    vectors, f1 = compare_texts(
        context, list(rows), list(pairs), encoder=encoder.folder, offset=offset, total=total
    )
    lengths = [token_count(text[start:]) for text, start in rows]
    alike = {
        pk: _alike(vectors, f1, lengths, [(pair, pairs[pair]) for pair in combinations(place, 2)])
        for pk, place in places.items()
    }
    _store(encoder.extractor, {pk: vectors[place] for pk, place in places.items()}, alike)
    return len(rows)


def framed(prompt: str, completion: str) -> tuple[str, int]:
    """What is encoded of a completion, and where in it the completion begins."""
    before = f"{prompt[:PROMPT_CHARACTERS]}\n\n"
    return before + completion, len(before)


def length_penalty(a: int, b: int) -> float:
    """exp(1 − longer/shorter), in tokens: 1 for equal lengths, 0 beside an empty text."""
    shorter, longer = sorted((a, b))
    if not shorter:
        return float(not longer)
    return math.exp(1 - longer / shorter)


def _alike(
    vectors: Vectors,
    f1: Vectors,
    lengths: Sequence[int],
    pairs: Sequence[tuple[tuple[int, int], int]],
) -> list[float]:
    """`ENCODED_FEATURES` of one instance: means over its pairs.

    `bertscore_f1_length` is BERTScore F1 times the length penalty, the brevity penalty of BLEU
    made symmetric.
    """
    found = [
        (
            float(vectors[a] @ vectors[b]),
            float(f1[number]),
            float(f1[number]) * length_penalty(lengths[a], lengths[b]),
        )
        for (a, b), number in pairs
    ]
    return [sum(values) / len(found) for values in zip(*found, strict=True)]


@transaction.atomic
def _store(
    extractor: str, vectors: Mapping[int, Vectors], alike: Mapping[int, list[float]]
) -> None:
    Embedding.objects.bulk_create(
        (
            Embedding(
                instance_id=pk,
                extractor=extractor,
                vectors=rows.astype("<f2").tobytes(),
                dimensions=rows.shape[1],
            )
            for pk, rows in vectors.items()
        ),
        batch_size=500,
        ignore_conflicts=True,
    )
    FeatureVector.objects.bulk_create(
        (
            FeatureVector(instance_id=pk, extractor=encoded_by(extractor), values=values)
            for pk, values in alike.items()
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )
