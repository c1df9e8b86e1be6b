"""Text features of an instance: lengths, and how alike its completions are."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from core.exceptions import InvalidInput

EXTRACTOR = "text-1"
# The order in which the feature store keeps the values of this extractor.
FEATURES = (
    "prompt_tokens",
    "shorter_tokens",
    "longer_tokens",
    "token_difference",
    "rouge1_f",
    "entity_overlap",
)

# A token is a word, a number, or one character of a script that is written without spaces.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")
_ENTITY = re.compile(r"\d+(?:[.,:/]\d+)*|(?<![.!?] )(?<!^)(?<!\n)\b[A-Z][\w'-]+", re.MULTILINE)


def extract(
    prompt: str, completions: Sequence[str], *, cosine: float | None = None
) -> dict[str, float]:
    """The features named in `FEATURES`, plus `embedding_cosine` when the caller gives it.

    Lengths are in tokens. Of more than two completions, lengths are those of the shortest and
    the longest, similarities the mean over pairs. `entity_overlap` is the intersection over
    union of *simple* entities: numbers, and capitalised words that do not open a sentence; no
    tagger is involved. Two completions without any entity overlap fully (1.0).
    """
    if len(completions) < 2:
        raise InvalidInput("Text features compare completions: an instance needs at least two.")
    bags = [Counter(_TOKEN.findall(text.lower())) for text in completions]
    entities = [set(_ENTITY.findall(text)) for text in completions]
    lengths = sorted(bag.total() for bag in bags)
    pairs = list(combinations(range(len(completions)), 2))
    found = {
        "prompt_tokens": float(token_count(prompt)),
        "shorter_tokens": float(lengths[0]),
        "longer_tokens": float(lengths[-1]),
        "token_difference": float(lengths[-1] - lengths[0]),
        "rouge1_f": sum(rouge1_f(bags[i], bags[j]) for i, j in pairs) / len(pairs),
        "entity_overlap": sum(overlap(entities[i], entities[j]) for i, j in pairs) / len(pairs),
    }
    if cosine is not None:
        found["embedding_cosine"] = float(cosine)
    return found


def token_count(text: str) -> int:
    """Tokens of a text as the length features count them."""
    return len(_TOKEN.findall(text))


def rouge1_f(a: Counter[str], b: Counter[str]) -> float:
    """ROUGE-1 F of two bags of tokens: 2·(shared tokens)/(all tokens); two empty texts give 1."""
    total = a.total() + b.total()
    shared = sum(min(count, b[token]) for token, count in a.items() if token in b)
    return 2 * shared / total if total else 1.0


def overlap(a: set[str], b: set[str]) -> float:
    """Intersection over union; 1 when both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0
