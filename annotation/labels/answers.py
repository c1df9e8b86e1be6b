"""An answer to one criterion, and the steps that check it. Pure but for the rows it reads."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from annotation.instances.readers import unstorable
from annotation.projects.models import Criterion, Kind, Protocol, RationalePolicy, TieKind
from core.exceptions import InvalidInput
from core.hashing import canonical_json, content_hash

from .best_worst import ranking_of

MOST_TEXT = 10_000
MOST_ATTRIBUTES = 20_000
MOST_SECONDS = 24 * 3600
UNSURE = 2
SCORED = frozenset({Kind.RATING, Kind.BINARY})


@dataclass(frozen=True)
class Answer:
    """One criterion's answer, by canonical position: a rank or a score per completion.

    `cannot judge` is an empty ranking with that tie kind; every other tie kind goes with a ranking
    of all ones. Completions in `unranked` share a rank only because nobody told them apart: those
    left out of a partial ranking share the last one.

    The page uses these keys of `attributes`: `edit` {"position", "text"}, the improved text of a
    completion ranked first; `first_error` [step, …], the first wrong step of each completion,
    counted from 0, null for none; `best_worst`, the choices of `best_worst.py`.
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
    unranked: Sequence[int] = ()
    scores: Sequence[int | None] = ()

    def payload_hash(self) -> str:
        sequences = {name: list(getattr(self, name)) for name in ("reasons", "unranked", "scores")}
        return content_hash(asdict(self) | sequences)


@dataclass(frozen=True)
class Asked:
    """What an answer is checked against."""

    protocol: Protocol
    criteria: Mapping[str, Criterion]
    completions: int
    # The draw of the policy `sampled` fell on this label.
    rationale_drawn: bool = False
    # The groups in which best and worst are chosen; empty where ranks are asked.
    groups: Sequence[Sequence[int]] = ()

    def kind_of(self, answer: Answer) -> Kind:
        return self.criteria[answer.criterion_key].asks(self.protocol)


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
    if unknown := sorted(set(keys) - set(asked.criteria)):
        raise InvalidInput(_("This project does not ask for %(name)r.") % {"name": unknown[0]})
    if missing := sorted(set(asked.criteria) - set(keys)):
        raise InvalidInput(_("%(name)r is not answered yet.") % {"name": missing[0]})
    if len(keys) != len(set(keys)):
        raise InvalidInput(_("A criterion is answered twice."))


def _time_is_plausible(seconds: float | None) -> None:
    if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= MOST_SECONDS):
        raise InvalidInput(_("The time on the instance must be between 0 seconds and a day."))


def _text_can_be_stored(answer: Answer, asked: Asked) -> None:
    if reason := unstorable([answer.rationale, list(answer.reasons), answer.attributes]):
        raise InvalidInput(_("The answer cannot be stored: %(reason)s.") % {"reason": reason})
    if len(answer.rationale) > MOST_TEXT:
        raise InvalidInput(
            _("The rationale is longer than %(most)s characters.") % {"most": MOST_TEXT}
        )
    if len(canonical_json(answer.attributes)) > MOST_ATTRIBUTES:
        raise InvalidInput(
            _("The attributes are longer than %(most)s characters.") % {"most": MOST_ATTRIBUTES}
        )


def _answers_what_is_asked(answer: Answer, asked: Asked) -> None:
    if answer.tie_kind == TieKind.CANNOT_JUDGE:
        if answer.ranking or answer.scores or answer.unranked:
            raise InvalidInput(_("An answer of 'cannot judge' ranks and scores nothing."))
    elif asked.kind_of(answer) in SCORED:
        if answer.ranking or answer.unranked or answer.tie_kind:
            raise InvalidInput(
                _("%(criterion)r takes scores, no ranking.") % {"criterion": answer.criterion_key}
            )
    elif answer.scores:
        raise InvalidInput(
            _("%(criterion)r takes a ranking, no scores.") % {"criterion": answer.criterion_key}
        )


def _scores_fit(answer: Answer, asked: Asked) -> None:
    kind = asked.kind_of(answer)
    if kind not in SCORED or answer.tie_kind == TieKind.CANNOT_JUDGE:
        return
    if len(answer.scores) != asked.completions:
        raise InvalidInput(
            _("Score all %(count)s completions on %(criterion)s.")
            % {"count": asked.completions, "criterion": answer.criterion_key}
        )
    values = asked.criteria[answer.criterion_key].values(kind)
    given = [score for score in answer.scores if score is not None]
    if not given:
        raise InvalidInput(
            _("Score at least one completion on %(criterion)s.")
            % {"criterion": answer.criterion_key}
        )
    if not all(type(score) is int and score in values for score in given):
        raise InvalidInput(
            _("A score must be a whole number from %(low)s to %(high)s.")
            % {"low": values[0], "high": values[-1]}
        )


def _ranking_fits(answer: Answer, asked: Asked) -> None:
    if answer.tie_kind == TieKind.CANNOT_JUDGE or asked.kind_of(answer) in SCORED:
        return
    if len(answer.ranking) != asked.completions:
        raise InvalidInput(_("Rank all %(count)s completions.") % {"count": asked.completions})
    expected = [1 + sum(other < rank for other in answer.ranking) for rank in answer.ranking]
    if list(answer.ranking) != expected:
        raise InvalidInput(
            _("%(ranking)s is no ranking: 1 is best, and ties share a rank.")
            % {"ranking": answer.ranking}
        )


def _unranked_are_positions(answer: Answer, asked: Asked) -> None:
    if not answer.unranked:
        return
    if asked.kind_of(answer) != Kind.LISTWISE:
        raise InvalidInput(_("Only a ranking of several completions can leave some unranked."))
    known = set(range(asked.completions))
    if len(set(answer.unranked)) != len(answer.unranked) or not known >= set(answer.unranked):
        raise InvalidInput(_("The unranked completions must be different positions."))
    if known == set(answer.unranked) and not asked.groups:
        raise InvalidInput(_("Rank at least one completion."))


def _groups_are_answered(answer: Answer, asked: Asked) -> None:
    if not asked.groups or asked.kind_of(answer) != Kind.LISTWISE or answer.tie_kind:
        return
    ranking, unranked = ranking_of(answer.attributes.get("best_worst"), asked.groups)
    if list(answer.ranking) != ranking or sorted(answer.unranked) != unranked:
        raise InvalidInput(_("The ranking does not follow from the best and worst of the groups."))


def _edit_is_of_the_chosen(answer: Answer, asked: Asked) -> None:
    edit = answer.attributes.get("edit")
    if edit is None:
        return
    if not asked.protocol.post_edit:
        raise InvalidInput(_("This project takes no edited completions."))
    position, text = edit.get("position"), edit.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_TEXT:
        raise InvalidInput(
            _("An edited completion has 1 to %(most)s characters.") % {"most": MOST_TEXT}
        )
    best = {place for place, rank in enumerate(answer.ranking) if rank == 1}
    if position not in (best or set(range(asked.completions))):
        raise InvalidInput(_("Only a completion that you chose can be edited."))


def _steps_are_counted(answer: Answer, asked: Asked) -> None:
    steps = answer.attributes.get("first_error")
    if steps is None:
        return
    if not asked.protocol.mark_steps or not isinstance(steps, list):
        raise InvalidInput(_("This project does not ask for wrong steps."))
    whole = all(step is None or (type(step) is int and 0 <= step < 10_000) for step in steps)
    if len(steps) != asked.completions or not whole:
        raise InvalidInput(_("Give the first wrong step of every completion, or none."))


def _tie_is_allowed(answer: Answer, asked: Asked) -> None:
    all_tied = len(answer.ranking) > 1 and set(answer.ranking) == {1} and not answer.unranked
    if all_tied and not answer.tie_kind:
        raise InvalidInput(_("Say which kind of tie this is."))
    if answer.tie_kind and answer.tie_kind not in asked.protocol.ties:
        raise InvalidInput(
            _("This project does not allow %(tie_kind)r.") % {"tie_kind": answer.tie_kind}
        )
    if answer.tie_kind and answer.ranking and not all_tied:
        raise InvalidInput(
            _("%(tie_kind)r does not go with a preference.") % {"tie_kind": answer.tie_kind}
        )


def _strength_is_a_level(answer: Answer, asked: Asked) -> None:
    if answer.strength is None:
        return
    if answer.tie_kind or asked.kind_of(answer) != Kind.PAIRWISE:
        raise InvalidInput(_("A strength goes only with a preference between two."))
    level = answer.strength * asked.protocol.strength_levels
    if not (0 < answer.strength <= 1 and math.isclose(level, round(level), abs_tol=1e-6)):
        raise InvalidInput(
            _("The strength must be k/%(strength_levels)s with k from 1.")
            % {"strength_levels": asked.protocol.strength_levels}
        )


def _confidence_is_in_range(answer: Answer, asked: Asked) -> None:
    if answer.confidence is not None and answer.confidence not in range(1, 6):
        raise InvalidInput(_("The confidence must be a whole number from 1 to 5."))


def _rationale_follows_policy(answer: Answer, asked: Asked) -> None:
    policy, written = asked.protocol.rationale, bool(answer.rationale.strip())
    if policy == RationalePolicy.NEVER and written:
        raise InvalidInput(_("This project takes no rationales."))
    strong = answer.strength == 1 and asked.protocol.strength_levels > 1
    unsure = answer.confidence is not None and answer.confidence <= UNSURE
    cannot = answer.tie_kind == TieKind.CANNOT_JUDGE
    due = {
        RationalePolicy.ALWAYS: True,
        RationalePolicy.STRONG_OR_UNSURE: strong or unsure or cannot,
        RationalePolicy.SAMPLED: asked.rationale_drawn,
    }.get(RationalePolicy(policy), False)
    if due and not written:
        raise InvalidInput(_("Say why in a sentence: this project asks for it here."))


def _reasons_are_offered(answer: Answer, asked: Asked) -> None:
    own = asked.criteria[answer.criterion_key].reasons
    if unknown := sorted(set(answer.reasons) - set(own or asked.protocol.reasons)):
        raise InvalidInput(
            _("This project does not offer the reason %(name)r.") % {"name": unknown[0]}
        )


STEPS: tuple[Callable[[Answer, Asked], None], ...] = (
    _text_can_be_stored,
    _answers_what_is_asked,
    _scores_fit,
    _ranking_fits,
    _unranked_are_positions,
    _tie_is_allowed,
    _groups_are_answered,
    _edit_is_of_the_chosen,
    _steps_are_counted,
    _strength_is_a_level,
    _confidence_is_in_range,
    _rationale_follows_policy,
    _reasons_are_offered,
)
