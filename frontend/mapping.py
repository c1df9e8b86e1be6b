"""What the columns of a table mean, as a form says it: the options of the adapter `columns`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.instances.sources.looking import Column

# By role: what people read, and whether several columns may have it.
ROLES: dict[str, tuple[str | Promise, bool]] = {
    "id": (_("Id"), False),
    "prompt": (_("Prompt"), False),
    "system": (_("System prompt"), False),
    "completions": (_("Completion, or a list of them"), True),
    "chosen": (_("Preferred completion"), False),
    "rejected": (_("Rejected completion"), False),
    "models": (_("Name of a completion’s model"), True),
    "winner": (_("Which one won"), False),
    "ranking": (_("Ranks, 1 is best"), False),
    "label": (_("Thumbs up or down"), True),
    "rating": (_("Rating of a completion"), True),
    "annotator": (_("Who labelled: a person"), False),
    "judge": (_("Who labelled: a judge"), False),
    "rationale": (_("Reason for the label"), False),
    "tags": (_("Tags"), True),
    "metadata": (_("Keep it beside the instance"), True),
}
# Names that say what a column is, in small letters.
USUAL: dict[str, tuple[str, ...]] = {
    "id": ("id", "uid", "external_id", "example_id", "prompt_id", "question_id"),
    "prompt": ("prompt", "instruction", "question", "query", "input", "user_prompt"),
    "system": ("system", "system_prompt"),
    "completions": (
        "completions", "responses", "completion_a", "completion_b", "response_a", "response_b",
        "answer_a", "answer_b", "answer_1", "answer_2", "response_1", "response_2", "output_1",
        "output_2", "completion", "response", "answer", "output", "response1", "response2",
    ),
    "chosen": ("chosen", "preferred", "better"),
    "rejected": ("rejected", "dispreferred", "worse"),
    "models": ("model_a", "model_b", "model_1", "model_2", "generator_1", "generator_2", "model"),
    "winner": ("winner", "preference", "best", "better_one", "choice", "vote", "pick", "verdict"),
    "ranking": ("ranking", "ranks", "rank"),
    "label": ("label", "thumbs", "thumb"),
    "rating": ("rating", "score", "score_a", "score_b", "rating_a", "rating_b", "scores"),
    "annotator": (
        "annotator", "annotator_id", "worker", "worker_id", "labeler", "rater", "user", "who",
    ),
    "judge": ("judge", "judge_model", "evaluator"),
    "rationale": ("rationale", "reason", "explanation", "comment", "justification"),
    "tags": ("tags", "category", "topic", "domain", "tag"),
}  # fmt: skip
COMPLETION = re.compile(
    r"(first|second|third|fourth|left|right)_(completion|response|answer|output|candidate)"
    r"|(completion|response|answer|output|candidate|generation|option)_?([a-h]|\d{1,2})"
)
MOST_NAME = 80


@dataclass(frozen=True)
class MappedColumn:
    """One line of the form: `field` is its name there, `role` what it is taken for."""

    field: str
    column: Column
    role: str


def field_of(number: int) -> str:
    return f"role-{number}"


def suggested(columns: Sequence[Column]) -> list[str]:
    """A role for every column by its name or what is in it; empty for most."""
    taken: set[str] = set()
    roles = []
    names = {column.name for column in columns}
    for column in columns:
        role = "winner" if _names_columns(column, names) else _usual(column.name)
        again = role in taken and not ROLES[role][1]
        roles.append("" if again else role)
        if role:
            taken.add(role)
    return roles


def _usual(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    role = next((each for each, names in USUAL.items() if plain in names), "")
    return role or ("completions" if COMPLETION.fullmatch(plain) else "")


def _names_columns(column: Column, names: set[str]) -> bool:
    """Whether its values are names of other columns, as those of a winner are."""
    return bool(column.values) and set(column.values) <= names - {column.name}


def mapped(columns: Sequence[Column], given: Mapping[str, str]) -> list[MappedColumn]:
    """The lines of the form, with what was said, else with what the names suggest."""
    said = is_said(given)
    guesses = suggested(columns)
    return [
        MappedColumn(
            field_of(number),
            column,
            _role(given.get(field_of(number), "")) if said else guesses[number],
        )
        for number, column in enumerate(columns)
    ]


def is_said(given: Mapping[str, str]) -> bool:
    """Whether a form says anything about columns."""
    return any(name.startswith("role-") for name in given)


def options_of(lines: Sequence[MappedColumn], given: Mapping[str, str]) -> dict[str, Any]:
    """The options of the adapter `columns` that the form says."""
    options: dict[str, Any] = {}
    for line in lines:
        if not line.role:
            continue
        if ROLES[line.role][1]:
            options.setdefault(line.role, []).append(line.column.name)
        else:
            options.setdefault(line.role, line.column.name)
    if options.get("completions") and given.get("counted_from") == "0":
        options["counted_from"] = 0
    if criterion := given.get("criterion", "")[:MOST_NAME]:
        options["criterion"] = criterion
    return options | labelled_by(given) if "annotator" not in options else options


def labelled_by(given: Mapping[str, str]) -> dict[str, str]:
    """The option for labels whose makers the file does not name."""
    name = given.get("by", "").strip()[:MOST_NAME]
    return {"annotator": name} if name else {}


def _role(role: str) -> str:
    return role if role in ROLES else ""
