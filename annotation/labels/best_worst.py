"""Best–worst scaling: of many completions, only the best and worst of small groups are chosen.

Kiritchenko & Mohammad (2017): groups of four in which every completion comes up equally often; its
score is how often it was best minus how often it was worst. Pure.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import Any

from django.utils.translation import gettext as _

from annotation.instances.content import competition_ranks
from core.exceptions import InvalidInput
from core.hashing import unit_interval

GROUP = 4
# A completion comes up at least so often.
TIMES = 2
FEWEST = 6


def draw_groups(count: int, *seed: object) -> list[list[int]]:
    """Groups of four positions, every position in two of them or more; the same for a seed.

    With 6 to 9 completions that is 3 to 5 groups.
    """
    number = ceil(count * TIMES / GROUP)
    uses: Counter[int] = Counter(dict.fromkeys(range(count), 0))
    groups = []
    for group in range(number):
        order = sorted(
            range(count),
            key=lambda position: (uses[position], unit_interval(*seed, group, position)),
        )
        chosen = order[:GROUP]
        uses.update(chosen)
        groups.append(sorted(chosen, key=lambda position: unit_interval(*seed, "place", position)))
    return groups


def ranking_of(choices: Any, groups: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """The ranking by best minus worst, and the positions that share a rank, sorted.

    `choices` is `[{"shown": group, "best": position, "worst": position}, …]`, one per group.

    Raises:
        InvalidInput: a group is not answered, or its best is its worst.
    """
    given = choices if isinstance(choices, list) else []
    if [each.get("shown") for each in given if isinstance(each, dict)] != [list(g) for g in groups]:
        raise InvalidInput(_("Choose the best and the worst of every group."))
    count = 1 + max(position for group in groups for position in group)
    score = [0] * count
    for choice in given:
        best, worst = choice.get("best"), choice.get("worst")
        if best not in choice["shown"] or worst not in choice["shown"] or best == worst:
            raise InvalidInput(_("Choose a best and another worst in every group."))
        score[best] -= 1
        score[worst] += 1
    ranking = competition_ranks(score)
    shared = Counter(ranking)
    return ranking, [place for place, rank in enumerate(ranking) if shared[rank] > 1]
