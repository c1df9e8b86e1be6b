"""Factors and findings in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from .units import PEOPLE

Json = dict[str, Any]


def titles() -> dict[str, tuple[str, str]]:
    """By factor its name, and how it is counted."""
    return {
        "length": (_("Length"), _("logarithm of the characters")),
        "sentences": (_("Long sentences"), _("words per sentence")),
        "variety": (_("Variety of words"), _("different words in each 50")),
        "headings": (_("Headings"), _("how many, logarithm")),
        "lists": (_("Lists"), _("list items, logarithm")),
        "emphasis": (_("Bold"), _("bold spans, logarithm")),
        "code": (_("Code"), _("code spans and fences, logarithm")),
        "tables": (_("Tables"), _("table rows, logarithm")),
        "links": (_("Links and citations"), _("how many, logarithm")),
        "numbers": (_("Numbers"), _("per hundred words")),
        "hedging": (_("Hedging"), _("may, perhaps, it depends …: per hundred words")),
        "refusal": (_("Refusal"), _("declines to answer, or does not")),
        "apology": (_("Apology"), _("says sorry, or does not")),
        "agreement": (_("Agreeing with the user"), _("“great question”, “you are right” …")),
        "echo": (_("Repeating the prompt"), _("share of its word triples that the prompt has")),
        "questions": (_("Asking back"), _("question marks, logarithm")),
        "second person": (_("Speaks to “you”"), _("per hundred words")),
        "first person": (_("Speaks of “I”"), _("per hundred words")),
        "exclamation": (_("Exclamation marks"), _("how many, logarithm")),
        "foreign": (_("Another language"), _("than the prompt, or the same")),
        "shown first": (_("Shown first"), _("the place on the screen")),
    }


def title(key: str) -> str:
    return titles().get(key, (key, ""))[0]


def phrases() -> dict[str, tuple[str, str]]:
    """What is preferred with a positive and with a negative coefficient."""
    return {
        "length": (_("longer completions"), _("shorter completions")),
        "sentences": (_("longer sentences"), _("shorter sentences")),
        "variety": (_("varied words"), _("plain, repeated words")),
        "headings": (_("headings"), _("no headings")),
        "lists": (_("lists"), _("running text instead of lists")),
        "emphasis": (_("bold words"), _("no bold words")),
        "code": (_("code"), _("no code")),
        "tables": (_("tables"), _("no tables")),
        "links": (_("links and citations"), _("no links and citations")),
        "numbers": (_("numbers"), _("few numbers")),
        "hedging": (_("careful wording"), _("definite wording")),
        "refusal": (_("refusals"), _("answers, not refusals")),
        "apology": (_("apologies"), _("no apologies")),
        "agreement": (_("agreeing with the user"), _("no flattery")),
        "echo": (_("repeating the prompt"), _("not repeating the prompt")),
        "questions": (_("asking back"), _("not asking back")),
        "second person": (_("speaking to the reader"), _("not speaking to the reader")),
        "first person": (_("speaking of oneself"), _("not speaking of oneself")),
        "exclamation": (_("exclamation marks"), _("no exclamation marks")),
        "foreign": (_("another language than asked in"), _("the language that was asked in")),
        "shown first": (_("what is shown first"), _("what is shown last")),
    }


def phrase(key: str, value: float) -> str:
    """What a source prefers where this is the coefficient.

    >>> phrase("length", -0.4)
    'shorter completions'
    """
    more, less = phrases().get(key, (key, key))
    return more if value >= 0 else less


def source_title(names: Mapping[str, str], key: str) -> str:
    """A label source for people to read."""
    kind = key.split(":", 1)[0]
    name = names.get(key, "")
    if key == PEOPLE:
        return _("People")
    if kind == "cohort":
        return _("People of “%(name)s”") % {"name": name}
    if kind == "group":
        return _("Group %(name)s of people") % {"name": name}
    return name or key


def refusal(word: str) -> str:
    """Why nothing was fitted; blank where it was."""
    return {
        "few labels": _("Too few decided labels: 60 are the least."),
        "few instances": _("Labels on too few instances: 20 are the least."),
    }.get(word, "")


def principle_sentences(factors: Sequence[Sequence[Any]]) -> list[str]:
    """The strongest factors, the strongest first."""
    return [phrase(key, value) for key, value in factors]


def contrast_sentence(name: str, row: Json) -> str:
    """What a judge likes more, or less, than people do on the same pairs."""
    words = {"judge": name, "what": title(row["key"]).lower()}
    if row["value"] >= 0:
        return _("%(judge)s favours %(what)s more than people do") % words
    return _("%(judge)s favours %(what)s less than people do") % words
