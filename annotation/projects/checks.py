"""What a protocol and its criteria may not be together. Pure but for the rows it reads.

One field at a time is checked by the models; here are the rules between fields. Every step says
what to change.
"""

import math
import re
from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from core.exceptions import InvalidInput

from .models import Criterion, Kind, Protocol

GATE = re.compile(r"[a-z][a-z0-9_-]*(:[a-z0-9_.-]*)?")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MOST_CRITERIA = 12

Step = Callable[[Protocol, Sequence[Criterion]], None]


def check_protocol(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    """Check what a project is about to ask.

    Raises:
        InvalidInput: the first step that fails says what to change.
    """
    for step in STEPS:
        step(protocol, criteria)


def _asks_something(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if not criteria:
        raise InvalidInput(_("A project needs at least one criterion."))
    if len(criteria) > MOST_CRITERIA:
        raise InvalidInput(
            _("A project asks at most %(most_criteria)s criteria on one screen.")
            % {"most_criteria": MOST_CRITERIA}
        )


def _numbers_are_in_range(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if not 1 <= protocol.overlap <= 50 or not 1 <= (protocol.overlap_most or 1) <= 50:
        raise InvalidInput(_("The overlap is from 1 to 50 labels for each instance."))
    if not 1 <= protocol.strength_levels <= 4:
        raise InvalidInput(_("A preference has 1 to 4 levels of strength."))
    if not (0 <= protocol.rationale_share <= 1 and 0 <= protocol.qualify_share <= 1):
        raise InvalidInput(_("A share is from 0 to 1."))
    for criterion in criteria:
        if not 2 <= criterion.levels <= 11:
            raise InvalidInput(
                _("%(name)s: a rating has 2 to 11 levels.") % {"name": criterion.name}
            )


def _keys_differ(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    keys = [criterion.key for criterion in criteria]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise InvalidInput(
            _("Two criteria have the key %(twice)r: give each its own.") % {"twice": twice[0]}
        )


def _levels_are_named(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    for criterion in criteria:
        names = criterion.labels
        if not names:
            continue
        if criterion.asks(protocol) != Kind.RATING:
            raise InvalidInput(
                _("%(name)s: only a rating has names for its levels.") % {"name": criterion.name}
            )
        if len(names) != criterion.levels:
            raise InvalidInput(
                f"{criterion.name} has {criterion.levels} levels and {len(names)} names: "
                "name every level or none."
            )
        _differ(f"{criterion.name}: the names of the levels", names)


def _reasons_differ(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    _differ("The reasons", protocol.reasons)
    for criterion in criteria:
        _differ(f"{criterion.name}: the reasons", criterion.reasons)


def _differ(what: str, words: Sequence[str]) -> None:
    if any(not word.strip() for word in words) or len(set(words)) != len(words):
        raise InvalidInput(
            _("%(what)s must be different words, none of them empty.") % {"what": what}
        )


def _overlap_grows(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    most = protocol.overlap_most
    if most is not None and most < protocol.overlap:
        raise InvalidInput(
            f"The overlap starts at {protocol.overlap}: the most must not be below it, "
            f"but is {most}."
        )
    if not 0 <= protocol.settle_entropy <= math.log(2):
        raise InvalidInput(_("Uncertainty that settles must be between 0 and ln 2 = 0.693 nats."))


def _seats_fill_the_overlap(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    seats = protocol.seats
    if not isinstance(seats, list) or not all(map(_is_seat, seats)):
        raise InvalidInput('A seat is {"cohort": "expert", "count": 2}, with a count from 1.')
    cohorts = [seat["cohort"] for seat in seats]
    if len(set(cohorts)) != len(cohorts):
        raise InvalidInput(_("A cohort has its seats in one line: two name the same cohort."))
    total = sum(seat["count"] for seat in seats)
    if seats and total != protocol.overlap:
        raise InvalidInput(
            _("The seats add up to %(total)s, the overlap is %(overlap)s: make them equal.")
            % {"total": total, "overlap": protocol.overlap}
        )


def _is_seat(seat: object) -> bool:
    if not isinstance(seat, dict) or set(seat) != {"cohort", "count"}:
        return False
    cohort, count = seat["cohort"], seat["count"]
    return isinstance(cohort, str) and len(cohort) <= 40 and type(count) is int and count > 0


def _gates_are_tags(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    for gate in protocol.gates:
        if not GATE.fullmatch(gate):
            raise InvalidInput(
                f"{gate!r} is no gate: write the start of a tag, like 'lang:', 'domain:law' or "
                "'expert'."
            )
    if len(set(protocol.gates)) != len(protocol.gates):
        raise InvalidInput(_("A gate is named twice."))


def _best_worst_ranks(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if protocol.best_worst and protocol.kind != Kind.LISTWISE:
        raise InvalidInput(
            _("Best and worst of groups is a way to rank: choose a listwise protocol.")
        )


def _steps_need_a_pair(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if protocol.mark_steps and protocol.kind != Kind.PAIRWISE:
        raise InvalidInput(_("Steps are marked on two completions: choose a pairwise protocol."))


def _time_is_sensible(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if protocol.least_seconds is not None and not 0 < protocol.least_seconds <= 3600:
        raise InvalidInput(
            _("The least seconds must be more than 0 and at most an hour, or empty.")
        )
    if not 1 <= protocol.lease_minutes <= 24 * 60:
        raise InvalidInput(_("A lease lasts from 1 minute to a day."))


def _hidden_checks_leave_work(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if protocol.gold_share + protocol.repeat_share > 0.5:
        raise InvalidInput(_("Gold and repeats together may be at most half of what people see."))


def _locale_is_a_tag(protocol: Protocol, criteria: Sequence[Criterion]) -> None:
    if not LOCALE.fullmatch(protocol.locale):
        raise InvalidInput(
            _("%(locale)r is no locale: write a tag like 'en' or 'pt-BR'.")
            % {"locale": protocol.locale}
        )


STEPS: tuple[Step, ...] = (
    _asks_something,
    _numbers_are_in_range,
    _keys_differ,
    _levels_are_named,
    _reasons_differ,
    _overlap_grows,
    _seats_fill_the_overlap,
    _gates_are_tags,
    _best_worst_ranks,
    _steps_need_a_pair,
    _time_is_sensible,
    _hidden_checks_leave_work,
    _locale_is_a_tag,
)
