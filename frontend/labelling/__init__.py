"""Between the labelling form and the answers of `annotation.labels`: shown places and letters on
one side, canonical positions on the other. Pure but for the rows it reads.
"""

from .form import SlotForm, slot_form
from .keys import KeyRow, flag_kinds, key_rows
from .reading import Shown, Submitted, read_draft, read_key, read_order, read_seconds, read_submit
from .standing import reason_of, shown_to

__all__ = [
    "KeyRow",
    "Shown",
    "SlotForm",
    "Submitted",
    "flag_kinds",
    "key_rows",
    "read_draft",
    "read_key",
    "read_order",
    "read_seconds",
    "read_submit",
    "reason_of",
    "shown_to",
    "slot_form",
]
