"""The form of a prompt: read from what was sent, filled from a version."""

from typing import Any

from django.http import QueryDict

from annotation.judges.models import Mode, Prompt, Shape

TEXTS = ("system", "instructions", "rubric")
FLAGS = ("use_reference", "show_guideline")
# What differs between two versions is shown in this order.
COMPARED = (*TEXTS, "shape", "mode", "examples", *FLAGS)


def read_prompt(sent: QueryDict) -> dict[str, Any]:
    """The fields of a version as typed; the services say what is wrong with them."""
    count = sent.get("examples", "")
    texts = {name: sent.get(name, "").replace("\r\n", "\n").strip() for name in TEXTS}
    return {
        **texts,
        "shape": sent.get("shape", Shape.PAIR),
        "mode": sent.get("mode", Mode.REASONED),
        "examples": int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0,
        **{name: sent.get(name) == "on" for name in FLAGS},
        "note": sent.get("note", "").strip(),
    }


def values_of(prompt: Prompt | None) -> dict[str, Any]:
    """What the form of a new version starts with: the version before, without its note."""
    before = prompt or Prompt(name="")
    return {name: getattr(before, name) for name in ("name", *COMPARED)} | {"note": ""}


def number(text: str, default: int) -> int:
    """A whole number that was typed; the default where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default
