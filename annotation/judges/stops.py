"""Why a run stopped: kept in English with the run, told in the language of whoever reads it."""

import re

from django.utils.translation import gettext, gettext_noop

REFUSED = gettext_noop("The endpoint refused %(calls)s calls in a row: %(error)s")
SILENT = gettext_noop("The endpoint gave no answer for %(seconds)s s: %(error)s")
TOLD_TO_WAIT = gettext_noop("The endpoint says to wait longer than this run does: %(error)s")
NOT_HANDED_IN = gettext_noop("The batch could not be handed in: %(error)s")
NOT_READ = gettext_noop("The batch cannot be read: %(error)s")
NOT_CANCELLED = gettext_noop("The provider goes on with a batch after the cancel: %(error)s")
# As the ledger refuses.
LACKS = gettext_noop(
    "The budget %(budget)s lacks %(missing)s %(currency)s for this: raise its limit or ask for "
    "fewer labels."
)
ALL = (REFUSED, SILENT, TOLD_TO_WAIT, NOT_HANDED_IN, NOT_READ, NOT_CANCELLED, LACKS)


def told(reason: str) -> str:
    """A stored reason in the language of the page; one that nobody foresaw stays as it is."""
    for words in ALL:
        if found := re.fullmatch(_pattern(words), reason, re.DOTALL):
            return gettext(words) % found.groupdict()
    return reason


def _pattern(words: str) -> str:
    """Finds what was put into the places `%(name)s`."""
    texts_and_names = re.split(r"%\((\w+)\)s", words)
    return "".join(
        f"(?P<{part}>.*)" if place % 2 else re.escape(part)
        for place, part in enumerate(texts_and_names)
    )
