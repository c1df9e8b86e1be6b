"""Texts of people in files that a spreadsheet opens."""

import re

MARK = "'"
# Every CSV of rows ends with this column: it tells a reader to take the marks away again.
ESCAPE_COLUMN = "formula_escape"
# What gets a mark: a formula, and a text that would look like a marked one.
ESCAPED = r"^'*[=+\-@\t\r\n]"
_ESCAPED, _MARKED = re.compile(ESCAPED), re.compile(r"'+[=+\-@\t\r\n]")


def as_text(text: str) -> str:
    """A text that no spreadsheet runs: one that a formula could start with gets a leading '.

    >>> as_text("=1+1"), as_text("p-01ab"), as_text("'=1")
    ("'=1+1", 'p-01ab', "''=1")
    """
    return MARK + text if _ESCAPED.match(text) else text


def as_written(cell: str) -> str:
    """The text that `as_text` made a cell of.

    >>> as_written("'=1+1"), as_written("'quoted'"), as_written("''=1")
    ('=1+1', "'quoted'", "'=1")
    """
    return cell[1:] if _MARKED.match(cell) else cell
