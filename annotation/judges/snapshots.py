"""Whether a judge can be asked the same again: a model that stays as it is, known sampling. Pure.

Sub-versions of one model differ much in how often they say A or yes (Yang et al. 2025), and a name
such as "gpt-4o" or "…-latest" is another model next month.
"""

import re
from collections.abc import Mapping
from typing import Any

# A day (2024-08-06, 20241022, 0613, 2407) or the digest of weights.
DATED = re.compile(
    r"(?<!\d)(20\d\d-?(0[1-9]|1[0-2])-?([0-2]\d|3[01])|(0[1-9]|1[0-2])[0-3]\d|2[0-9](0[1-9]|1[0-2]))"
    r"(?!\d)|@?sha256[:-]|@[0-9a-f]{7,40}\b|-00\d(?!\d)"
)
MOVING = re.compile(r"latest|preview$|auto$", re.IGNORECASE)
# Weights or programs of one's own; recorded labels ask nobody.
OWN = frozenset({"local-model", "reward-model", "verifier", "recorded"})


def pinned(provider: str, model: str) -> bool:
    """The name stands for one model for good.

    Open weights by their repository ("org/name") count: what is served there is the operator's.
    """
    if provider in OWN:
        return True
    if MOVING.search(model) and not DATED.search(model):
        return False
    return bool(DATED.search(model)) or "/" in model


def sampling_known(provider: str, parameters: Mapping[str, Any]) -> bool:
    """The temperature is recorded: 0 unless told otherwise, null leaves it to the provider."""
    return provider in OWN or parameters.get("temperature", 0) is not None
