"""Filters of the workbench: answers in words."""

import math
from collections.abc import Sequence
from typing import Any

from django import template
from django.template.context import Context
from django.utils.translation import gettext as _

from annotation.judges.models import Judge
from annotation.judges.workbench.comparing import TIE
from annotation.judges.workbench.stale import stale
from frontend.numbers import local

register = template.Library()


@register.filter
def answer_word(answer: int) -> str:
    """An answer about a pair of completions in words."""
    return _("tie") if answer == TIE else _("completion %d") % (answer + 1)


@register.filter
def ranking_word(ranking: Sequence[int], shown: Sequence[int]) -> str:
    """The best of the completions shown, by canonical number; a dash without a verdict."""
    if not ranking:
        return "–"
    places = sorted(shown) if shown else list(range(len(ranking)))
    best = [place + 1 for place, rank in zip(places, ranking, strict=False) if rank == 1]
    if len(best) > 1:
        return _("tie")
    return _("completion %d") % best[0]


@register.filter
def signed_points(value: float) -> str:
    """A difference of shares in points, with a sign and a real minus; a dash for none."""
    if math.isnan(value):
        return "–"
    return local(f"{100 * value:+.1f}").replace("-", "\N{MINUS SIGN}")


@register.filter
def injection_kind(kind: str) -> str:
    """A kind of injection in words."""
    words = {
        "all": _("all injections"),
        "plain order": _("a plain order"),
        "fake verdict": _("a made-up verdict"),
        "closing tag": _("a tag of the frame"),
        "role marker": _("a marker of another role"),
        "authority": _("somebody in charge"),
        "pressure": _("threats and rewards"),
        "other language": _("another language"),
        "hidden": _("hidden or encoded text"),
        "control": _("harmless text"),
    }
    return words.get(kind, kind)


@register.filter
def probability(p: float) -> str:
    """A probability of a test; a tiny one is not zero."""
    return "p < 0.001" if p < 0.001 else f"p = {local(f'{p:.3f}')}"


@register.inclusion_tag("workbench/_stale.html", takes_context=True)
def stale_labels(context: Context, judge: Judge | None = None) -> dict[str, Any]:
    """Judges whose labels were made under an older guideline; one of them, or all."""
    project = context["project"]
    rows = [row for row in stale(project) if judge is None or row.judge == judge]
    return {"project": project, "stale": rows, "may_ask_again": context["may"]["train"]}
