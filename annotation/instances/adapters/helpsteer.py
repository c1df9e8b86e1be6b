"""HelpSteer 2 and 3: scores of single completions, and preferences from −3 to 3.

Scores: a row per completion; consecutive rows of one prompt are one instance. A score may be a
list, one for each annotator. Preferences: `preference_strength` (2) or `overall_preference` (3),
each with the list of what every annotator said; −100 says that neither can be judged. The files
name no annotators: those here are numbered within one instance and are no persons.
Schema: the data set cards of nvidia/HelpSteer2 and nvidia/HelpSteer3.
"""

import re
from collections.abc import Iterator
from typing import Any

from core.hashing import canonical_json

from .base import Adapter, Instance, Options, Row, Unfit
from .building import completion, instance, leaning, own_id, said
from .values import Turn, has, is_conversation, is_whole, name, number, objects, rest, text, turns

SCORED = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
MOST = 3
BESIDE = {
    *("three_most_similar_preferences", "instance_id", "model1", "model2", "criterion"),
    *("licence1", "licence2", "prompt_hash", "snapshot", "simulated"),
}
NEITHER = -100
# How multi-turn prompts are written in one text.
MARK = re.compile(r"\n?<extra_id_1>(User|Assistant)\n?")
# What each version calls its columns.
PREFERENCES = {
    "preference_strength": ("response_1", "response_2", "all_preferences_unprocessed"),
    "overall_preference": ("response1", "response2", "individual_preference"),
}


def fits_scores(row: Row) -> bool:
    scored = [key for key in SCORED if number(row.get(key)) is not None or _listed(row.get(key))]
    # Our own ratings have the same columns, and say whether they are simulated.
    return has(row, prompt=str, response=str) and len(scored) >= 3 and "simulated" not in row


def _listed(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_whole, value))


def scores(row: Row, options: Options) -> Iterator[Instance]:
    found = {key: _scores(row[key], key) for key in SCORED if row.get(key) is not None}
    if not found:
        raise Unfit(f"there is none of the scores {', '.join(SCORED)}")
    yield instance(
        prompt=_prompt(row.get("prompt"), "prompt"),
        completions=[completion(text(row, "response"))],
        human=[
            {"annotator": _who(place, len(given)), "criterion": key, "scores": [score]}
            for key, given in found.items()
            for place, score in enumerate(given)
        ],
        meta=rest(row, {"prompt", "response", *SCORED}),
    )


def _scores(value: Any, key: str) -> list[float]:
    given = [number(each) for each in (value if isinstance(value, list) else [value])]
    known = [each for each in given if each is not None]
    if len(known) != len(given) or not given:
        raise Unfit(f"{key} must be a number or a list of numbers")
    return known


def _who(place: int, count: int) -> str:
    return "helpsteer" if count == 1 else f"helpsteer-{place + 1}"


def _prompt(value: Any, what: str) -> str | list[Turn]:
    if is_conversation(value):
        return turns(value, what)
    prompt = text({what: value}, what)
    pieces = MARK.split(prompt)
    if len(pieces) == 1:
        return prompt
    roles = [role.lower() for role in pieces[1::2]]
    said_first = [{"role": "user", "content": pieces[0]}] if pieces[0].strip() else []
    found = zip(roles, pieces[2::2], strict=True)
    # The last mark announces the answer.
    return said_first + [
        {"role": role, "content": each} for role, each in found if each.strip() or role == "user"
    ]


def fits_preferences(row: Row) -> bool:
    return any(
        has(row, **{one: str, other: str}) and number(row.get(overall)) is not None
        for overall, (one, other, _) in PREFERENCES.items()
    )


def preferences(row: Row, options: Options) -> Iterator[Instance]:
    overall = next((key for key in PREFERENCES if key in row), None)
    if overall is None:
        raise Unfit(f"there is neither {' nor '.join(PREFERENCES)}")
    one, other, each = PREFERENCES[overall]
    asked = "context" if "context" in row else "prompt"
    given = objects(row[each], each) if row.get(each) else []
    single = [{"score": row[overall], "reasoning": _joined(row)}]
    yield instance(
        id=own_id("helpsteer", row, "instance_id"),
        prompt=_prompt(row.get(asked), asked),
        # Names and licences are in our own exports of this form only.
        completions=[
            completion(text(row, one), name(row, "model1"), name(row, "licence1")),
            completion(text(row, other), name(row, "model2"), name(row, "licence2")),
        ],
        human=[
            {"annotator": name(said_by, "annotator") or _who(place, len(given or single))}
            | label
            | said(criterion=name(row, "criterion"))
            for place, said_by in enumerate(given or single)
            if (label := _label(said_by))
        ],
        # The published value is made of the single ones; it is no label beside them.
        meta=rest(row, {asked, one, other, each} | BESIDE),
    )


def _joined(row: Row) -> str:
    parts = (name(row, "preference_statement"), name(row, "preference_elaboration"))
    return " ".join(filter(None, parts))


def _label(given: Row) -> dict[str, Any] | None:
    strength = number(given.get("strength", given.get("score")))
    if strength is None:
        return None
    rationale = said(rationale=name(given, "justification", "reasoning"))
    if strength == NEITHER:
        return {"tie_kind": "cannot judge"} | rationale
    if abs(strength) > MOST:
        raise Unfit(f"a preference of {strength:g} lies outside of −{MOST} to {MOST}")
    feedback = [name(given, f"feedback{side}") for side in (1, 2)]
    remarks = said(attributes=said(feedback=feedback if any(feedback) else None))
    return leaning(strength, MOST) | rationale | remarks


SCORES = Adapter(
    name="helpsteer",
    title="HelpSteer scores",
    reads="a prompt, a response and its scores; rows of one prompt must follow each other",
    recognised_by="it has a prompt, a response and scores such as helpfulness and verbosity",
    fits=fits_scores,
    confidence=0.96,
    instances=scores,
    licence="CC-BY-4.0",
    joins=lambda each: canonical_json(each["prompt"]),
)
PREFERRED = Adapter(
    name="helpsteer_preference",
    title="HelpSteer preferences",
    reads="two responses and a preference from −3 to 3, by annotator",
    recognised_by="it has two responses and a preference_strength or overall_preference",
    fits=fits_preferences,
    confidence=0.96,
    instances=preferences,
    licence="CC-BY-4.0",
)
