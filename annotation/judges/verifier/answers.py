"""Answers that completions end with, and whether they are the right ones. Pure."""

import contextlib
import math
import re
from collections.abc import Mapping
from typing import Any

PATTERN_MOST = 1000
ANSWER = re.compile(r"\banswer[\s*_]*(?:is\b[\s:*_]*|[:=][\s*_]*)(.+)", re.I)
NUMBER = re.compile(
    r"(?:(?<![\w)\]])[-+])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?(?:[eE][-+]?\d+)?"
)
# A number and then words: "42 apples", "42, because …".
COUNTED = re.compile(rf"\W*?({NUMBER.pattern})[.,;]?\s+[^\W\d]{{2,}}.*")


def boxed(text: str) -> str | None:
    """The content of the last \\boxed{…}, braces balanced."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + len("\\boxed{") : place]
    return None


def final_answer(text: str, pattern: str = "") -> str | None:
    """The answer a completion ends with; None where it gives none.

    `pattern`: a regular expression whose first group (or whole match) is the answer, the last
    match counts. Without one: the last \\boxed{…}, else after the last "#### " or "answer:", else
    the last number, else a text of one line as it is.
    """
    if pattern:
        found = list(re.finditer(pattern, text))
        return (found[-1].group(1) if found[-1].re.groups else found[-1].group()) if found else None
    if "\\boxed{" in text:
        return boxed(text)
    if "####" in text:
        return text.rsplit("####", 1)[1].strip().split("\n")[0]
    if named := ANSWER.findall(text):
        counted = COUNTED.fullmatch(named[-1])
        return counted.group(1) if counted else str(named[-1])
    if numbers := NUMBER.findall(text):
        return str(numbers[-1])
    lines = text.strip().splitlines()
    return lines[0] if len(lines) == 1 else None


def normal(answer: str) -> str:
    """Case, spaces, markup, a final full stop and a currency or per-cent sign make no answer."""
    text = re.sub(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}", r"\1", answer)
    text = re.sub(r"\\d?frac\{([^{}]+)\}\{([^{}]+)\}", r"\1/\2", text)
    text = re.sub(r"\\[,;! ]|\\left|\\right|[$*`€£]|\\?%", "", text)
    text = " ".join(text.split()).strip(" .\"'").casefold()
    return re.sub(r"^\((\w+)\)$", r"\1", text)


def number(text: str) -> float | None:
    """The value of a text that is one number or fraction."""
    if not NUMBER.fullmatch(text):
        return None
    above, _, below = text.replace(",", "").partition("/")
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        return float(above) / float(below or 1)
    return None


def same(said: str, right: str) -> bool:
    """Whether two answers are one: equal as numbers, or equal once normalised."""
    first, second = normal(said), normal(right)
    one, other = number(first), number(second)
    if one is not None and other is not None:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(first) and first == second


def exact(text: str, job: Mapping[str, Any]) -> dict[str, Any]:
    said = final_answer(text, str(job.get("pattern") or ""))
    answers = job["answer"] if isinstance(job["answer"], list) else [job["answer"]]
    right = said is not None and any(same(said, str(answer)) for answer in answers)
    shown = "no answer found" if said is None else f"answer {said.strip()[:200]!r}"
    return {"passed": right, "detail": shown}


def matches(text: str, job: Mapping[str, Any]) -> dict[str, Any]:
    found = re.search(str(job["pattern"])[:PATTERN_MOST], text)
    return {"passed": found is not None, "detail": "matches" if found else "no match"}
