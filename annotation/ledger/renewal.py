"""Budgets that begin anew: whoever keeps them says in which of them a new label is held."""

from collections.abc import Callable, Sequence

from .several import Hold

# (project's id, whether experts are asked, holds like those of an earlier label) -> holds now
Renew = Callable[[int, bool, Sequence[Hold]], list[Hold]]
_keepers: list[Renew] = []


def register(renew: Renew) -> None:
    """To be called once, when the application starts."""
    if renew not in _keepers:
        _keepers.append(renew)


def renewed(project_id: int, expert: bool, holds: Sequence[Hold]) -> list[Hold]:
    """The holds in the budgets that count now, where those of the earlier label are over."""
    now = list(holds)
    for renew in _keepers:
        now = renew(project_id, expert, now)
    return now
