"""Where the steps of a reasoning chain begin: the one rule, for pages and for labels. Pure."""

import re
from collections.abc import Iterator

# `Step 3:`, `**Step 3.**`, `### Step 3 – name`, at the start of a line.
_EXPLICIT = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]+|\*\*|__)?step[ \t]+\d+[ \t]*(?:[:.)–—-]|\*\*|__|$)", re.I
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def split_steps(text: str) -> list[str]:
    """The steps of a text, without their surrounding white space; none of an empty text.

    A line that begins with `Step n` begins a step, and what stands before the first of them
    belongs to it; a text without such lines is split at blank lines. A fenced code block is
    never cut.

    >>> split_steps("Let x = 1.\\n\\nStep 1: add.\\nStep 2: stop.")
    ['Let x = 1.\\n\\nStep 1: add.', 'Step 2: stop.']
    >>> split_steps("One.\\n\\nTwo.")
    ['One.', 'Two.']
    """
    lines = text.split("\n")
    free = list(_outside_fences(lines))
    explicit = [number for number in free if _EXPLICIT.match(lines[number])]
    if explicit:
        starts = [0, *explicit[1:]]
    else:
        starts = [0, *(number for number in free if not lines[number].strip())]
    ends = [*starts[1:], len(lines)]
    steps = ("\n".join(lines[start:end]).strip() for start, end in zip(starts, ends, strict=True))
    return [step for step in steps if step]


def _outside_fences(lines: list[str]) -> Iterator[int]:
    """Numbers of the lines that are in no fenced code block; an open fence reaches to the end."""
    fence = ""
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if not fence:
            yield number
            fence = found[1] if found else ""
        elif found and found[1].startswith(fence) and line.strip() == found[1]:
            fence = ""
