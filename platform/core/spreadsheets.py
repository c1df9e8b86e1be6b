"""Texts of people in files that a spreadsheet opens."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_text(text: str) -> str:
    """A text that no spreadsheet runs: one that a formula could start with gets a leading '.

    >>> as_text("=1+1"), as_text("p-01ab")
    ("'=1+1", 'p-01ab')
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
