"""What a project spends under its allowances: the door to what stands beside it."""

from .purchases import (
    ONE,
    Left,
    Purchase,
    affordable,
    covers,
    free,
    left_in,
    release_purchases,
    reserve_purchases,
)
from .purses import close_purse, purse

__all__ = [
    "ONE",
    "Left",
    "Purchase",
    "affordable",
    "close_purse",
    "covers",
    "free",
    "left_in",
    "purse",
    "release_purchases",
    "reserve_purchases",
]
