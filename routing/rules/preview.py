"""How many instances each rule would catch now: shown before rules are saved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from routing.live.work import waiting

from .matching import Rule
from .selectors import matched

# So many instances are looked at, newest first: the answer comes while somebody waits.
MOST = 100_000
NO_DATA = (InstanceState.GOLD, InstanceState.DROPPED)


@dataclass(frozen=True)
class Catch:
    """By rule how many of the `looked` instances it catches, and of those that wait undecided.

    The last entry of each counts what no rule catches. An instance counts at the first that fits.
    """

    everywhere: tuple[int, ...]
    waiting: tuple[int, ...]
    looked: int
    more: bool


def catch(project: Project, rules: Sequence[Rule]) -> Catch:
    """Counted over the newest `MOST` instances that are data. Two queries."""
    rows = Instance.objects.filter(project=project).exclude(state__in=NO_DATA).order_by("-pk")
    undecided = set(waiting(project).order_by("-pk").values_list("pk", flat=True)[:MOST])
    every: Counter[int] = Counter()
    open_: Counter[int] = Counter()
    looked = 0
    for pk, place in matched(rows[:MOST], rules):
        looked += 1
        at = len(rules) if place is None else place
        every[at] += 1
        open_[at] += pk in undecided
    places = range(len(rules) + 1)
    return Catch(
        tuple(every[at] for at in places),
        tuple(open_[at] for at in places),
        looked,
        looked == MOST and rows[MOST : MOST + 1].exists(),
    )
