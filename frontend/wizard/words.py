"""What the values of a protocol are called on a page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from annotation.projects.models import Criterion, Kind, Protocol, RationalePolicy, TieKind

Names = Mapping[Any, str | Promise]
KINDS: Names = {
    Kind.PAIRWISE: gettext_lazy("compare two"),
    Kind.LISTWISE: gettext_lazy("rank several"),
    Kind.RATING: gettext_lazy("rate each on a scale"),
    Kind.BINARY: gettext_lazy("thumb for each"),
}
OWN_KINDS: Names = {
    Kind.RATING: gettext_lazy("rating of each"),
    Kind.BINARY: gettext_lazy("yes or no for each"),
}
SCALES = (
    ("2", gettext_lazy("2 points: A or B")),
    ("3", gettext_lazy("3 points: with a tie")),
    ("4", gettext_lazy("4 points: slightly, clearly; no tie")),
    ("5", gettext_lazy("5 points: slightly, clearly, tie")),
    ("6", gettext_lazy("6 points: up to much better; no tie")),
    ("7", gettext_lazy("7 points: up to much better, tie")),
)
TIES: Names = {
    TieKind.TIE: gettext_lazy("all tied"),
    TieKind.BOTH_GOOD: gettext_lazy("both good"),
    TieKind.BOTH_BAD: gettext_lazy("both bad"),
    TieKind.CANNOT_JUDGE: gettext_lazy("cannot judge"),
}
POLICIES: Names = {
    RationalePolicy.NEVER: gettext_lazy("never"),
    RationalePolicy.OPTIONAL: gettext_lazy("if they like"),
    RationalePolicy.STRONG_OR_UNSURE: gettext_lazy("where strong or unsure"),
    RationalePolicy.SAMPLED: gettext_lazy("for a share of the labels"),
    RationalePolicy.ALWAYS: gettext_lazy("always"),
}


def named(choices: Iterable[Any], names: Names) -> list[tuple[str, str]]:
    """(value, name) of the choices that have a name here, in the order of the choices."""
    return [(str(choice), str(names[choice])) for choice in choices if choice in names]


def choices() -> dict[str, Any]:
    """The choices of the fields, by the names that the templates use."""
    return {
        "kinds": named(Kind, KINDS),
        "own_kinds": [("", _("as the protocol")), *named(Kind, OWN_KINDS)],
        "scales": SCALES,
        "ties": named(TieKind, TIES),
        "policies": named(RationalePolicy, POLICIES),
    }


def facts_of(protocol: Protocol, criteria: Sequence[Criterion]) -> list[tuple[str, str]]:
    """What a project asks, in a few lines of name and value."""
    rows = [
        (_("Criteria"), ", ".join(_criterion(each, protocol) for each in criteria)),
        (_("Answers beside"), ", ".join(str(TIES[tie]) for tie in protocol.ties) or _("none")),
        (_("Why"), str(POLICIES[protocol.rationale])),
        (_("Labels each"), _people(protocol)),
    ]
    asked = [
        name
        for name, on in (
            (_("confidence"), protocol.ask_confidence),
            (_("an edit of the chosen completion"), protocol.post_edit),
            (_("the first wrong step"), protocol.mark_steps),
            (_("best and worst of groups"), protocol.best_worst),
        )
        if on
    ]
    scale = [(_("Scale"), _points(protocol))] if protocol.kind == Kind.PAIRWISE else []
    more = [(_("Also asked"), ", ".join(asked))] if asked else []
    gates = [(_("Qualifications"), ", ".join(protocol.gates))] if protocol.gates else []
    return [(_("Protocol"), str(KINDS[protocol.kind])), *rows[:1], *scale, *rows[1:], *more, *gates]


def _criterion(criterion: Criterion, protocol: Protocol) -> str:
    kind = criterion.asks(protocol)
    if kind == Kind.RATING:
        last = criterion.lowest + criterion.levels - 1
        return f"{criterion.name} ({criterion.lowest}–{last})"
    return criterion.name


def _points(protocol: Protocol) -> str:
    count = 2 * protocol.strength_levels + (TieKind.TIE in protocol.ties)
    return ngettext("%d point", "%d points", count) % count


def _people(protocol: Protocol) -> str:
    if protocol.seats:
        return " + ".join(
            f"{seat['count']} {seat['cohort'] or _('anybody')}" for seat in protocol.seats
        )
    if protocol.overlap_most:
        return _("%(least)d to %(most)d, until they agree") % {
            "least": protocol.overlap,
            "most": protocol.overlap_most,
        }
    return str(protocol.overlap)
