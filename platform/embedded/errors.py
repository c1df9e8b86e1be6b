"""The one error of this package: a line for the terminal that says what to do."""

from __future__ import annotations


class EmbeddedError(Exception):
    """Something outside the program is not as it must be; the text is shown without a traceback."""
