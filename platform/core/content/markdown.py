"""Untrusted Markdown to HTML that a strict content security policy can show."""

import html
from collections.abc import Sequence

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

from .mathematics import add_mathematics
from .sanitise import sanitise

log = structlog.get_logger("content")

# Beyond these sizes (characters) text is shown as it is: parsing it would hold up the page.
LONGEST_MARKDOWN = 100_000
LONGEST_CODE = 20_000
DIRECTED = {"paragraph_open", "heading_open", "blockquote_open", "list_item_open", "td_open"}


def render_markdown(text: str) -> SafeString:
    """Sanitised HTML of Markdown with tables, strikethrough, code and LaTeX. Never raises.

    Raw HTML is shown as text, an image is a link that loads it on a click, and what cannot be
    rendered (or is longer than `LONGEST_MARKDOWN`) is shown as plain text.
    """
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(clean) > LONGEST_MARKDOWN:
        return _plain(clean)
    try:
        return mark_safe(sanitise(_PARSER.render(clean)))  # noqa: S308 - sanitised
    except Exception:
        log.exception("markdown could not be rendered", characters=len(clean))
        return _plain(clean)


def _plain(text: str) -> SafeString:
    return mark_safe(f'<div class="plain" dir="auto">{html.escape(text)}</div>')  # noqa: S308


def _highlight(code: str, language: str, attributes: str) -> str:
    """Spans with Pygments' class names; an empty string lets the parser escape the code itself."""
    if not language or len(code) > LONGEST_CODE:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _direct(state: StateCore) -> None:
    """Let each block find its own direction; alignment as an attribute, not as a style."""
    for token in state.tokens:
        if token.type in DIRECTED:
            token.attrSet("dir", "auto")
        style = str(token.attrs.pop("style", ""))
        if style.startswith("text-align:"):
            token.attrSet("align", style.removeprefix("text-align:"))


def _image(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object
) -> str:
    token = tokens[index]
    source = html.escape(str(token.attrGet("src") or ""))
    label = html.escape(token.content or "without a description")
    return f'<a class="load-image" href="{source}">Image: {label}</a>'


def _parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "highlight": _highlight}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    add_mathematics(parser)
    parser.core.ruler.push("direct", _direct)
    parser.add_render_rule("image", _image)
    return parser


_PARSER = _parser()
