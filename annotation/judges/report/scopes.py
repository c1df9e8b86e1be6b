"""Agreement of a judge with people, in two scopes that must not be mixed. Pure.

*All dual-labelled*: every pair that has both, however it came to have both. It describes the labels
at hand; where a router chose who labels what, it says nothing about the others.
*A-report*: the half of the randomly drawn audit arm on which nothing is ever fitted, tuned or
selected. It speaks for the whole project, with an interval.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import comb
from typing import Any

import numpy as np

from annotation.quality.agreement import FEW_PROMPTS, cohen_kappa, krippendorff
from core.exceptions import InvalidInput

from .ppi import Powered, powered_mean, weighted_mean
from .units import Effect, Reply, Unit, listed, share, side_of

ANSWERS = (1, -1, 0)
# The judge has labelled so much of a project that what is missing cannot matter.
WHOLE = 0.99
# Below it a label stands for two instances and more.
RARE = 0.5


def descriptive(units: Sequence[Unit]) -> dict[str, Any]:
    """All dual-labelled: the verdicts after both orders, and each reply on its own.

    `verdicts` and `replies` have the same keys; `people` is how people agree with each other on
    the same pairs; `longest` is what always naming the longer completion would reach.
    """
    both = [unit for unit in units if unit.people]
    return {
        "verdicts": _compared([(unit, unit.side) for unit in both]),
        "replies": _compared([(unit, reply.side) for unit in both for reply in unit.replies]),
        "people": among_people([unit.people for unit in both]),
        "longest": longest((unit.prompt, unit.lengths, unit.plurality) for unit in both),
        "pairs": len(both),
        "prompts": len({unit.prompt for unit in both}),
    }


def _compared(said: Sequence[tuple[Unit, int]]) -> dict[str, Any]:
    """One side per row against the plurality of the people, and against each of them alone."""
    decided = [(unit, side, truth) for unit, side in said if (truth := unit.plurality) is not None]
    strict = [row for row in decided if 0 not in row[1:]]
    alone = [
        (unit.prompt, float(side == theirs))
        for unit, side in said
        for theirs in map(side_of, unit.people)
        if 0 not in {side, theirs}
    ]
    return {
        "exact": share((unit.prompt, float(side == truth)) for unit, side, truth in decided),
        "strict": share((unit.prompt, float(side == truth)) for unit, side, truth in strict),
        "alone": share(alone),
        "kappa": cohen_kappa([side for _, side, _ in decided], [truth for *_, truth in decided]),
        "ties": share((unit.prompt, float(side == 0)) for unit, side in said),
        "confusion": _confusion(decided),
        "against": listed(unit.instance for unit, side, truth in strict if side != truth),
    }


def _confusion(decided: Iterable[tuple[Unit, int, int]]) -> list[dict[str, Any]]:
    """A cell per (people, judge): how many, and the instances behind it."""
    cells: dict[tuple[int, int], list[int]] = {key: [] for key in product(ANSWERS, ANSWERS)}
    for unit, side, truth in decided:
        cells[truth, side].append(unit.instance)
    return [
        {"people": truth, "judge": side, "count": len(found), "behind": listed(found)}
        for (truth, side), found in cells.items()
    ]


def among_people(given: Sequence[Sequence[float]]) -> dict[str, Any]:
    """How often two people say the same of one pair: exactly, and where neither says tie."""
    counts = [Counter(map(side_of, shares)) for shares in given]
    votes = sum(comb(count.total(), 2) for count in counts)
    same = sum(comb(n, 2) for count in counts for n in count.values())
    sided = [Counter({side: n for side, n in count.items() if side}) for count in counts]
    strict = sum(comb(count.total(), 2) for count in sided)
    agreed = sum(comb(n, 2) for count in sided for n in count.values())
    codes = [[side_of(share) + 1 for share in shares] for shares in given]
    return {
        "exact": same / votes if votes else None,
        "strict": agreed / strict if strict else None,
        "votes": votes,
        "strict_votes": strict,
        "alpha": krippendorff(codes),
        "labels": sum(count.total() for count in counts),
    }


def longest(rows: Iterable[tuple[str, tuple[int, int], int | None]]) -> Effect | None:
    """How often people prefer the longer completion, where they prefer one.

    Args:
        rows: (prompt, lengths of both, what most people said).
    """
    return share(
        (prompt, float((side == 1) == (first > second)))
        for prompt, (first, second), side in rows
        if side and first != second
    )


@dataclass(frozen=True)
class Inferred:
    """Agreement on A-report. `few_prompts`: under 20, the interval says little.

    `plain`: from the human labels alone. `powered`: with the judge's calibrated confidence on
    pairs without one (PPI++). `routed`: all labels, also routed ones, by their propensities; None
    with `why_not` where that cannot be had. `against`: A-report's own disagreements. `missing`: its
    pairs without people's answer (not labelled yet, skipped, expired); `split`: people are even.
    """

    plain: Powered | None
    powered: Powered | None
    routed: Powered | None
    why_not: str
    against: tuple[int, ...]
    missing: int = 0
    split: int = 0

    @property
    def few_prompts(self) -> bool:
        return self.plain is None or self.plain.prompts < 20


def inferential(
    units: Sequence[Unit], confidence: Mapping[Unit, float], *, coverage: float
) -> Inferred:
    """Agreement with people beyond the labels at hand, from prompts of the reporting half alone.

    y = 1 where the plurality of the people is the judge's verdict; f = the judge's calibrated
    confidence. Calibration stands on the other half of the prompts, so f knows nothing of y.

    Args:
        units: everything this judge decided; confidence: f of each.
        coverage: share of the assigned instances that this judge decided. Unlabelled pairs count
            only where it is (nearly) all of them: else a router chose which ones there are.
    """
    mine = [unit for unit in units if unit.reporting]
    audited = [unit for unit in mine if unit.audit]
    known = [unit for unit in audited if unit.plurality is not None]
    against = listed(unit.instance for unit in known if not _agrees(unit))
    missing = sum(not unit.people for unit in audited)
    split = len(audited) - len(known) - missing
    if not known:
        return Inferred(None, None, None, "no audit", against, missing, split)
    y, prompts = [_agrees(unit) for unit in known], [unit.prompt for unit in known]
    f = [confidence[unit] for unit in known]
    whole = coverage >= WHOLE
    rest = [u for u in mine if not u.audit] if whole else []
    rest += [unit for unit in audited if not unit.people]
    powered = powered_mean(
        y,
        f,
        [confidence[unit] for unit in rest],
        prompts=prompts,
        rest_prompts=[unit.prompt for unit in rest],
    )
    plain = powered_mean(y, f, [], prompts=prompts)
    routed, why_not = _routed(mine, confidence) if whole else (None, "not everywhere")
    return Inferred(
        _share(plain),
        _share(powered),
        routed and _share(routed),
        why_not,
        against,
        missing,
        split,
    )


def _share(found: Powered) -> Powered:
    """An agreement lies between 0 and 1, whatever the normal interval says."""
    value, low, high = np.clip([found.value, found.low, found.high], 0, 1).tolist()
    return replace(found, value=value, low=low, high=high)


def _agrees(unit: Unit) -> float:
    return float(unit.plurality == unit.side)


def _routed(units: Sequence[Unit], confidence: Mapping[Unit, float]) -> tuple[Powered | None, str]:
    # Where people are split there is no truth: such a pair is left out, here as above.
    known = [unit for unit in units if unit.plurality is not None or not unit.people]
    sent = [unit for unit in known if unit.propensity is not None]
    if not sent:
        return None, "no propensity"
    if _hangs_on_few(sent):
        return None, "few drawn"
    try:
        found = weighted_mean(
            [_agrees(unit) for unit in sent],
            [confidence[unit] for unit in sent],
            [unit.plurality is not None for unit in sent],
            [unit.propensity or 0.0 for unit in sent],
            [unit.prompt for unit in sent],
        )
    except InvalidInput:
        return None, "propensity 0"
    return found, ""


def _hangs_on_few(units: Sequence[Unit]) -> bool:
    """Whether a few labels stand for all that the judge alone was meant to decide.

    A label drawn with probability 0.05 weighs twenty times; with a handful of those neither the
    estimate nor its interval holds.
    """
    rare = [unit for unit in units if (unit.propensity or 0.0) < RARE]
    drawn = {unit.prompt for unit in rare if unit.plurality is not None}
    return bool(rare) and len(drawn) < FEW_PROMPTS


def replies_of(units: Sequence[Unit]) -> list[tuple[Unit, Reply]]:
    return [(unit, reply) for unit in units for reply in unit.replies]
