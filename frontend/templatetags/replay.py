"""What a replay's figures say, in templates."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import ngettext

from frontend.numbers import local
from frontend.replay_words import verdict_of
from frontend.replays import name_of

register = template.Library()


@register.filter
def verdict(figures: Mapping[str, Any] | None) -> str:
    """Whether routing helps; blank where there are no figures."""
    return verdict_of(figures, name_of) if figures else ""


@register.filter
def prompts(figures: Mapping[str, Any]) -> str:
    """How many prompts the labels that were scored rest on."""
    count = figures["prompts"]
    shown = {"count": local(f"{count:,}")}
    return ngettext("%(count)s prompt", "%(count)s prompts", count) % shown
