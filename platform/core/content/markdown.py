"""Untrusted Markdown to HTML that a strict content security policy can show."""

import html
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from .cache import TextCache
from .mathematics import add_mathematics
from .plain import render_plain
from .sanitise import sanitise

log = structlog.get_logger("content")

# Beyond these sizes (characters) text is shown as it is: parsing it would hold up the page.
LONGEST_MARKDOWN = 100_000
LONGEST_CODE = 20_000
DIRECTED = {
    "paragraph_open",
    "heading_open",
    "blockquote_open",
    "list_item_open",
    "th_open",
    "td_open",
}
# What may be wider than its box scrolls by itself, also by keyboard.
SCROLLING = {"table_open", "code_block"}
_rendered = TextCache(most_characters=16_000_000)


def render_markdown(text: str) -> SafeString:
    """Sanitised HTML of Markdown with tables, strikethrough, code and LaTeX. Never raises.

    Raw HTML is shown as text, an image is a link that loads it on a click, and what cannot be
    rendered (or is longer than `LONGEST_MARKDOWN`) is shown as plain text.
    """
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(clean) > LONGEST_MARKDOWN:
        return _plain(clean)
    plain = render_plain(clean)
    if plain is not None:
        return mark_safe(plain)  # noqa: S308 - holds no character that HTML knows
    return mark_safe(_rendered.get(clean, _render))  # noqa: S308 - sanitised


def _render(clean: str) -> str:
    try:
        return sanitise(_PARSER.render(clean))
    except Exception:
        log.exception("markdown could not be rendered", characters=len(clean))
        return _plain(clean)


def _plain(text: str) -> SafeString:
    box = '<div class="plain" dir="auto" tabindex="0">'
    return mark_safe(f"{box}{html.escape(text)}</div>")  # noqa: S308 - escaped


def _highlight(code: str, language: str, attributes: str) -> str:
    return f'<pre tabindex="0"><code>{highlighted(code, language)}</code></pre>'


def highlighted(code: str, language: str) -> str:
    """Escaped code, with spans of Pygments' class names where the language is known."""
    if not language or len(code) > LONGEST_CODE:
        return html.escape(code)
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, _FORMATTER))


def _direct(state: StateCore) -> None:
    """Let each block find its own direction; alignment as an attribute, not as a style."""
    for token in state.tokens:
        if token.type in DIRECTED:
            token.attrSet("dir", "auto")
        if token.type in SCROLLING:
            token.attrSet("tabindex", "0")
        style = str(token.attrs.pop("style", ""))
        if style.startswith("text-align:"):
            token.attrSet("align", style.removeprefix("text-align:"))


def _image(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object
) -> str:
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    label = html.escape(token.content or "without a description")
    host = html.escape(host_of(source))
    return f'<a class="load-image" href="{html.escape(source)}">Image: {label} ({host})</a>'


def host_of(address: str) -> str:
    """Where a click would load from; "no address" where it leads nowhere."""
    try:
        return urlsplit(address).hostname or "no address"
    except ValueError:
        return "no address"


def _parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "highlight": _highlight}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    add_mathematics(parser)
    parser.core.ruler.push("direct", _direct)
    parser.add_render_rule("image", _image)
    return parser


_FORMATTER = HtmlFormatter(nowrap=True)
_PARSER = _parser()
