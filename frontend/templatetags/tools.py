"""The tools of the labelling page: the keys of whoever looks at it."""

from django import template
from django.template.context import Context
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi

from accounts.models import User
from accounts.preferences import Preferences, preferences_of
from frontend import keys

register = template.Library()


def _preferences(context: Context) -> Preferences:
    user = context.get("user")
    return preferences_of(user) if isinstance(user, User) else Preferences()


@register.simple_tag(takes_context=True)
def key_bindings(context: Context) -> SafeString:
    """The key of every act, for the scripts; data, which a content security policy lets pass."""
    return json_script(keys.bindings(_preferences(context).keys), "key-bindings")


@register.simple_tag(takes_context=True)
def key(context: Context, act: str) -> str:
    """What the key of an act is called; arrows to the side are mirrored with the page."""
    act = keys.MIRRORED.get(act, act) if get_language_bidi() else act
    return keys.shown(keys.bindings(_preferences(context).keys)[act])


@register.simple_tag(takes_context=True)
def preference(context: Context, name: str) -> object:
    return getattr(_preferences(context), name)
