"""Whether somebody's disagreements with the others go in one direction, as planted ones do. Pure.

RankPoison (Wang et al. 2024) flips few chosen labels: those where the longer completion loses most
clearly, or those whose prompt holds a trigger word. The share of disagreements stays ordinary, what
they have in common does not. A flip is a decided label against the decided mean of the others. Each
test asks what the flips have in common *given how many there are* and how divided the others are on
each pair, so that hard instances and careless people are no pattern:

longer      the length of the chosen completion over the other's is not that of other people's flips
generator   flips that involve a generator favour it (or not) otherwise than other people's flips do
word        flips gather where the prompt holds a word
change      flips come suddenly more or less often from a moment on
together    two annotators flip on the same pairs more often than their two rates explain

Of the patterns named, at most 5 % are expected to be chance, each kind over all annotators and all
that was tried. A pattern is a remark with its evidence, not a verdict: a minority with a view of
its own can look like this (see `annotation.consensus.groups`).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["longer", "generator", "word", "change", "together"]
KINDS: tuple[Kind, ...] = ("longer", "generator", "word", "change", "together")
RATE = 0.05
# Less tells nothing: labels beside others', flips, labels with a word or on common pairs.
FEW, FEW_FLIPS, FEW_WITH = 20, 5, 5
MOST_INSTANCES, MOST_OF_A_KIND = 50, 5
# More visits of two annotators on a pair are not looked at.
MOST_VISITS = 500_000
# Two stand against a rest that is so many votes ahead: else it may be the rest that is wrong.
AHEAD = 2
# P(first) of each annotator by pair of completions.
Shares = Mapping[Hashable, Mapping[int, float]]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """What is known of a pair: its instance, lengths in characters, generators, prompt's words."""

    instance: int
    lengths: tuple[int, int] = (1, 1)
    generators: tuple[str, str] = ("", "")
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """A decided label beside the others' decided mean.

    `expected`: how likely anybody is to flip here, by how divided the others are.
    `longer`: log(length of the chosen / length of the other).
    """

    pair: Hashable
    flipped: bool
    expected: float
    chose_first: bool
    longer: float


@dataclass(frozen=True)
class Pattern:
    """What flips have in common. `what`: the word, generator, moment or other annotator.

    `found` beside `usual`: flips seen and flips expected (longer: mean log ratios; change: the
    share of flips after and before; generator: shares of flips that favour it). `flips`: how many
    the figure stands on. `chance`: p-value corrected for all that was tried on the annotator.
    """

    kind: Kind
    what: str
    found: float
    usual: float
    flips: int
    chance: float
    instances: tuple[int, ...]


@dataclass(frozen=True)
class _Suspicion:
    who: int
    chance: float
    pattern: Pattern


def patterns(
    shares: Shares,
    pairs: Mapping[Hashable, Pair],
    when: Mapping[tuple[Hashable, int], float],
    groups: Mapping[int, int] | None = None,
) -> dict[int, list[Pattern]]:
    """By annotator the patterns that stand out, the clearest first.

    Args:
        when: seconds at which an annotator labelled a pair; without, `change` is not looked for.
        groups: of annotators who prefer alike. Members of a group flip together against the others
            without any plan, so `together` is looked for against the rest of one's own group.
    """
    cases = cases_of(shares, pairs)
    able = {who: mine for who, mine in cases.items() if len(mine) >= FEW}
    tried: dict[Kind, list[_Suspicion]] = {
        "longer": list(_longer(able, pairs)),
        "generator": list(_generators(able, pairs)),
        "word": [s for who, mine in able.items() for s in _words(who, mine, pairs)],
        "change": [s for who, mine in able.items() for s in _change(who, mine, pairs, when)],
        "together": list(_together(able, _apart(shares, groups or {}), pairs)),
    }
    found: dict[int, list[Pattern]] = defaultdict(list)
    for kind in KINDS:
        for each in _discovered(tried[kind]):
            if sum(p.kind == kind for p in found[each.who]) < MOST_OF_A_KIND:
                found[each.who].append(each.pattern)
    return {who: mine for who, mine in found.items() if mine}


def _apart(shares: Shares, groups: Mapping[int, int]) -> list[Shares]:
    """The labels of each group for itself."""
    parts: dict[int, dict[Hashable, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for key, given in shares.items():
        for who, p in given.items():
            parts[groups.get(who, 0)][key][who] = p
    return list(parts.values())


def cases_of(shares: Shares, pairs: Mapping[Hashable, Pair]) -> dict[int, list[Case]]:
    """Every decided label beside the others', by annotator."""
    found: dict[int, list[Case]] = defaultdict(list)
    for key, given in shares.items():
        number, total = len(given), sum(given.values())
        longer = math.log(max(1, pairs[key].lengths[0]) / max(1, pairs[key].lengths[1]))
        for who, p in given.items():
            if number < 2 or abs(p - 0.5) < 1e-9:
                continue
            lean = _lean(total - p, number - 1)
            if lean is None:
                continue
            first = p > 0.5
            signed = longer if first else -longer
            found[who].append(Case(key, first != lean[0], lean[1], first, signed))
    return found


def _lean(total: float, number: int) -> tuple[bool, float] | None:
    """(the first wins, how likely one more is to disagree) by so many labels; None where even."""
    mean = total / number
    if abs(mean - 0.5) < 1e-9:
        return None
    against = min(total, number - total)
    return mean > 0.5, (against + 0.5) / (number + 1)


def _longer(
    cases: Mapping[int, Sequence[Case]], pairs: Mapping[Hashable, Pair]
) -> Iterator[_Suspicion]:
    """Welch's test of the flips' log ratios against everybody else's flips'."""
    from scipy.stats import ttest_ind_from_stats  # noqa: PLC0415

    # Wilder ratios than e² would decide alone.
    flips = {
        who: np.clip([c.longer for c in mine if c.flipped], -2, 2) for who, mine in cases.items()
    }
    number = sum(len(each) for each in flips.values())
    total = sum(float(each.sum()) for each in flips.values())
    square = sum(float((each**2).sum()) for each in flips.values())
    for who, mine in flips.items():
        rest = number - len(mine)
        if len(mine) < FEW_FLIPS or rest < FEW:
            continue
        mean = (total - float(mine.sum())) / rest
        variance = (square - float((mine**2).sum())) / rest - mean**2
        spread = math.sqrt(max(variance, 1e-12))
        # A handful of flips hardly tells its own spread.
        own = max(float(mine.std(ddof=1)), spread / 2)
        chance = ttest_ind_from_stats(
            mine.mean(), own, len(mine), mean, spread, rest, equal_var=False
        ).pvalue
        towards = mine.mean() > mean
        behind = sorted((c for c in cases[who] if c.flipped), key=lambda c: -c.longer)
        instances = _instances(behind if towards else behind[::-1], pairs)
        what = "longer" if towards else "shorter"
        pattern = Pattern("longer", what, float(mine.mean()), mean, len(mine), 1.0, instances)
        yield _Suspicion(who, float(chance), pattern)


def _generators(
    cases: Mapping[int, Sequence[Case]], pairs: Mapping[Hashable, Pair]
) -> Iterator[_Suspicion]:
    from scipy.stats import binomtest  # noqa: PLC0415

    mine: dict[int, dict[str, list[tuple[Case, bool]]]] = {}
    favoured: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for who, each in cases.items():
        mine[who] = defaultdict(list)
        for case in each:
            first, second = pairs[case.pair].generators
            if not case.flipped or first == second:
                continue
            for name, favours in ((first, case.chose_first), (second, not case.chose_first)):
                if name:
                    mine[who][name].append((case, favours))
                    favoured[name] += favours
                    met[name] += 1
    for who, by_name in mine.items():
        for name, flips in by_name.items():
            hits = sum(favours for _, favours in flips)
            rest = met[name] - len(flips)
            if len(flips) < FEW_FLIPS or rest < FEW:
                continue
            usual = (favoured[name] - hits + 0.5) / (rest + 1)
            chance = float(binomtest(hits, len(flips), usual).pvalue)
            more = hits / len(flips) > usual
            instances = _instances([case for case, favours in flips if favours == more], pairs)
            share = hits / len(flips)
            pattern = Pattern("generator", name, share, usual, len(flips), 1.0, instances)
            yield _Suspicion(who, chance, pattern)


def _words(who: int, cases: Sequence[Case], pairs: Mapping[Hashable, Pair]) -> Iterator[_Suspicion]:
    """The flips under a word beside the rate of the flips elsewhere: beta-binomial, upper tail."""
    from scipy.stats import betabinom  # noqa: PLC0415

    if sum(case.flipped for case in cases) < FEW_FLIPS:
        return
    expected = np.array([case.expected for case in cases])
    flipped = np.array([case.flipped for case in cases], dtype=np.float64)
    for rows, name in _vocabulary(cases, pairs):
        elsewhere = len(cases) - len(rows)
        hits, usual = float(flipped[rows].sum()), float(expected[rows].sum())
        rate = (flipped.sum() - hits + 0.5) / (expected.sum() - usual + 0.5)
        mean = min(0.95, rate * usual / len(rows))
        weight = elsewhere + 1
        chance = float(betabinom.sf(hits - 1, len(rows), mean * weight, (1 - mean) * weight))
        behind = [cases[row] for row in rows if cases[row].flipped] if chance < RATE else []
        figures = (hits, mean * len(rows), int(hits), 1.0, _instances(behind, pairs))
        yield _Suspicion(who, chance, Pattern("word", name, *figures))


def _vocabulary(
    cases: Sequence[Case], pairs: Mapping[Hashable, Pair]
) -> Iterator[tuple[list[int], str]]:
    """The cases of each word; words that always come together are one thing to try."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        for word in pairs[case.pair].words:
            places[word].append(place)
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for word, found in places.items():
        if FEW_WITH <= len(found) < len(cases):
            together[tuple(found)].append(word)
    for rows, words in together.items():
        yield list(rows), ", ".join(sorted(words)[:3])


def _change(
    who: int,
    cases: Sequence[Case],
    pairs: Mapping[Hashable, Pair],
    when: Mapping[tuple[Hashable, int], float],
) -> Iterator[_Suspicion]:
    """The largest excursion of flips above what is expected, as of a Brownian bridge."""
    from scipy.stats import kstwobign  # noqa: PLC0415

    ordered = sorted(
        (c for c in cases if (c.pair, who) in when), key=lambda case: when[case.pair, who]
    )
    flipped = np.array([case.flipped for case in ordered], dtype=np.float64)
    if len(ordered) < 2 * FEW or flipped.sum() < FEW_FLIPS:
        return
    expected = np.array([case.expected for case in ordered])
    off = flipped - expected * flipped.sum() / expected.sum()
    path = np.abs(np.cumsum(off))[:-1]
    split = int(path.argmax()) + 1
    chance = float(kstwobign.sf(path.max() / math.sqrt(float((off**2).sum()))))
    before, after = float(flipped[:split].mean()), float(flipped[split:].mean())
    part = ordered[split:] if after > before else ordered[:split]
    instances = _instances([case for case in part if case.flipped], pairs)
    moment = str(when[ordered[split].pair, who])
    pattern = Pattern("change", moment, after, before, int(flipped.sum()), 1.0, instances)
    yield _Suspicion(who, chance, pattern)


def _together(
    cases: Mapping[int, Sequence[Case]], parts: Sequence[Shares], pairs: Mapping[Hashable, Pair]
) -> Iterator[_Suspicion]:
    """Common flips of two, against everybody but these two, beside what their rates explain.

    Only pairs with three others or more that are clearly of one mind tell: where one other errs,
    any two who are right would flip together.
    """
    from scipy.stats import poisson  # noqa: PLC0415

    visits = [visit for shares in parts for visit in _visits(cases, shares)]
    flips: Counter[int] = Counter()
    chances: dict[int, float] = defaultdict(float)
    for visit in visits:
        for who, against in visit.against:
            flips[who] += against
            chances[who] += visit.expected
    usual: dict[tuple[int, int], float] = defaultdict(float)
    number: Counter[tuple[int, int]] = Counter()
    hits: dict[tuple[int, int], list[Hashable]] = defaultdict(list)
    for visit in visits:
        (one, first), (other, second) = visit.against
        number[one, other] += 1
        usual[one, other] += math.prod(
            min(0.95, visit.expected * flips[who] / chances[who]) for who in (one, other)
        )
        if first and second:
            hits[one, other].append(visit.pair)
    for (one, other), common in number.items():
        if common < FEW_WITH:
            continue
        found = hits.get((one, other), [])
        chance = float(poisson.sf(len(found) - 1, max(usual[one, other], 1e-9)))
        instances = tuple(dict.fromkeys(pairs[key].instance for key in found))[:MOST_INSTANCES]
        for who, partner in ((one, other), (other, one)):
            pattern = Pattern(
                *("together", str(partner), len(found), usual[one, other]),
                *(len(found), 1.0, instances),
            )
            yield _Suspicion(who, chance, pattern)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Two annotators on a pair: whether each is against all but these two, and how likely that is
    of anybody."""

    pair: Hashable
    against: tuple[tuple[int, bool], tuple[int, bool]]
    expected: float


def _visits(cases: Mapping[int, Sequence[Case]], shares: Shares) -> Iterator[_Visit]:
    visits = 0
    for key, given in shares.items():
        decided = sorted(w for w, p in given.items() if w in cases and abs(p - 0.5) > 1e-9)
        total, number = sum(given.values()), len(given)
        visits += len(decided) * (len(decided) - 1) // 2
        if number < 5 or visits > MOST_VISITS:
            continue
        for one, other in combinations(decided, 2):
            rest = total - given[one] - given[other]
            lean = _lean(rest, number - 2)
            if lean is None or abs(2 * rest - (number - 2)) < AHEAD:
                continue
            first, second = ((given[who] > 0.5) != lean[0] for who in (one, other))
            yield _Visit(key, ((one, first), (other, second)), lean[1])


def _instances(cases: Sequence[Case], pairs: Mapping[Hashable, Pair]) -> tuple[int, ...]:
    found = dict.fromkeys(pairs[case.pair].instance for case in cases)
    return tuple(found)[:MOST_INSTANCES]


def _discovered(tried: Sequence[_Suspicion]) -> list[_Suspicion]:
    """The annotators by the least of what was tried on each, then what stands out of theirs, at a
    rate that counts how many annotators were chosen (Benjamini & Bogomolov 2014)."""
    if not tried:
        return []
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.stats import false_discovery_control  # noqa: PLC0415

    mine: dict[int, list[_Suspicion]] = defaultdict(list)
    for each in tried:
        mine[each.who].append(each)
    inside = {
        who: false_discovery_control([each.chance for each in rows]) for who, rows in mine.items()
    }
    # Simes: the least adjusted chance is that of there being nothing at all.
    overall = false_discovery_control([found.min() for found in inside.values()])
    chosen = [who for who, chance in zip(mine, overall, strict=True) if chance <= RATE]
    rate = RATE * len(chosen) / len(mine)
    found = [
        _Suspicion(who, float(p), replace(each.pattern, chance=float(p)))
        for who in chosen
        for each, p in zip(mine[who], inside[who], strict=True)
        if p <= rate
    ]
    return sorted(found, key=lambda each: each.chance)
