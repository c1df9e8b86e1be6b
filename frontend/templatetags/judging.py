"""Filters of the pages about judges: calls and failures in words."""

import math
from itertools import pairwise
from typing import Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from annotation.judges import failures, snapshots, stops
from annotation.judges.models import Judge, JudgeCall, Provider
from annotation.tagging.runs import TAGS
from frontend.judges.asking import SELECTIONS

register = template.Library()
MOST_TOKENS = 8
# A token may differ from another in its white space alone.
SPACE, NEWLINE = "\N{OPEN BOX}", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
PROVIDERS = {
    Provider.RECORDED: _l("recorded labels"),
    Provider.OPENAI: _l("chat completions"),
    Provider.ANTHROPIC: _l("Anthropic"),
    Provider.LOCAL: _l("model on a worker"),
    Provider.REWARD: _l("reward model"),
    Provider.VERIFIER: _l("check by program"),
}


@register.filter
def provider_name(provider: str) -> Any:
    """Where the answers of a judge come from."""
    return PROVIDERS.get(Provider(provider))


@register.filter
def is_pinned(judge: Judge) -> bool:
    """Its model's name stands for one model for good."""
    return snapshots.pinned(judge.provider, judge.model)


@register.filter
def samples_as_recorded(judge: Judge) -> bool:
    """Its temperature is known."""
    return snapshots.sampling_known(judge.provider, judge.parameters)


@register.filter
def failure_words(failure: str) -> failures.Words:
    """What a failure means and what to do about it."""
    return failures.words_of(failure)


@register.filter
def told(reason: str) -> str:
    """Why a run stopped, in the reader's language."""
    return stops.told(reason)


@register.filter
def call_charge(state: str) -> Any:
    """Whether a call in this state costs money."""
    return failures.charge_of(state)


@register.filter
def call_answer(call: JudgeCall) -> str:
    """What one reply says, by completion number: `2 is better`, `2 > 1 = 3`, `1: 3, 2: 4`."""
    shown = sorted(call.shown_order) or list(range(len(call.ranking)))
    if call.scores:
        given = zip(shown, call.scores, strict=False)
        return ", ".join(
            f"{place + 1}: {'–' if score is None else f'{score:g}'}" for place, score in given
        )
    if not call.ranking:
        return "–"
    if len(set(call.ranking)) == 1:
        return _("tie")
    if len(call.ranking) == 2:
        return _("%(name)s is better") % {"name": shown[call.ranking.index(1)] + 1}
    placed = sorted(zip(call.ranking, shown, strict=False))
    text = str(placed[0][1] + 1)
    for (rank, _place), (after, place) in pairwise(placed):
        text += f" {'=' if rank == after else '>'} {place + 1}"
    return text


@register.filter
def call_tokens(call: JudgeCall) -> list[tuple[str, float, float]]:
    """(token, log-probability in nats, probability) of the alternatives, likeliest first."""
    known = [
        (str(entry.get("token", "")), float(entry["logprob"]))
        for entry in call.logprobs or []
        if isinstance(entry.get("logprob"), (int, float))
    ]
    known.sort(key=lambda pair: -pair[1])
    return [
        (token.replace(" ", SPACE).replace("\n", NEWLINE), value, math.exp(min(0.0, value)))
        for token, value in known[:MOST_TOKENS]
    ]


@register.filter
def run_class(state: str) -> str:
    """The colour of a run's state."""
    return {
        "running": "accent live",
        "finished": "good",
        "stopped": "warn",
        "cancelled": "warn",
        "failed": "bad",
    }.get(state, "")


@register.filter
def selection_words(selection: dict[str, Any]) -> str:
    """Which instances a run asks about."""
    if selection.get("of") == TAGS:
        return _("one of each prompt, for its tags")
    words = str(SELECTIONS.get(selection.get("of", ""), _("a list of instances")))
    if tag := selection.get("tag"):
        words = _("those with the tag %(tag)s") % {"tag": tag}
    if most := selection.get("most"):
        words = _("%(words)s, %(most)s at most") % {"words": words, "most": most}
    return words


@register.filter
def price_of(judge: Judge, name: str) -> str:
    """A price of the judge as it is entered, all its digits; blank where nobody knows it."""
    return (
        f"{getattr(judge, name) / 1_000_000:.6f}".rstrip("0").rstrip(".")
        if judge.price_known
        else ""
    )
