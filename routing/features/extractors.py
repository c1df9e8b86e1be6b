"""Names and versions of what computes features, and the columns each one fills."""

from .text import EXTRACTOR as TEXT
from .text import FEATURES as TEXT_FEATURES

__all__ = ["ENCODED_FEATURES", "TEXT", "TEXT_FEATURES", "encoded_by", "recipe"]

# What one pass of an encoder over the completions gives beside their embeddings.
ENCODED_FEATURES = ("embedding_cosine", "bertscore_f1", "bertscore_f1_length")
# Version of how these are computed and of how the encoded text is put together.
_ENCODED, _RECIPE = "encoded-1", "prompt400"


def recipe(encoder: str, version: str) -> str:
    """The extractor of embeddings: `<encoder>@<version>/<how the text is put together>`."""
    return f"{encoder[:28]}@{version[:10]}/{_RECIPE}"


def encoded_by(extractor: str) -> str:
    """The extractor of `ENCODED_FEATURES` that belongs to an extractor of embeddings."""
    return f"{_ENCODED}:{extractor}"
