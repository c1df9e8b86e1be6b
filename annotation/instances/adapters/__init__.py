"""Adapters: the formats of other people's preference data, turned into the interchange format.

Pure: rows in, rows out; no Django and no files.
"""

from .base import Adapter, Guess
from .registry import ADAPTERS
from .running import adapt, recognise

__all__ = ["ADAPTERS", "Adapter", "Guess", "adapt", "recognise"]
