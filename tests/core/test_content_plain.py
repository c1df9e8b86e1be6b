"""The short way of plain text, the cache, and citations: the same HTML, sooner."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.content.cache import TextCache
from core.content.citations import link_citations
from core.content.markdown import _PARSER, render_markdown
from core.content.plain import render_plain
from core.content.sanitise import sanitise

NEAR_MARKDOWN = (
    "ab Z09 \n\n.,;:-+=#()!?'\"/^{}%@é\u00df\u200b\u202e\u2028\u3000م\U0001f600\t\r\x85\xa0"
)
MARKDOWN = NEAR_MARKDOWN + "*_`~[]<>&$|\\"


@settings(max_examples=1500, deadline=None)
@given(st.text(alphabet=MARKDOWN, max_size=40) | st.text(alphabet=NEAR_MARKDOWN, max_size=60))
@example("a\n\n\nb")
@example("1) a")
@example("a\n---")
@example("a \nb")
@example("\n a")
def test_the_short_way_gives_the_html_of_the_parser(text: str) -> None:
    short = render_plain(text)
    if short is not None:
        assert short == sanitise(_PARSER.render(text))


def test_ordinary_prose_takes_the_short_way() -> None:
    text = "She said: \"It's 3.5 km (about 2 miles); isn't it?\"\nYes - 100% sure.\n\nمرحبا، 2024."
    assert render_plain(text) is not None


@pytest.mark.parametrize(
    "text", ["*a*", "a_b_", "1. a", "- a", "# a", "a & b", "a < b", "$x$", "a|b"]
)
def test_what_may_be_markdown_goes_to_the_parser(text: str) -> None:
    assert render_plain(text) is None


def test_the_cache_forgets_the_oldest_beyond_its_size() -> None:
    cache = TextCache(most_characters=10)
    asked: list[str] = []

    def render(text: str) -> str:
        asked.append(text)
        return text * 4

    for text in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(text, render) == text * 4
    assert asked == ["a", "b", "c", "b"]
    assert cache.characters <= 10


def test_a_cached_text_reads_the_same() -> None:
    text = "**cached** text " * 20
    assert render_markdown(text) == render_markdown(text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("see [1] and [2]", [1, 2]),
        ("see [1, 2]", [1, 2]),
        ("see [3] and [0] and [01x]", []),
        ("`a[1]` and [1](https://example.org)", []),
        ("```\na[1]\n```\n\nthen [2]", [2]),
        ("| a |\n|---|\n| [1] |", [1]),
    ],
)
def test_numbers_of_documents_become_links(text: str, numbers: list[int]) -> None:
    html = link_citations(render_markdown(text), 2)
    assert [int(n) for n in re.findall(r'href="#document-(\d+)"', html)] == numbers


def test_without_documents_nothing_is_linked() -> None:
    assert link_citations(render_markdown("see [1]"), 0) == render_markdown("see [1]")


def test_tables_code_and_formulas_can_be_scrolled_by_keyboard() -> None:
    html = render_markdown("| a |\n|---|\n| b |\n\n```\nx\n```\n\n    y")
    assert '<table tabindex="0">' in html
    assert html.count('<pre tabindex="0">') == 2


def test_each_cell_and_heading_finds_its_own_direction() -> None:
    html = render_markdown("# عنوان\n\n| عربي | b |\n|---|---|\n| خلية | c |")
    assert html.count('dir="auto"') == 5
