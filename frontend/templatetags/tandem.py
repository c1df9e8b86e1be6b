"""Filters of the templates: rendering and units, no rules."""

import json
from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.instances.content import text_of
from annotation.labels.models import Annotation
from core.content import render_markdown
from frontend import naming
from frontend.numbers import local
from frontend.spoken import spoken

register = template.Library()
MINUS = "\N{MINUS SIGN}"
# Characters of a manifest shown on a page; the file itself is complete.
LONGEST_MANIFEST = 6000


@register.filter
def markdown(text: str) -> SafeString:
    """Untrusted Markdown as sanitised HTML."""
    return render_markdown(text or "")


@register.filter
def named(word: str) -> str:
    """A state, role or other word that the database keeps in English, in one's language."""
    return naming.named(str(word))


@register.filter
def money(micros: int | None) -> str:
    """Millionths of the currency unit as an amount; small ones keep their cents."""
    if micros is None:
        return "–"
    units = micros / 1_000_000
    if units and abs(units) < 0.01:
        return local(f"{units:.4f}")
    return local(f"{units:,.2f}" if abs(units) < 1000 else f"{units:,.0f}")


@register.filter
def percent(share: float | str | None, digits: int = 0) -> str:
    """A share between 0 and 1 in per cent; a dash where there is none."""
    return local(f"{100 * share:.{digits}f} %") if isinstance(share, int | float) else "–"


@register.filter
def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many digits, and a real minus where it is negative."""
    # `z`: what rounds to nothing has no sign.
    return "–" if value is None else local(f"{value:z.{digits}f}").replace("-", MINUS)


@register.filter
def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign, with a real minus."""
    if value is None:
        return "–"
    return local(f"{value:+z.{digits}f}").replace("-", MINUS)


@register.filter
def seconds(value: float | None) -> str:
    """A duration for people: `8 s`, `2 min 14 s`, `1 h 5 min`."""
    if value is None:
        return "–"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


@register.filter
def file_size(count: int | None) -> str:
    """Bytes for people, in powers of 1000."""
    value = float(count or 0)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else local(f"{value:.1f} {unit}")
        value /= 1000
    return local(f"{value:.1f} GB")


@register.filter
def state_class(state: str) -> str:
    """The colour of a job's state."""
    return {
        "succeeded": "good",
        "failed": "bad",
        "cancelled": "warn",
        "running": "accent live",
        "leased": "accent live",
    }.get(state, "")


@register.filter
def get(mapping: dict[str, Any] | None, key: str) -> Any:
    """The value of a key that a dot cannot reach."""
    return (mapping or {}).get(key)


@register.filter
def last_turn(messages: list[dict[str, Any]]) -> str:
    """The beginning of the last turn of a prompt."""
    return text_of(messages[-1]["content"])[:160] if messages else ""


@register.filter
def shown_answer(annotation: Annotation) -> str:
    """A label in the letters its annotator saw; numbers of completions where that is unknown."""
    return spoken(annotation)


@register.filter
def canonical_answer(annotation: Annotation) -> str:
    """A label by completion number, for those who see both."""
    return spoken(annotation, canonical=True)


@register.filter
def one_based(positions: list[int]) -> str:
    """Canonical positions as completion numbers in the order shown."""
    return ", ".join(str(position + 1) for position in positions)


@register.filter
def points(share: float) -> str:
    """A share as per cent without its sign, for intervals."""
    return local(f"{100 * share:.1f}")


@register.filter
def per_hundred(gain: float) -> str:
    """A gain in accuracy per instance as points per hundred instances."""
    return signed(gain * 100 * 100, 2)


@register.filter
def span(interval: list[float]) -> str:
    """A [low, high] interval of shares in per cent, without signs."""
    return local(f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}")


@register.filter
def figure(value: Any) -> str:
    """A figure of a report: a number, an interval, or words."""
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        return str(value) if value is not None else "–"
    if isinstance(value, list):
        return " – ".join(figure(part) for part in value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}".replace("-", MINUS)
    return local(text)


@register.filter
def counts(values: dict[str, int] | None) -> str:
    """`{"train": 380, "test": 95}` as `380 train · 95 test`."""
    pairs = (values or {}).items()
    return " · ".join(f"{local(f'{count:,}')} {naming.named(name)}" for name, count in pairs)


@register.filter
def pretty(value: Any) -> str:
    """Indented JSON; a long list of held-out prompts is cut."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return text if len(text) < LONGEST_MANIFEST else f"{text[:LONGEST_MANIFEST]}\n… (cut here)"


@register.filter
def step_class(state: str) -> str:
    """The look of a stage."""
    return {"done": "done", "current": "now", "waiting": "now", "to come": ""}.get(state, "failed")


@register.filter
def outcome(values: dict[str, Any]) -> str:
    """The plain figures of a stage's outcome in one line; a hash by its first characters."""
    plain = [
        f"{name.replace('_', ' ')} {figure(value)[:24]}"
        for name, value in values.items()
        if isinstance(value, int | float | str) and name not in {"seconds", "text", "layout"}
    ]
    return " · ".join(plain[:6])


@register.filter
def answer_name(word: str) -> str:
    """An answer of a distribution in words; scores stay numbers."""
    names = {
        "first": _("completion 1"),
        "second": _("completion 2"),
        "ranked": _("ranked"),
        "tie": _("tie"),
        "both good": _("both good"),
        "both bad": _("both bad"),
        "cannot judge": _("cannot judge"),
    }
    return names.get(word, word)
