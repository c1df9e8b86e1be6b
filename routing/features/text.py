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
# The same of a text that is plain ASCII, which most are: several times faster.
_PLAIN = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
# A number, or a capitalised word that opens no sentence and no line. It begins with one set of
# characters, so that a search skips all others at once.
_ENTITY = re.compile(
    r"[A-Z\d](?:(?<=\d)\d*(?:[.,:/]\d+)*|(?<=[A-Z])(?<!\w.)(?<![.!?] .)(?<!^.)[\w'-]+)",
    re.MULTILINE,
)


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
    bags = [Counter(tokens(text)) for text in completions]
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
    return len(tokens(text))


def tokens(text: str) -> list[str]:
    """Words and numbers in lower case; characters where a script has no spaces."""
    if text.isascii():
        return text.translate(_PLAIN).split()
    return _TOKEN.findall(text.lower())


def rouge1_f(a: Counter[str], b: Counter[str]) -> float:
    """ROUGE-1 F of two bags of tokens: 2·(shared tokens)/(all tokens); two empty texts give 1."""
    total = a.total() + b.total()
    both = a.keys() & b.keys()
    shared = sum(map(min, map(a.__getitem__, both), map(b.__getitem__, both)))
    return 2 * shared / total if total else 1.0


def overlap(a: set[str], b: set[str]) -> float:
    """Intersection over union; 1 when both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0
