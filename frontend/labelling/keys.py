"""What the list of keys under `?` says for one protocol; `frontend.keys` knows the keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.projects.models import Criterion, Kind, Protocol, RationalePolicy, TieKind
from annotation.queue.models import SkipKind


@dataclass(frozen=True)
class KeyRow:
    """One line of the list: the keys of `acts` may be a person's own, those in `plain` are not."""

    acts: Sequence[str]
    text: str
    plain: Sequence[str] = ()


def key_rows(protocol: Protocol, criteria: Sequence[Criterion]) -> list[KeyRow]:
    """What the keys do in a project of this protocol, the most used first."""
    kinds = [criterion.asks(protocol) for criterion in criteria]
    return [
        *(row for kind in dict.fromkeys(kinds) for row in _of_kind(kind, protocol)),
        *_of_protocol(protocol, several=len(criteria) > 1),
        _row(_("hide or show the prompt"), "prompt"),
        _row(_("show what differs"), "diff"),
        _row(_("show the guideline"), "guideline"),
        _row(_("pass on this instance, or flag it"), "flag"),
        _row(_("submit, and show the next instance"), "submit"),
        _row(_("take the last submit back (ten minutes)"), "undo"),
        _row(_("this list"), "keys"),
    ]


def _row(text: str, *acts: str, plain: Sequence[str] = ()) -> KeyRow:
    return KeyRow(acts, text, plain)


def _of_kind(kind: Kind, protocol: Protocol) -> Iterator[KeyRow]:
    if kind == Kind.PAIRWISE:
        yield from _pairwise(protocol)
    elif kind == Kind.LISTWISE and protocol.best_worst:
        yield _row(_("the best of the group, then the worst; again takes it back"), plain="14")
        yield _row(_("the group before or after"), "previous", "next")
    elif kind == Kind.LISTWISE:
        yield _row(_("the completion before or after"), "left", "right", "previous", "next")
        yield _row(_("its rank: 1 is best, and ranks may be shared"), plain="19")
        yield _row(_("tie it with the one ranked before it"), "tie")
        yield _row(_("take its rank away"), "unrank")
    elif kind == Kind.RATING:
        yield _row(_("the level, and on to the next question"), plain="19")
        yield _row(_("another completion or question"), "left", "right", "up", "down")
        yield _row(_("cannot judge this one"), "unrank")
    else:
        yield _row(_("yes, and on to the next completion"), "right", "yes")
        yield _row(_("no, and on to the next completion"), "left", "no")
        yield _row(_("the completion before or after"), "previous", "next")
    if TieKind.CANNOT_JUDGE in protocol.ties:
        yield _row(_("cannot judge"), "cannot judge")


def _pairwise(protocol: Protocol) -> Iterator[KeyRow]:
    last = 2 * protocol.strength_levels + (TieKind.TIE in protocol.ties)
    yield _row(_("from A is clearly better to B is clearly better"), plain=["1", str(last)])
    yield _row(_("choose A or B; again for a stronger choice"), "left", "right")
    if TieKind.TIE in protocol.ties:
        yield _row(_("tie"), "down")
    if TieKind.BOTH_BAD in protocol.ties:
        yield _row(_("both bad"), "up")
    if TieKind.BOTH_GOOD in protocol.ties:
        yield _row(_("both good"), "both good")


def _of_protocol(protocol: Protocol, *, several: bool) -> Iterator[KeyRow]:
    if several:
        yield KeyRow([], _("next criterion"), ["Tab"])
    if protocol.mark_steps:
        yield _row(_("the step before or after"), "step back", "step on")
        yield _row(_("this is the first wrong step"), "mark")
    if protocol.ask_confidence:
        yield _row(_("how sure you are"), "confidence")
    if protocol.rationale != RationalePolicy.NEVER:
        yield _row(_("write a reason; Esc leaves the box"), "reason")
    if protocol.post_edit:
        yield _row(_("improve the completion that you chose"), "edit")


def flag_kinds() -> list[tuple[str, str]]:
    """Why an instance is passed on, in the order of the digits that choose it."""
    return [
        (SkipKind.PASS, _("Just pass it on")),
        (SkipKind.BROKEN, _("It is broken or empty")),
        (SkipKind.UNSAFE, _("It is unsafe")),
        (SkipKind.PERSONAL, _("It contains personal data")),
        (SkipKind.LANGUAGE, _("It is not in my language")),
        (SkipKind.EXPERTISE, _("It needs other expertise")),
    ]
