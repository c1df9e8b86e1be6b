"""Text that holds no Markdown: the same HTML as the parser's, some twenty times sooner. Pure."""

import re

# Characters that may mean something to Markdown or to HTML wherever they stand, control
# characters, and the non-breaking space, which HTML writes as an entity.
_ANYWHERE = r"[\\`*_~\[\]<>&$|\x00-\x09\x0b-\x1f\x7f-\xa0]"
# A line that could be a heading, a list, a rule or the underline of a heading or a table, or that
# has white space at either end (`\s`: whatever Python strips).
_BY_LINE = r"^[-+=#:]|^\d{1,9}[.)]|^\s|[^\S\n]$"
_SPECIAL = re.compile(f"{_ANYWHERE}|{_BY_LINE}", re.M)
_BLANK_LINES = re.compile(r"\n{2,}")


def render_plain(text: str) -> str | None:
    """The paragraphs of a text without anything special; None where the parser must look."""
    body = text.strip("\n")
    if not body or _SPECIAL.search(_BLANK_LINES.sub("\n", body)):
        return None
    paragraphs = _BLANK_LINES.split(body)
    return "".join(
        f'<p dir="auto">{each.replace(chr(10), "<br>" + chr(10))}</p>\n' for each in paragraphs
    )
