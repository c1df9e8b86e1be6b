"""The keyboard of the labelling page: every act, its key, and what a person has changed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.exceptions import InvalidInput

# What a key is called where it is shown; others show as they are.
SHOWN = {
    " ": _("Space"),
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "Backspace": "⌫",
    "Enter": "⏎",
}
# The act "left" leads to A, which lies on the right of a page read from there: keys.js says it too.
MIRRORED = {"left": "right", "right": "left"}
# Digits rank and rate; these leave the page or a box.
RESERVED = frozenset({*"0123456789", "Tab", "Escape", "Enter", "Shift", "Control", "Alt", "Meta"})


@dataclass(frozen=True)
class Act:
    """Something a key does on the labelling page; `name` is what the scripts call it."""

    name: str
    key: str
    text: str | Promise


ACTS = (
    Act("submit", " ", _("submit, and show the next instance")),
    Act("undo", "Backspace", _("take the last submit back (ten minutes)")),
    Act("left", "ArrowLeft", _("to the left: A, no, or the completion before")),
    Act("right", "ArrowRight", _("to the right: B, yes, or the next completion")),
    Act("up", "ArrowUp", _("up; of a pair: both bad")),
    Act("down", "ArrowDown", _("down; of a pair: tie")),
    Act("both good", "g", _("both good")),
    Act("cannot judge", "x", _("cannot judge")),
    Act("next", "j", _("the next completion or group")),
    Act("previous", "k", _("the completion or group before")),
    Act("tie", "=", _("tie it with the one ranked before it")),
    Act("unrank", "-", _("take its rank or score away")),
    Act("yes", "y", _("yes")),
    Act("no", "n", _("no")),
    Act("step back", "[", _("the step before")),
    Act("step on", "]", _("the next step")),
    Act("mark", "w", _("this is the first wrong step")),
    Act("confidence", "c", _("how sure you are")),
    Act("reason", "r", _("write a reason")),
    Act("edit", "e", _("improve the completion that you chose")),
    Act("prompt", "p", _("hide or show the prompt")),
    Act("guideline", "h", _("show the guideline")),
    Act("diff", "d", _("show what differs")),
    Act("sync", "s", _("scroll together, or each alone")),
    Act("flag", "f", _("flag or pass on this instance")),
    Act("keys", "?", _("show the keys")),
)


def bindings(changed: Mapping[str, str]) -> dict[str, str]:
    """The key of every act: the default, or the person's own."""
    return {act.name: changed.get(act.name, act.key) for act in ACTS}


def shown(key: str) -> str:
    return str(SHOWN.get(key, key))


def changed_keys(given: Mapping[str, str]) -> dict[str, str]:
    """What differs from the defaults in a complete list of keys by act.

    Raises:
        InvalidInput: a key is reserved or longer than one letter, or one key does two things.
    """
    for act in ACTS:
        key = given.get(act.name, act.key)
        if key in RESERVED:
            raise InvalidInput(
                gettext("%(key)s is taken by the page itself: choose another key.")
                % {"key": shown(key)}
            )
        if len(key) != 1 and key not in SHOWN:
            raise InvalidInput(
                gettext("%(key)r is no key: press one in the box.") % {"key": key[:20]}
            )
    complete = {act.name: given.get(act.name, act.key) for act in ACTS}
    seen: dict[str, str] = {}
    for name, key in complete.items():
        if key in seen:
            raise InvalidInput(
                gettext("%(key)s would do two things, %(one)r and %(other)r: change one.")
                % {"key": shown(key), "one": seen[key], "other": name}
            )
        seen[key] = name
    return {act.name: complete[act.name] for act in ACTS if complete[act.name] != act.key}
