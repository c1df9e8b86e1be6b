"""Figures and dates follow the language of the page."""

from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.utils import translation

from frontend.naming import named
from frontend.numbers import local
from frontend.templatetags.tandem import money, percent, signed, span

PAGE = Template(
    '{% load humanize %}{{ n|intcomma }} {{ x|floatformat:1 }} {{ day|date:"DATE_FORMAT" }}'
)
DAY = datetime(2026, 2, 3, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ["1,234.5", "1,234", "50.0 %", "+1.25", "10.0–20.5"]),
        ("de", ["1.234,5", "1.234", "50,0 %", "+1,25", "10,0–20,5"]),
    ],
)
def test_figures_have_the_separators_of_the_language(language: str, shown: list[str]) -> None:
    with translation.override(language):
        found = [local("1,234.5"), money(1_234_000_000), percent(0.5, 1), signed(1.25)]
        assert [*found, span([0.1, 0.205])] == shown


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", "12,345 2.5 3 Feb 2026"),
        ("de", "12.345 2,5 3. Februar 2026"),
        ("ar", "12.345 2,5 3 فبراير 2026"),
    ],
)
def test_templates_write_numbers_and_dates_in_the_language(language: str, shown: str) -> None:
    with translation.override(language):
        assert PAGE.render(Context({"n": 12345, "x": 2.5, "day": DAY})) == shown


def test_only_known_words_are_translated() -> None:
    with translation.override("de"):
        assert named("queued") == "wartet"
        assert named("Save") == "Save"
        assert named("") == ""
