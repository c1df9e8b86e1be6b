"""Every text that people see is in the catalogues, and the catalogues are complete."""

import ast
import gettext
import re
from collections import Counter
from pathlib import Path

import pytest
from django.utils.translation import templatize

from tests.frontend.catalogues import LOCALES, Entry, entries

ROOT = Path(__file__).parents[2]
ROOMS = ("annotation", "frontend", "platform", "routing", "training")
LANGUAGES = ("de", "ar")
HINT = "run `make messages`, translate what is new, and run it again"
TAG = re.compile(r"%\(\w+\)[sdr]|%[sd%]|\{\w+\}|</?\w[^>]*>")
STRING = r"""[rbu]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
JOINED = rf"{STRING}(?:\s*{STRING})*"
NAMES = "gettext_noop|gettext_lazy|gettext|_"
PLURALS = "ngettext_lazy|ngettext"
CALL = re.compile(
    rf"(?<![\w.])(?:(?P<one>{NAMES})\(\s*(?P<text>{JOINED})\s*[,)]"
    rf"|(?P<many>{PLURALS})\(\s*(?P<first>{JOINED})\s*,"
    rf"|pgettext(?:_lazy)?\(\s*(?P<context>{JOINED})\s*,\s*(?P<inside>{JOINED})\s*[,)])"
)


def texts_of(code: str) -> set[str]:
    """The English texts of calls of gettext, as the compiled catalogue calls them."""
    found = set()
    for call in CALL.finditer(code):
        if call["inside"]:
            found.add(f"{_value(call['context'])}\x04{_value(call['inside'])}")
        else:
            found.add(_value(call["text"] or call["first"]))
    return found


def _value(literal: str) -> str:
    value = ast.literal_eval(f"({literal})")
    assert isinstance(value, str)
    return value


def sources() -> set[str]:
    found: set[str] = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            found |= texts_of(path.read_text(encoding="utf-8"))
    for path in (ROOT / "frontend" / "templates").rglob("*.html"):
        found |= texts_of(templatize(path.read_text(encoding="utf-8")))
    return found - {""}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_sources_is_in_the_catalogue(language: str) -> None:
    assert sources() == {entry.key for entry in entries(language)}, HINT


def test_the_search_for_texts_sees_what_gettext_sees() -> None:
    code = '_("plain") + gettext_lazy("two "\n  "lines") + other_("no") + x._("no")\n'
    code += 'ngettext("%d day", "%d days", n) + pgettext("of two", "better") + _(name)'
    assert texts_of(code) == {"plain", "two lines", "%d day", "of two\x04better"}
    counted = "{% blocktranslate count n=n %}{{ n }} x{% plural %}ys{% endblocktranslate %}"
    template = '{% translate "A" %}' + counted
    assert texts_of(templatize(template)) == {"A", "%(n)s x"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_is_complete(language: str) -> None:
    forms = {"de": 2, "ar": 6}[language]
    for entry in entries(language):
        assert "fuzzy" not in entry.flags, entry.source
        assert len(entry.texts) == (forms if entry.plural else 1), entry.source
        assert all(text.strip() for text in entry.texts), entry.source


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    """The one text that may leave its number out is a singular that says it in words."""
    for entry in entries(language):
        for text in entry.texts:
            assert _tags(text) == _tags(entry.plural or entry.source), entry.source


def _tags(text: str) -> Counter[str]:
    return Counter(TAG.findall(text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_says_the_same(language: str) -> None:
    path = LOCALES / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    expected: dict[str | tuple[str, int], str] = {}
    for entry in entries(language):
        expected |= _compiled(entry)
    assert {key: text for key, text in compiled.items() if key} == expected, HINT


def _compiled(entry: Entry) -> dict[str | tuple[str, int], str]:
    if not entry.plural:
        return {entry.key: entry.texts[0]}
    return {(entry.key, form): text for form, text in enumerate(entry.texts)}
