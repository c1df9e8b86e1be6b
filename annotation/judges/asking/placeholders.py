"""Placeholders in the texts of a prompt. Pure."""

import re
from collections.abc import Mapping

from core.exceptions import InvalidInput

KNOWN = {
    "question": "the question of the criterion",
    "levels": "the scores that can be given",
    "count": "how many completions are shown",
}
# Words in single braces; a JSON example or a set keeps its braces.
PLACEHOLDER = re.compile(r"(?<!\{)\{([a-z_]{2,40})\}(?!\})")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders replaced, once: what is put in is not read again."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text).strip()


def check(text: str, what: str) -> None:
    """Refuse placeholders that mean nothing.

    Raises:
        InvalidInput: says which are known, and that the material is put in by itself.
    """
    unknown = sorted(set(PLACEHOLDER.findall(text)) - set(KNOWN))
    if unknown:
        known = ", ".join(f"{{{name}}} ({meaning})" for name, meaning in KNOWN.items())
        raise InvalidInput(
            f"{what}: {{{unknown[0]}}} is no placeholder. Known are {known}. The conversation and "
            "the completions are added by themselves; for literal braces write {{…}}."
        )
