"""Canonical JSON as `core.hashing` writes it, faster, and the hash of what a snapshot holds. Pure.

orjson writes the same bytes but for numbers: small ones and exponents (1e-05 is its 0.00001, 1e-07
its 1e-7) and whole numbers of more than 64 bits. Where one could stand, the standard library
writes the text.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson

from core.hashing import canonical_json

# Where a value begins, and rarely, without harm, within a text.
ODD = re.compile(rb"(?:^|[\[:,])-?(?:0\.0000|[0-9.]+e)")
WIDTH = 32
CHUNK = 10_000


def encoded(value: Any) -> bytes:
    """`canonical_json(value)` in UTF-8."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return canonical_json(value).encode()
    # Looking for a word is a hundred times faster than looking for the pattern.
    if (b"e-" in text or b"e+" in text or b"0.0000" in text) and ODD.search(text):
        return canonical_json(value).encode()
    return text


def encoded_row(row: Any, floats: Iterable[float | None] = ()) -> bytes:
    """The same of a value whose only fractions are `floats`, and whose whole numbers are small."""
    for each in floats:
        if each and not 1e-4 <= abs(each) < 1e16:
            return canonical_json(row).encode()
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def recoded(text: str) -> str:
    """The canonical JSON of a JSON text as PostgreSQL gives it: it writes numbers in full."""
    if text in {"{}", "[]", "null"}:
        return text
    try:
        found = orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONDecodeError):
        return canonical_json(json.loads(text))
    # What is too large for orjson is a float by now.
    if b"e+" in found or "0.0000" in text:
        return canonical_json(json.loads(text))
    return found.decode()


class Digests:
    """Hashes of parts, 32 bytes each, and one hash over them whatever their order."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def add(self, *texts: bytes) -> None:
        """One part: the JSON list of values that are canonical JSON already."""
        self._parts += hashlib.sha256(b"[" + b",".join(texts) + b"]").digest()

    def over(self, query: Mapping[str, Any]) -> str:
        """Hex sha256 of the query and the parts."""
        digest = hashlib.sha256(canonical_json(query).encode())
        # All are as wide, so that sorting their bytes sorts their hexadecimal texts.
        # Sorted where they lie.
        parts = np.frombuffer(self._parts, f"S{WIDTH}")
        parts.sort()
        for at in range(0, len(parts), CHUNK):
            digest.update(parts[at : at + CHUNK].tobytes().hex().encode())
        return digest.hexdigest()
