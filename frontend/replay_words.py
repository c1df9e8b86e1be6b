"""What a replay says, in the language of the page: from its figures, not from its sentences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from routing.lab.facts import Combination, Help, against, combination, help_of
from routing.lab.replay import Lead, Replayed, Stake
from routing.lab.sensitivity import Sensitivity
from routing.lab.statistics import Interval
from routing.lab.stored import replayed

from .numbers import local

NameOf = Callable[[str], str]


def verdict_of(figures: Mapping[str, Any], name_of: NameOf) -> str:
    """Whether routing helps, and whether combining signals does."""
    found = replayed(figures)
    facts = help_of(found.points, found.prompts)
    if not facts.tried:
        return _spoken(_("Routing could not be tried here."), _few(facts.few))
    leads = _combined(combination(found.leads), name_of) if found.leads else ""
    return _spoken(_helps(facts, name_of), leads, _few(facts.few))


def stake_verdicts(figures: Mapping[str, Any], name_of: NameOf) -> list[str]:
    """One sentence a budget: who is better than a random mix, and by how much."""
    found = replayed(figures)
    return [_stake(found, stake, name_of) for stake in found.stakes]


def sensitivity_of(figures: Mapping[str, Any]) -> str:
    """Whether reward models can tell mixes apart; blank where none was trained."""
    found = replayed(figures).sensitivity
    return _sensitive(found) if found else ""


def _helps(facts: Help, name_of: NameOf) -> str:
    if facts.best is None or facts.best.against_random is None:
        return _(
            "Routing is not helping here: no strategy is better than a random mix of the same "
            "price at any budget. Spend people’s time in proportion, or gather more signals."
        )
    words = {
        "name": name_of(facts.best.key),
        "budget": _shares([facts.best.budget]),
        "gained": _points(facts.best.against_random.value),
        "budgets": _shares(facts.helped),
    }
    if facts.everywhere:
        return (
            _(
                "Routing helps here at every budget; most clearly %(name)s at %(budget)s: "
                "%(gained)s over a random mix."
            )
            % words
        )
    return (
        _(
            "Routing helps here at budgets of %(budgets)s; most clearly %(name)s at %(budget)s: "
            "%(gained)s over a random mix."
        )
        % words
    )


def _combined(facts: Combination, name_of: NameOf) -> str:
    words = {"ahead": _shares(facts.ahead), "surely": _shares(facts.surely)}
    if not facts.ahead:
        said = _("The learned combination is nowhere ahead of the best single signal.")
    elif facts.surely:
        said = _(
            "The learned combination is ahead of the best single signal at %(ahead)s, beyond doubt "
            "at %(surely)s."
        )
    else:
        said = _(
            "The learned combination is ahead of the best single signal at %(ahead)s, nowhere "
            "beyond doubt."
        )
    return _spoken(said % words, *(_behind(lead, name_of) for lead in facts.behind))


def _behind(lead: Lead, name_of: NameOf) -> str:
    words = {
        "budget": _shares([lead.budget]),
        "points": _points(lead.difference.value),
        "single": name_of(lead.single_key or lead.single),
    }
    if not lead.difference.value:
        return _("At %(budget)s it is as good as %(single)s.") % words
    return _("At %(budget)s it is %(points)s against %(single)s.") % words


def _stake(found: Replayed, stake: Stake, name_of: NameOf) -> str:
    differences = {
        point.key: point.against_random
        for point in found.points
        if point.budget == stake.budget and point.key != "oracle"
    }
    facts = against(differences, found.prompts)
    if not facts.known:
        return _spoken(_("Routing could not be tried here."), _few(facts.few))
    said = ", ".join(f"{name_of(key)} {_size(each)}" for key, each in facts.known.items())
    words = {"said": said, "names": ", ".join(name_of(key) for key in facts.helping)}
    if facts.helping:
        told = _("Better than a random mix: %(names)s. Differences: %(said)s.") % words
        return _spoken(told, _few(facts.few))
    told = _("Routing is not helping here; against a random mix: %(said)s.") % words
    hurting = ", ".join(name_of(key) for key in facts.hurting)
    worse = _("Worse than chance: %(names)s.") % {"names": hurting} if hurting else ""
    return _spoken(told, worse, _few(facts.few))


def _sensitive(found: Sensitivity) -> str:
    words = {"size": _size(found.difference), "least": local(f"{100 * found.detectable:.1f}")}
    if found.can_tell:
        said = _("Reward models can tell mixes apart here: oracle minus all-judge is %(size)s.")
    else:
        said = _(
            "Cannot tell here: oracle minus all-judge is %(size)s in reward-model accuracy, and "
            "only %(least)s or more would show. More data or a larger proxy would help."
        )
    return said % words


def _few(prompts: int | None) -> str:
    if prompts is None:
        return ""
    return ngettext("Few prompts: %(count)s.", "Few prompts: %(count)s.", prompts) % {
        "count": prompts
    }


def _spoken(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _shares(budgets: Sequence[float]) -> str:
    return ", ".join(local(f"{100 * share:g}") + " %" for share in budgets)


def _points(value: float) -> str:
    return _("%(number)s points") % {"number": local(f"{100 * value:+.1f}")}


def _size(found: Interval) -> str:
    low, high = (local(f"{100 * bound:+.1f}") for bound in (found.low, found.high))
    return f"{_points(found.value)} [{low}; {high}]"
