"""The figures of a quality report from the labels of one criterion. Pure.

Everything an annotator is compared with is what the others say, never their own label.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from functools import cached_property
from itertools import combinations
from typing import Any

from annotation.consensus.posterior import Vote, as_vote, pair_share

from .agreement import Estimate, Measure, fleiss_kappa, krippendorff_interval, together
from .bias import (
    Choice,
    Share,
    clustered,
    first_listed,
    length_bias,
    side_bias,
    speed,
    tie_rate,
)
from .influence import Influence, leave_one_out
from .rankings import Ranking, mean_concordance, mean_tau
from .reliability import Ballots, fit
from .unusual import unusual

MOST_PAIRS = 40
PERIODS = 8
RESAMPLES = 100
# Instances kept behind a figure.
MOST_LISTED = 200


@dataclass(frozen=True)
class Entry:
    """One label: whose, on what, and how it was shown."""

    annotator: int
    instance: int
    prompt: str
    vote: Vote
    at: datetime
    scores: tuple[int | None, ...] = ()
    shown: tuple[int, ...] | None = None
    seconds: float | None = None
    tie: bool = False

    @cached_property
    def shares(self) -> dict["Pair", float]:
        """P(first) per pair of completions that the label tells apart."""
        size = len(self.vote.ranking)
        return {
            (self.instance, i, j): share
            for i, j in combinations(range(size), 2)
            if (share := pair_share(self.vote, i, j)) is not None
        }


@dataclass(frozen=True)
class Wanted:
    """What is asked of the report: the model, how scores are compared, the least seconds."""

    model: str
    measure: Measure = "nominal"
    least_seconds: float | None = None


Pair = tuple[int, int, int]


def agreement_of(entries: Sequence[Entry], wanted: Wanted) -> dict[str, Any]:
    """α (scores: by their measure; ranks: nominal over pairs), κ, τ and W, and α over time."""
    units = _units(entries)
    prompts = {entry.instance: entry.prompt for entry in entries}
    labels = [codes for _, codes in units]
    found: dict[str, Any] = clean(
        {
            "alpha": _alpha(units, prompts, wanted.measure),
            "measure": wanted.measure,
            "fleiss": fleiss_kappa(labels),
            **_rank_agreement(entries, prompts),
            "labels": len(entries),
            "instances": len(prompts),
            "over_time": _over_time(entries, prompts, wanted.measure),
        }
    )
    return found


def _units(entries: Sequence[Entry]) -> list[tuple[int, list[int]]]:
    """(instance, labels) per pair of completions, or per scored completion."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.scores:
            for place, score in enumerate(entry.scores):
                if score is not None:
                    found[entry.instance, place].append(score)
            continue
        for pair, p in entry.shares.items():
            found[pair].append(2 if abs(p - 0.5) < 1e-9 else int(p < 0.5))
    return [(_instance(key), codes) for key, codes in found.items()]


def _instance(key: Hashable) -> int:
    assert isinstance(key, tuple)  # noqa: S101 - narrows the type of a key made above
    return int(key[0])


def _alpha(
    units: Sequence[tuple[int, Sequence[int]]],
    prompts: Mapping[int, str],
    measure: Measure,
    resamples: int = 500,
) -> Estimate:
    return krippendorff_interval(
        [codes for _, codes in units],
        [prompts[instance] for instance, _ in units],
        measure=measure,
        resamples=resamples,
    )


def _rank_agreement(entries: Sequence[Entry], prompts: Mapping[int, str]) -> dict[str, Any]:
    lists: dict[int, list[Ranking]] = defaultdict(list)
    for entry in entries:
        if len(entry.vote.ranking) > 2 and not entry.scores:
            row = Ranking(entry.annotator, entry.vote.ranking, tuple(entry.vote.unranked))
            lists[entry.instance].append(row)
    if not lists:
        return {"tau": None, "concordance": None}
    return {
        "tau": mean_tau(lists, prompts),
        "concordance": mean_concordance(lists, prompts),
    }


def _over_time(
    entries: Sequence[Entry], prompts: Mapping[int, str], measure: Measure
) -> list[dict[str, Any]]:
    """α of equal stretches of the labels in the order they came."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    size = max(1, -(-len(ordered) // PERIODS))
    periods = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [
        {
            "from": period[0].at.isoformat(),
            "until": period[-1].at.isoformat(),
            "alpha": _alpha(_units(period), prompts, measure, 100),
        }
        for period in periods
        if len(ordered) >= PERIODS
    ]


def annotators_of(
    entries: Sequence[Entry],
    repeats: Sequence[Entry],
    lengths: Mapping[tuple[int, int], int],
    wanted: Wanted,
    excluded: Collection[int] = (),
) -> dict[int, dict[str, Any]]:
    """The row of every annotator. Excluded ones get theirs, but count for nobody else's.

    Args:
        lengths: characters of a completion, by (instance, position).
    """
    counted = [entry for entry in entries if entry.annotator not in excluded]
    table: dict[Hashable, dict[int, float]] = defaultdict(dict)
    for entry in counted:
        for pair, p in entry.shares.items():
            table[pair][entry.annotator] = p
    ballots, prompts = _ballots(counted)
    skills = fit(ballots, prompts, model=wanted.model, resamples=RESAMPLES).skills
    influence = leave_one_out(table)
    mine: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        mine[entry.annotator].append(entry)
    again: dict[int, list[Entry]] = defaultdict(list)
    for entry in repeats:
        again[entry.annotator].append(entry)
    rows = {
        who: clean(
            {
                **_row(who, found, table, lengths, wanted),
                "consistent": _consistent(found, again[who]),
                "skill": skills.get(who),
                "influence": _influence(influence.get(who)),
            }
        )
        for who, found in mine.items()
    }
    marks = unusual(rows)
    return {who: {**row, "unusual": marks.get(who, [])} for who, row in rows.items()}


def _influence(found: Influence | None) -> dict[str, Any] | None:
    """The influence with the instances behind it in place of the pairs."""
    if found is None:
        return None
    instances = list(dict.fromkeys(_instance(pair) for pair in found.flips))
    return {**asdict(found), "flips": instances[:MOST_LISTED]}


def _ballots(entries: Sequence[Entry]) -> tuple[Ballots, list[str]]:
    """The pairs that labels tell apart, and the prompt of each."""
    codes: dict[Pair, int] = {}
    prompts: list[str] = []
    rows = []
    for entry in entries:
        for pair, p in entry.shares.items():
            code = codes.setdefault(pair, len(codes))
            if code == len(prompts):
                prompts.append(entry.prompt)
            vote = as_vote(p)
            rows.append((code, entry.annotator, vote, _left(entry, pair), vote == 0.5))
    return Ballots.of(rows), prompts


def _left(entry: Entry, pair: Pair) -> bool | None:
    if entry.shown is None:
        return None
    return entry.shown.index(pair[1]) < entry.shown.index(pair[2])


def _row(
    who: int,
    entries: Sequence[Entry],
    table: Mapping[Hashable, Mapping[int, float]],
    lengths: Mapping[tuple[int, int], int],
    wanted: Wanted,
) -> dict[str, Any]:
    choices = [
        _choice(entry, pair, p, _others(table, pair, who), lengths)
        for entry in entries
        for pair, p in entry.shares.items()
    ]
    agrees, against = _agreement_with_others(who, entries, table)
    seconds = [entry.seconds for entry in entries if entry.seconds is not None]
    return {
        "labels": len(entries),
        "agree": agrees,
        "against": against[:MOST_LISTED],
        "side": side_bias(choices),
        "length": length_bias(choices),
        "ties": tie_rate(choices),
        "first_listed": first_listed(
            [
                [entry.vote.ranking[place] for place in entry.shown]
                for entry in entries
                if entry.shown and not entry.scores and not entry.vote.unranked
            ]
        ),
        "speed": speed(seconds, wanted.least_seconds),
        "seconds": _histogram(seconds),
    }


def _others(table: Mapping[Hashable, Mapping[int, float]], pair: Pair, who: int) -> float | None:
    """The mean P(first) of everybody else on the pair."""
    given = [p for annotator, p in table.get(pair, {}).items() if annotator != who]
    return sum(given) / len(given) if given else None


def _choice(
    entry: Entry,
    pair: Pair,
    p: float,
    others: float | None,
    lengths: Mapping[tuple[int, int], int],
) -> Choice:
    left = _left(entry, pair)
    first, second = (max(1, lengths.get((pair[0], place), 1)) for place in pair[1:])
    longer = first > second
    ratio = abs(math.log(first / second))

    def towards(share: float) -> float:
        return share if longer else 1 - share

    return Choice(
        prompt=entry.prompt,
        p_left=None if left is None else (p if left else 1 - p),
        p_longer=None if first == second else towards(p),
        expected_longer=None if others is None else towards(others),
        ratio=ratio,
        tie=entry.vote.p is None and abs(p - 0.5) < 1e-9,
    )


def _agreement_with_others(
    who: int, entries: Sequence[Entry], table: Mapping[Hashable, Mapping[int, float]]
) -> tuple[Share | None, list[int]]:
    """How often they side with the majority of the others, where that is not even."""
    same: list[tuple[str, float]] = []
    against = []
    for entry in entries:
        for pair, p in entry.shares.items():
            others = _others(table, pair, who)
            if others is None or abs(others - 0.5) < 1e-9 or abs(p - 0.5) < 1e-9:
                continue
            sides = (p > 0.5) == (others > 0.5)
            same.append((entry.prompt, float(sides)))
            if not sides:
                against.append(entry.instance)
    return clustered(same), list(dict.fromkeys(against))


def _consistent(entries: Sequence[Entry], repeats: Sequence[Entry]) -> Share | None:
    """How often a repeat says the same as the first label, tie or side."""
    first = {pair: p for entry in entries for pair, p in entry.shares.items()}
    same = [
        (entry.prompt, float(side_of(first[pair]) == side_of(p)))
        for entry in repeats
        for pair, p in entry.shares.items()
        if pair in first
    ]
    return clustered(same)


def side_of(p: float) -> int:
    """1 for the first, −1 for the second, 0 for a tie."""
    return 0 if abs(p - 0.5) < 1e-9 else (1 if p > 0.5 else -1)


def _histogram(seconds: Sequence[float]) -> list[tuple[float, int]]:
    """Counts in bins that double: (upper end in seconds, labels)."""
    ends = [2, 4, 8, 16, 32, 64, 128, 256, 512, math.inf]
    counts = [sum(low <= s < high for s in seconds) for low, high in zip([0, *ends], ends)]  # noqa: B905
    return [(end if math.isfinite(end) else 1024, n) for end, n in zip(ends, counts, strict=True)]


def matrix_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every two annotators with a pair in common, most in common first."""
    codes: dict[object, dict[int, int]] = defaultdict(dict)
    for entry in entries:
        for pair, p in entry.shares.items():
            codes[pair][entry.annotator] = side_of(p)
    found = together(codes, MOST_PAIRS)
    return [
        clean({"first": first, "second": second, **asdict(row)})
        for (first, second), row in found.items()
    ]


def clean(value: Any) -> Any:
    """Dataclasses as mappings and NaN as null: what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        extra = {"can_tell": value.can_tell} if isinstance(value, Share) else {}
        return clean({**asdict(value), **extra}) | _nested(value)
    if isinstance(value, Mapping):
        return {str(key): clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _nested(value: Any) -> dict[str, Any]:
    """Shares inside a dataclass keep what they can tell."""
    fields = vars(value) if hasattr(value, "__dict__") else {}
    return {name: clean(each) for name, each in fields.items() if isinstance(each, Share)}
