"""What the endpoint thinks of completions: a planted quality, or one drawn from a hash. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .options import Options

PLANTED = re.compile(r"quality=([01]?\.\d+|[01])")
TAGGED = re.compile(r"<completion_(\w+)>\n?(.*?)\n?</completion_\1>", re.DOTALL)
# The codes that a score may have, as the question names them.
SCALE = re.compile(r"the score (?:as one of these:|in double brackets, one of) ((?:\w, )*\w)\b")
# A question for the tags of a prompt, and what the prompt says that it is about.
SORT = "Sort the prompt above."
ABOUT = re.compile(r"about=([\w-]+)")
SHARPNESS = 6.0
# Shares of the first token of a reply.
Shares = dict[str, float]


def unit(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but the parts."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def qualities(text: str) -> list[float]:
    """Quality of each completion in the order shown, the last question of the text alone."""
    shown = TAGGED.findall(text)
    if shown:
        last = max(index for index, (name, _) in enumerate(shown) if name in ("a", "1"))
        return [quality(content) for _, content in shown[last:]]
    return [float(found) for found in PLANTED.findall(text)][-2:] or [unit(text), 0.5]


def quality(completion: str) -> float:
    found = PLANTED.search(completion)
    return float(found.group(1)) if found else unit(completion)


def p_first(text: str, options: Options) -> float:
    """P(the completion shown first is preferred)."""
    first, second = (*qualities(text), 0.5)[:2]
    logit = SHARPNESS * (first - second)
    # A wrong opinion is held in both orders.
    if unit(options.seed, "accuracy", first + second) >= options.accuracy:
        logit = -logit
    return 1 / (1 + math.exp(-(logit + options.bias)))


def order(values: Sequence[float]) -> list[int]:
    """Positions from the best to the worst."""
    return sorted(range(len(values)), key=lambda position: -values[position])


def scored(value: float, codes: Sequence[str], options: Options) -> Shares:
    """The share of each level for a completion of this quality: the nearest has the most."""
    if unit(options.seed, "accuracy", value) >= options.accuracy:
        value = 1 - value
    place = value * (len(codes) - 1)
    weights = [math.exp(-SHARPNESS * (place - level) ** 2) for level in range(len(codes))]
    return {code: weight / sum(weights) for code, weight in zip(codes, weights, strict=True)}


def tagged(text: str) -> str:
    """The tags of a prompt: its domain as the prompt says it, `about=law`, all others alike."""
    tags = {
        "domain": ABOUT.findall(text)[:3] or ["everyday"],
        "expertise": "basic",
        "language": "en",
        "openendedness": "low",
        "safety": "safe",
        "complexity": "simple",
        "context": "absent",
        "format": "absent",
    }
    return json.dumps(tags)


def said(text: str, options: Options, *, reasoned: bool) -> tuple[str, Shares | None]:
    """The reply's text, and the shares of its first token where the question is one of a token."""
    if SORT in text:
        return tagged(text), None
    values = qualities(text)
    if scale := SCALE.findall(text):
        shares = scored(values[0], scale[-1].split(", "), options)
        code = max(shares, key=lambda each: shares[each])
        return (f"It is worth as much. [[{code}]]" if reasoned else code), shares
    if len(values) > 2:
        letters = [chr(ord("A") + position) for position in order(values)]
        ranked = " > ".join(letters)
        return (f"The first is the clearest. [[{ranked}]]" if reasoned else ranked), None
    p = p_first(text, options)
    letter = "A" if p >= 0.5 else "B"
    shares = {"A": p, "B": 1 - p, "The": 1e-4}
    return (f"It answers what was asked. [[{letter}]]" if reasoned else letter), shares


def top_logprobs(shares: Shares) -> list[dict[str, Any]]:
    """The alternatives of the first token, most likely first."""
    ranked = sorted(shares, key=lambda token: -shares[token])
    assert all(shares[a] >= shares[b] for a, b in pairwise(ranked))
    return [{"token": t, "logprob": math.log(max(shares[t], 1e-9)), "bytes": None} for t in ranked]
