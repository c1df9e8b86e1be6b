"""LaTeX in Markdown: four pairs of delimiters become MathML.

`$…$` and `\\(…\\)` are inline, `$$…$$` and `\\[…\\]` are displayed. A dollar sign opens a formula
only where no space follows it, and closes one only where no space precedes and no digit follows,
so that prices stay prices.
"""

import html
from functools import lru_cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

# Bounds (characters, lines) that also keep the search for a closing delimiter linear in the text.
LONGEST_FORMULA = 2_000
MOST_LINES = 60
# Longer delimiters first: `$$` must not be read as an empty `$…$`.
DELIMITERS = (("$$", "$$", True), ("\\[", "\\]", True), ("\\(", "\\)", False), ("$", "$", False))


@lru_cache(maxsize=1024)
def latex_to_mathml(latex: str, *, display: bool) -> str:
    """MathML of a formula; its source as code where it is too long or cannot be read."""
    source = latex.strip()
    if len(source) <= LONGEST_FORMULA:
        try:
            return str(convert(source, display="block" if display else "inline"))
        except Exception:  # noqa: BLE001, S110 - the converter fails in many ways on odd input
            pass
    return f'<code class="formula">{html.escape(source)}</code>'


def _closing(text: str, start: int, close: str) -> int:
    """Where the formula that begins at `start` ends; -1 where it does not."""
    limit = start + LONGEST_FORMULA
    end = text.find(close, start, limit)
    while end != -1 and text[end - 1] == "\\" and close.startswith("$"):
        end = text.find(close, end + 1, limit)
    if close == "$" and end != -1 and not _closes_inline(text, start, end):
        return -1
    return end


def _closes_inline(text: str, start: int, end: int) -> bool:
    after = text[end + 1 : end + 2]
    return (
        end > start
        and not text[start].isspace()
        and not text[end - 1].isspace()
        and not after.isdigit()
        and "\n\n" not in text[start:end]
    )


def _inline(state: StateInline, silent: bool) -> bool:
    for opening, close, display in DELIMITERS:
        if not state.src.startswith(opening, state.pos):
            continue
        start = state.pos + len(opening)
        end = _closing(state.src, start, close)
        if end == -1 or end > state.posMax or not state.src[start:end].strip():
            continue
        if not silent:
            token = state.push("math", "math", 0)
            token.content, token.meta = state.src[start:end], {"display": display}
        state.pos = end + len(close)
        return True
    return False


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A displayed formula that begins a line; it ends where its closing delimiter ends a line."""
    line = _line(state, first)
    pair = next((p for p in DELIMITERS if p[2] and line.startswith(p[0])), None)
    if pair is None or state.is_code_block(first):
        return False
    body: list[str] = []
    for number in range(first, min(last, first + MOST_LINES)):
        text = _line(state, number)[len(pair[0]) if number == first else 0 :]
        if text.endswith(pair[1]):
            return silent or _push_block(state, first, number, [*body, text[: -len(pair[1])]])
        if pair[1] in text:
            return False
        body.append(text)
    return False


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()


def _push_block(state: StateBlock, first: int, last: int, body: list[str]) -> bool:
    token = state.push("math", "math", 0)
    token.block, token.map = True, [first, last + 1]
    token.content, token.meta = "\n".join(body), {"display": True}
    state.line = last + 1
    return True


def add_mathematics(parser: MarkdownIt) -> None:
    """Teach `parser` the four pairs of delimiters."""
    # Before `escape`, which would take the backslash of `\(` and `\[`.
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before(
        "fence", "math", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )

    def render(self: RendererHTML, tokens: list, index: int, options: object, env: object) -> str:  # type: ignore[type-arg]
        token = tokens[index]
        return latex_to_mathml(token.content, display=bool(token.meta["display"]))

    parser.add_render_rule("math", render)
