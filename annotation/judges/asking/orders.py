"""In which orders completions are shown. Pure.

Orders follow the texts, not the positions: a list imported with its completions exchanged is
shown in the same orders.
"""

from collections.abc import Sequence
from itertools import combinations

from core.hashing import content_hash

Order = tuple[int, ...]
BOTH: tuple[Order, ...] = ((0, 1), (1, 0))


def all_pairs(size: int) -> list[Order]:
    """Every pair of canonical positions in both orders: size · (size − 1) of them."""
    return [order for i, j in combinations(range(size), 2) for order in ((i, j), (j, i))]


def rankings(texts: Sequence[str], count: int, *, salt: str = "") -> list[Order]:
    """`count` balanced orders of the completions, the same for the same texts and salt.

    They are cyclic shifts of one shuffle, so that with as many orders as completions each is once
    in each place; with fewer the shifts lie apart; with more another shuffle begins. Two
    completions are shown in both orders.
    """
    size = len(texts)
    if size == 2:
        return list(BOTH)
    found: list[Order] = []
    for block in range(-(-count // size)):
        base = sorted(range(size), key=lambda i: (content_hash([salt, block, texts[i]]), i))
        here = min(size, count - len(found))
        shifts = [number * size // here for number in range(here)]
        found += [tuple(base[shift:] + base[:shift]) for shift in shifts]
    return found
