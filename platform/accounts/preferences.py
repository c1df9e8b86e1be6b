"""What a person has set for themselves: text size, layout, keys. Stored on the user as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core.exceptions import InvalidInput

from .models import User

TEXTS = ("small", "normal", "large")
# `page`: completions as long as they are; `boxes`: each scrolls in a box of its own.
LAYOUTS = ("page", "boxes")
THEMES = ("system", "light", "dark")
CHOICES: Mapping[str, tuple[str, ...]] = {"text": TEXTS, "layout": LAYOUTS, "theme": THEMES}
MOST_KEY = 20


@dataclass(frozen=True)
class Preferences:
    """The settings in force; `keys` maps an act to the key that does it, where not the default."""

    text: str = "normal"
    layout: str = "page"
    theme: str = "system"
    # In boxes: scrolling one scrolls the others.
    sync: bool = True
    # Show what two completions do not share as soon as they are on the screen.
    diff: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)


def preferences_of(user: User) -> Preferences:
    """What is stored and still makes sense; the default for all else."""
    stored = user.preferences
    chosen = {name: stored[name] for name, values in CHOICES.items() if stored.get(name) in values}
    flags = {name: stored[name] for name in ("sync", "diff") if isinstance(stored.get(name), bool)}
    keys = stored.get("keys")
    return Preferences(**chosen, **flags, keys=keys if isinstance(keys, dict) else {})


@transaction.atomic
def set_preferences(*, user: User, changes: Mapping[str, Any]) -> Preferences:
    """Store these settings and keep the others, also those that other parts keep here.

    Raises:
        InvalidInput: a setting is unknown or has no such value, or one key does two acts.
    """
    for name, value in changes.items():
        _check(name, value)
    # The row is locked: two pages of one person may save at the same moment.
    locked = User.objects.select_for_update().get(pk=user.pk)
    locked.preferences = {**locked.preferences, **changes}
    locked.save(update_fields=["preferences"])
    user.preferences = locked.preferences
    return preferences_of(user)


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise InvalidInput(
                _("%(name)s is one of %(choices)s.")
                % {"name": name, "choices": ", ".join(CHOICES[name])}
            )
    elif name in {"sync", "diff"}:
        if not isinstance(value, bool):
            raise InvalidInput(_("%(name)s is yes or no.") % {"name": name})
    elif name == "keys":
        _check_keys(value)
    else:
        raise InvalidInput(_("There is no setting %(name)r.") % {"name": name})


def _check_keys(value: Any) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(act, str) and isinstance(key, str) and 0 < len(key) <= MOST_KEY
        for act, key in value.items()
    ):
        raise InvalidInput(_("Keys are given as an act and the key that does it."))
    if len(set(value.values())) < len(value):
        raise InvalidInput(_("One key would do two things: choose another for one of them."))
