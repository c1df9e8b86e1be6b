"""BERTScore follows its definition, and every text is encoded once, alike in every window."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from training.fit import similarity
from training.fit.embed import embed, included_encoder, load_encoder
from training.fit.models.tokenizer import load_tokenizer
from training.fit.similarity import Reader, bertscore_f1, compare

TEXTS = [
    "Why?\n\nA cat sat on the mat.",
    "Why?\n\nThe kitten sat on a rug, quietly.",
    "Why?\n\n",
    "Why?\n\nInterest rates rose again.",
]
STARTS = [6, 6, 6, 6]


@pytest.fixture(scope="module")
def encoder() -> tuple[Any, Any]:
    folder = included_encoder()
    return load_encoder(folder).eval(), load_tokenizer(folder)


@pytest.fixture
def reader(encoder: tuple[Any, Any]) -> Reader:
    return Reader(*encoder, max_length=64, batch_tokens=256)


def by_definition(a: list[list[float]], b: list[list[float]]) -> float:
    def cosine(x: list[float], y: list[float]) -> float:
        dot = sum(i * j for i, j in zip(x, y, strict=True))
        return dot / math.sqrt(sum(i * i for i in x) * sum(j * j for j in y))

    recall = sum(max(cosine(x, y) for y in b) for x in a) / len(a)
    precision = sum(max(cosine(x, y) for x in a) for y in b) / len(b)
    return float(2 * precision * recall / (precision + recall))


def states(encoder: tuple[Any, Any], text: str, start: int) -> list[list[float]]:
    """Last hidden states of the words after `start`, one text alone, no padding."""
    model, tokenizer = encoder
    found = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    spans = found.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        hidden = model(**found).last_hidden_state[0]
    return [h.tolist() for h, (low, high) in zip(hidden, spans, strict=True) if start <= low < high]


def test_it_is_the_definition(encoder: tuple[Any, Any], reader: Reader) -> None:
    pairs = [(0, 1), (0, 3), (1, 3)]
    _, scores = compare(reader, TEXTS, STARTS, pairs)
    alone = [states(encoder, text, start) for text, start in zip(TEXTS, STARTS, strict=True)]
    assert len(alone[0]) == 7  # a cat sat on the mat .
    expected = [by_definition(alone[a], alone[b]) for a, b in pairs]
    assert scores.tolist() == pytest.approx(expected, abs=2e-3)
    assert scores[0] > max(scores[1], scores[2])


def test_a_text_without_tokens_is_like_another_such_and_unlike_all_else(reader: Reader) -> None:
    _, scores = compare(reader, TEXTS, STARTS, [(2, 2), (0, 2), (0, 0)])
    assert scores.tolist() == pytest.approx([1, 0, 1], abs=1e-3)


def test_vectors_that_point_apart_score_nothing() -> None:
    up = torch.tensor([[0.0, 1.0]])
    assert bertscore_f1(up, -up) == 0.0


def test_embeddings_are_those_of_embed(encoder: tuple[Any, Any], reader: Reader) -> None:
    vectors, _ = compare(reader, TEXTS, STARTS, [])
    expected, _ = embed(*encoder, TEXTS, max_length=64, batch_tokens=256)
    assert torch.allclose(vectors, expected, atol=1e-5)


def test_windows_change_nothing(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(3, 0), (1, 2), (0, 1)]
    at_once = compare(reader, TEXTS, STARTS, pairs)
    monkeypatch.setattr(similarity, "WINDOW", 1)
    one_by_one = compare(reader, TEXTS, STARTS, pairs)
    for a, b in zip(at_once, one_by_one, strict=True):
        assert np.allclose(a.numpy(), b.numpy(), atol=2e-3)


def test_texts_that_are_cut_are_counted(encoder: tuple[Any, Any]) -> None:
    reader = Reader(*encoder, max_length=8, batch_tokens=64)
    reader.read(["short", "far too long a text for eight tokens of it "], [0, 0])
    assert reader.truncated == 1
