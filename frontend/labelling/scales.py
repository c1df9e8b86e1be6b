"""The answers of the dock: the scale between two completions, and what is no preference."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from annotation.projects.models import Kind, Protocol, TieKind

# The act (`keys.py`) that gives an answer that is no preference.
PAIR_ACTS = {
    TieKind.TIE: "down",
    TieKind.BOTH_BAD: "up",
    TieKind.BOTH_GOOD: "both good",
    TieKind.CANNOT_JUDGE: "cannot judge",
}
LIST_ACTS = {
    TieKind.BOTH_GOOD: "both good",
    TieKind.CANNOT_JUDGE: "cannot judge",
}


@dataclass(frozen=True)
class Option:
    """One radio button. `lead` is left out where there is no room; `side` colours it; `key` is a
    digit and `act` an act of the keyboard, for whichever of them gives this answer."""

    value: str
    text: str
    checked: bool = False
    lead: str = ""
    side: str = ""
    key: str = ""
    act: str = ""
    title: str = ""


def pair_scale(protocol: Protocol, value: str) -> list[Option]:
    """From `A is clearly better` to `B is clearly better`, a tie in the middle."""
    better = _levels(protocol.strength_levels)
    levels = range(len(better), 0, -1)
    # Three levels and more leave no room for a verb.
    a, b = (_("A is"), _("B is")) if len(better) < 3 else ("A", "B")
    rows = [(f"a{level}", a, better[level - 1], "a", "") for level in levels]
    if TieKind.TIE in protocol.ties:
        rows.append(("tie", "", _("tie"), "", PAIR_ACTS[TieKind.TIE]))
    rows += [(f"b{level}", b, better[level - 1], "b", "") for level in reversed(levels)]
    return [
        Option(name, text, name == value, lead, side, str(number), act)
        for number, (name, lead, text, side, act) in enumerate(rows, 1)
    ]


def _levels(count: int) -> list[str]:
    """The words from the weakest preference to the strongest."""
    slightly, clearly = _("slightly better"), _("clearly better")
    much, barely = _("much better"), _("barely better")
    return {
        1: [pgettext("which of two", "better")],
        2: [slightly, clearly],
        3: [slightly, clearly, much],
        4: [barely, slightly, clearly, much],
    }[count]


def beside(protocol: Protocol, kind: str, value: str) -> list[Option]:
    """The answers that are no preference. A ranking can be said to be one tie, in each kind of
    it; scores can only be impossible."""
    names = {
        TieKind.TIE: _("all tied"),
        TieKind.BOTH_GOOD: _("all good"),
        TieKind.BOTH_BAD: _("all bad"),
        TieKind.CANNOT_JUDGE: _("cannot judge"),
    }
    if kind == Kind.PAIRWISE:
        names |= {TieKind.BOTH_GOOD: _("both good"), TieKind.BOTH_BAD: _("both bad")}
        del names[TieKind.TIE]
    elif kind in {Kind.RATING, Kind.BINARY}:
        names = {TieKind.CANNOT_JUDGE: names[TieKind.CANNOT_JUDGE]}
    acts = PAIR_ACTS if kind == Kind.PAIRWISE else LIST_ACTS
    return [
        Option(tie, name, tie == value, act=acts.get(tie, ""))
        for tie, name in names.items()
        if tie in protocol.ties
    ]
