"""An answer to one criterion, and the steps that check it. Pure but for the rows it reads."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.instances.reading import unstorable
from annotation.projects.models import Kind, Protocol, RationalePolicy, TieKind
from core.exceptions import InvalidInput
from core.hashing import canonical_json, content_hash

MOST_TEXT = 10_000
MOST_ATTRIBUTES = 20_000
MOST_SECONDS = 24 * 3600
UNSURE = 2


@dataclass(frozen=True)
class Answer:
    """One criterion's answer; `ranking` has a rank per completion in canonical position.

    `cannot judge` is an empty ranking with that tie kind; every other tie kind goes with a ranking
    of all ones.
    """

    criterion_key: str
    ranking: list[int]
    tie_kind: str = ""
    # k / strength_levels of the protocol; None for a tie and for rankings of more than two.
    strength: float | None = None
    # 1 (a guess) to 5 (certain).
    confidence: int | None = None
    rationale: str = ""
    reasons: Sequence[str] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    def payload_hash(self) -> str:
        return content_hash(asdict(self) | {"reasons": list(self.reasons)})


@dataclass(frozen=True)
class Asked:
    """What an answer is checked against."""

    protocol: Protocol
    criteria: frozenset[str]
    completions: int


def check_answers(answers: Sequence[Answer], asked: Asked, seconds: float | None) -> None:
    """Check one submit against what was asked.

    Raises:
        InvalidInput: the first step that fails says what to change.
    """
    _each_criterion_once(answers, asked)
    _time_is_plausible(seconds)
    for answer in answers:
        for step in STEPS:
            step(answer, asked)


def _each_criterion_once(answers: Sequence[Answer], asked: Asked) -> None:
    keys = [answer.criterion_key for answer in answers]
    if unknown := sorted(set(keys) - asked.criteria):
        raise InvalidInput(f"This project does not ask for {unknown[0]!r}.")
    if missing := sorted(asked.criteria - set(keys)):
        raise InvalidInput(f"{missing[0]!r} is not answered yet.")
    if len(keys) != len(set(keys)):
        raise InvalidInput("A criterion is answered twice.")


def _time_is_plausible(seconds: float | None) -> None:
    if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= MOST_SECONDS):
        raise InvalidInput("The time on the instance must be between 0 seconds and a day.")


def _text_can_be_stored(answer: Answer, asked: Asked) -> None:
    if reason := unstorable([answer.rationale, list(answer.reasons), answer.attributes]):
        raise InvalidInput(f"The answer cannot be stored: {reason}.")
    if len(answer.rationale) > MOST_TEXT:
        raise InvalidInput(f"The rationale is longer than {MOST_TEXT} characters.")
    if len(canonical_json(answer.attributes)) > MOST_ATTRIBUTES:
        raise InvalidInput(f"The attributes are longer than {MOST_ATTRIBUTES} characters.")


def _ranking_fits(answer: Answer, asked: Asked) -> None:
    if answer.tie_kind == TieKind.CANNOT_JUDGE:
        if answer.ranking:
            raise InvalidInput("An answer of 'cannot judge' ranks nothing.")
        return
    if len(answer.ranking) != asked.completions:
        raise InvalidInput(f"Rank all {asked.completions} completions.")
    expected = [1 + sum(other < rank for other in answer.ranking) for rank in answer.ranking]
    if list(answer.ranking) != expected:
        raise InvalidInput(f"{answer.ranking} is no ranking: 1 is best, and ties share a rank.")


def _tie_is_allowed(answer: Answer, asked: Asked) -> None:
    all_tied = len(answer.ranking) > 1 and set(answer.ranking) == {1}
    if all_tied and not answer.tie_kind:
        raise InvalidInput("Say which kind of tie this is.")
    if answer.tie_kind and answer.tie_kind not in asked.protocol.ties:
        raise InvalidInput(f"This project does not allow {answer.tie_kind!r}.")
    if answer.tie_kind and answer.ranking and not all_tied:
        raise InvalidInput(f"{answer.tie_kind!r} does not go with a preference.")


def _strength_is_a_level(answer: Answer, asked: Asked) -> None:
    if answer.strength is None:
        return
    if answer.tie_kind or asked.protocol.kind != Kind.PAIRWISE:
        raise InvalidInput("A strength goes only with a preference between two.")
    level = answer.strength * asked.protocol.strength_levels
    if not (0 < answer.strength <= 1 and math.isclose(level, round(level), abs_tol=1e-6)):
        raise InvalidInput(
            f"The strength must be k/{asked.protocol.strength_levels} with k from 1."
        )


def _confidence_is_in_range(answer: Answer, asked: Asked) -> None:
    if answer.confidence is not None and answer.confidence not in range(1, 6):
        raise InvalidInput("The confidence must be a whole number from 1 to 5.")


def _rationale_follows_policy(answer: Answer, asked: Asked) -> None:
    policy, written = asked.protocol.rationale, bool(answer.rationale.strip())
    if policy == RationalePolicy.NEVER and written:
        raise InvalidInput("This project takes no rationales.")
    strong = answer.strength == 1 and asked.protocol.strength_levels > 1
    unsure = answer.confidence is not None and answer.confidence <= UNSURE
    cannot = answer.tie_kind == TieKind.CANNOT_JUDGE
    due = policy == RationalePolicy.ALWAYS or (
        policy == RationalePolicy.STRONG_OR_UNSURE and (strong or unsure or cannot)
    )
    if due and not written:
        raise InvalidInput("Say why in a sentence: this project asks for it here.")


def _reasons_are_offered(answer: Answer, asked: Asked) -> None:
    if unknown := sorted(set(answer.reasons) - set(asked.protocol.reasons)):
        raise InvalidInput(f"This project does not offer the reason {unknown[0]!r}.")


STEPS: tuple[Callable[[Answer, Asked], None], ...] = (
    _text_can_be_stored,
    _ranking_fits,
    _tie_is_allowed,
    _strength_is_a_level,
    _confidence_is_in_range,
    _rationale_follows_policy,
    _reasons_are_offered,
)
