"""What a server says, made safe to print: names and errors may be anybody's."""

from __future__ import annotations

import unicodedata
from typing import Any

from rich.text import Text

# Control characters move the cursor, and those of direction turn a line around.
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
_JOINERS = "\n\t\u200c\u200d"


def plain(value: Any) -> str:
    r"""A text without characters that a terminal obeys instead of showing.

    >>> plain("a\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return "".join(
        each if each in _JOINERS or unicodedata.category(each) not in _UNSEEN else "\ufffd"
        for each in str(value)
    )


def cell(value: Any) -> Text:
    """The same for a table or a bar, where brackets would otherwise be markup."""
    return Text(plain(value))
