"""Numbers in square brackets that point at the documents of an instance become links. Pure."""

import re

_NUMBERS = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d+")
_TAG = re.compile(r"(<[^>]*>)")
# In these an index or a label is no citation.
_APART = frozenset({"a", "code", "pre", "math"})


def link_citations(html: str, count: int, prefix: str = "document") -> str:
    """Sanitised `html` with `[2]` or `[1, 3]` linked to `#<prefix>-2`, for numbers 1 to `count`.

    The input must be well-formed, as `render_markdown` leaves it: no `>` stands in an attribute.
    """
    if not count or "[" not in html:
        return html
    depth, parts = 0, []
    for part in _TAG.split(html):
        if part.startswith("<"):
            depth += _step(part)
            parts.append(part)
        else:
            parts.append(part if depth else _linked(part, count, prefix))
    return "".join(parts)


def _step(tag: str) -> int:
    name = tag.strip("</>").split(maxsplit=1)[0] if tag.strip("</>") else ""
    if name not in _APART:
        return 0
    return -1 if tag.startswith("</") else 1


def _linked(text: str, count: int, prefix: str) -> str:
    def link(found: re.Match[str]) -> str:
        number = int(found[0])
        if not 1 <= number <= count:
            return found[0]
        return f'<a class="cite" href="#{prefix}-{number}">{found[0]}</a>'

    return _NUMBERS.sub(lambda whole: _NUMBER.sub(link, whole[0]), text)
