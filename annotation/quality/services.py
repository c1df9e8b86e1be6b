"""What can be done about quality; the acts stand beside it, by noun."""

from .exclusion import exclude, include
from .gold import accept_also, make_gold, promote, question_gold, retire_gold
from .qualification import admit, decide
from .relabelling import request_relabel
from .reviewing import accept_majority, place_for, remark, submit_review

__all__ = [
    "accept_also",
    "accept_majority",
    "admit",
    "decide",
    "exclude",
    "include",
    "make_gold",
    "place_for",
    "promote",
    "question_gold",
    "remark",
    "request_relabel",
    "retire_gold",
    "submit_review",
]
