"""The shapes of an export, by name; each says in a sentence what it is for. Pure."""

from . import edits, feedback, multipref, pairs, peers, trl, whole
from .base import Shape, Source

SHAPES: dict[str, Shape] = (
    pairs.SHAPES
    | trl.SHAPES
    | feedback.SHAPES
    | edits.SHAPES
    | whole.SHAPES
    | multipref.SHAPES
    | peers.SHAPES
)

__all__ = ["SHAPES", "Shape", "Source"]
