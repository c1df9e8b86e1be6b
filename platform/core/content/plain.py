"""Text that holds no Markdown: the same HTML as the parser's, many times sooner. Pure."""

import re

# Characters that may mean something to Markdown or to HTML wherever they stand, control
# characters, and the non-breaking space, which HTML writes as an entity.
_SPECIAL = re.compile(r"[\\`*_~\[\]<>&$|\x00-\x09\x0b-\x1f\x7f-\xa0]")
# A line that begins so could be a list, a heading, a rule, or underline a heading or a table.
_OPENING = frozenset("-+=#:")
_NUMBERED = re.compile(r"\d{1,9}[.)]")
_BLANK_LINES = re.compile(r"\n{2,}")


def render_plain(text: str) -> str | None:
    """The paragraphs of a text without anything special; None where the parser must look."""
    body = text.strip("\n")
    if not body or _SPECIAL.search(body) or not all(map(_is_plain, body.split("\n"))):
        return None
    lines = body.replace("\n", "<br>\n")
    if "<br>\n<br>" in lines:
        lines = _BLANK_LINES.sub('</p>\n<p dir="auto">', body).replace("\n", "<br>\n")
        lines = lines.replace("</p><br>\n<p", "</p>\n<p")
    return f'<p dir="auto">{lines}</p>\n'


def _is_plain(line: str) -> bool:
    """No white space at either end, and nothing at its beginning that Markdown knows."""
    if not line:
        return True
    first = line[0]
    if first in _OPENING or first.isspace() or line[-1].isspace():
        return False
    return not (first.isdigit() and _NUMBERED.match(line))
