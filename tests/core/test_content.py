"""Untrusted text becomes harmless, readable HTML, whatever it holds."""

import re
import time
from html.parser import HTMLParser

import pytest

from core.content import render_markdown
from core.content.markdown import LONGEST_MARKDOWN
from core.content.sanitise import MARKDOWN, MATHML

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](javascript:alert(1))",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "<javascript:alert(1)>",
    "<svg onload=alert(1)><script>1</script></svg>",
    "<iframe src=//example.org></iframe>",
    "<style>body{display:none}</style>",
    "<p style='position:fixed'>x</p>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style></mtext></math>",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\href{javascript:alert(1)}{x}$",
    '$\\class{x" onmouseover="alert(1)}{y}$',
    "$\\style{position:fixed}{y}$",
    '```"><script>alert(1)</script>\nx\n```',
    "```python onmouseover=alert(1)\nx = '<script>'\n```",
    "| a |\n|:-:|\n| <script>alert(1)</script> |",
    '[x](https://e.org "onmouseover=alert(1)")',
    "[x](//example.org/a)",
    "[x](/logout)",
    "<form action=/x><input name=a><button>go</button></form>",
    "<meta http-equiv=refresh content=0>",
    "<a href=https://e.org ping=//x>y</a>",
    "nul \0 and \ud800 surrogate",
]


class Elements(HTMLParser):
    """Collects what a browser would see as elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_leaves_only_allowed_elements(text: str) -> None:
    for tag, attributes in Elements(render_markdown(text)).found:
        assert tag in MARKDOWN | MATHML | {"div"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert re.match(r"https?://|mailto:|$", attributes.get("href") or "")


def test_raw_html_is_shown_as_text() -> None:
    assert "&lt;script&gt;" in render_markdown("<script>alert(1)</script>")


def test_nul_is_replaced() -> None:
    assert "\0" not in render_markdown("a\0b")


@pytest.mark.parametrize(
    "text",
    [
        "> " * 1000 + "deep",
        "- " * 1000 + "deep",
        "[" * 1000 + "x" + "](y)" * 1000,
        "*" * 1000 + "x" + "*" * 1000,
        "$" + "{" * 900 + "x" + "}" * 900 + "$",
        "$" + "\\frac{" * 300 + "x" + "}{y}" * 300 + "$",
        "`" * 5000,
        "$" * 5000,
        "\\(" * 3000,
        "<" * 5000,
    ],
)
def test_deep_and_repeated_input_ends_soon(text: str) -> None:
    started = time.process_time()
    assert render_markdown(text)
    assert time.process_time() - started < 5


def test_huge_text_is_shown_plain_and_escaped() -> None:
    html = render_markdown("<b>**x** " + "a" * LONGEST_MARKDOWN)
    assert html.startswith('<div class="plain" dir="auto" tabindex="0">&lt;b&gt;**x**')


def test_markdown_with_table_strikethrough_and_breaks() -> None:
    html = render_markdown("~~old~~ *new*\nline\n\n| n |\n|--:|\n| 1 |")
    assert "<s>old</s> <em>new</em><br>" in html
    assert ("td", {"align": "right", "dir": "auto"}) in Elements(html).found


def test_code_is_highlighted_by_class() -> None:
    html = render_markdown("```python\nimport heapq\n```")
    assert '<span class="kn">import</span>' in html
    assert "style=" not in html


@pytest.mark.parametrize(
    ("text", "display"),
    [("$x^2$", "inline"), ("\\(x^2\\)", "inline"), ("$$x^2$$", "block"), ("\\[x^2\\]", "block")],
)
def test_latex_becomes_mathml(text: str, display: str) -> None:
    html = render_markdown(f"before {text} after")
    assert f'<math display="{display}">' in html
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html


def test_a_displayed_formula_spans_lines() -> None:
    html = render_markdown("So:\n\n$$\na = b\n- c\n$$\n\nDone.")
    assert html.count("<math") == 1
    assert "<ul>" not in html
    assert "Done." in html


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "from $ 3 to $ 4", "\\$x\\$", "`$x$`"])
def test_prices_and_code_are_no_formulas(text: str) -> None:
    assert "<math" not in render_markdown(text)


def test_links_open_apart_and_carry_no_referrer() -> None:
    html = render_markdown("[x](https://example.org)")
    assert 'rel="noopener nofollow noreferrer"' in html
    assert 'target="_blank"' in html


def test_an_image_loads_only_on_a_click() -> None:
    html = render_markdown("![a cat](https://example.org/cat.png)")
    assert "<img" not in html
    assert 'class="load-image"' in html
    assert "Image: a cat" in html


def test_direction_is_found_by_the_browser() -> None:
    assert '<p dir="auto">مرحبا</p>' in render_markdown("مرحبا")
