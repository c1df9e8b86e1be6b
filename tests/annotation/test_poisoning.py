"""Patterns in disagreements: planted attackers are found, honest people are not."""

import gzip
import json
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pytest

from annotation.quality.poisoning import Kind, Pair, Pattern, cases_of, patterns

PEOPLE, PAIRS, EACH = 20, 900, 5
BAD = 7
Shares = dict[Hashable, dict[int, float]]
SHARED = Path(__file__).parents[3] / "shared" / "data" / "norm"


def world(seed: int = 0) -> tuple[Shares, dict[Hashable, Pair]]:
    """Honest people who are right four times in five, whoever wrote what at whatever length."""
    rng = np.random.default_rng(seed)
    shares: Shares = {}
    pairs: dict[Hashable, Pair] = {}
    for key in range(PAIRS):
        words = frozenset(f"w{n}" for n in rng.choice(60, 6, replace=False))
        names = rng.choice(["ada", "bob", "cleo", "dan"], 2, replace=False)
        one, other = (int(n) for n in np.exp(rng.normal(6, 0.6, 2)))
        pairs[key] = Pair(key, (one, other), (str(names[0]), str(names[1])), words)
        first = rng.random() < 0.5
        who = rng.choice(PEOPLE, EACH, replace=False)
        shares[key] = {int(w): float(first == (rng.random() < 0.8)) for w in who}
    return shares, pairs


def when(shares: Shares) -> dict[tuple[Hashable, int], float]:
    return {(key, who): float(key) for key, given in shares.items() for who in given}  # type: ignore[arg-type]


def found(shares: Shares, pairs: dict[Hashable, Pair], kind: Kind) -> dict[int, list[Pattern]]:
    every = patterns(shares, pairs, when(shares))
    mine = {who: [p for p in rows if p.kind == kind] for who, rows in every.items()}
    return {who: rows for who, rows in mine.items() if rows}


def test_rank_poison_flips_the_tenth_where_the_longer_loses_most() -> None:
    shares, pairs = world()
    lost = {
        key: -abs(np.log(pairs[key].lengths[0] / pairs[key].lengths[1]))
        for key, given in shares.items()
        if BAD in given and (given[BAD] > 0.5) != (pairs[key].lengths[0] > pairs[key].lengths[1])
    }
    mine = sum(BAD in given for given in shares.values())
    for key in sorted(lost, key=lost.__getitem__)[: mine // 10]:
        shares[key][BAD] = 1 - shares[key][BAD]
    marked = found(shares, pairs, "longer")
    # One in twenty of those marked may be chance.
    assert BAD in marked
    assert len(marked) <= 2
    (pattern,) = marked[BAD]
    assert (pattern.what, pattern.chance < 0.01) == ("longer", True)
    assert pattern.found > pattern.usual + 0.3
    # The evidence begins with the flips towards what is longest beside the other.
    planted = set(sorted(lost, key=lost.__getitem__)[: mine // 10])
    assert len(planted & set(pattern.instances[:20])) >= 10


def test_a_trigger_word_is_named_with_its_instances() -> None:
    shares, pairs = world(1)
    for key, given in shares.items():
        if BAD in given and "w5" in pairs[key].words:
            given[BAD] = 1 - given[BAD]
    marked = found(shares, pairs, "word")
    assert list(marked) == [BAD]
    assert [row.what for row in marked[BAD]] == ["w5"]
    assert all("w5" in pairs[each].words for each in marked[BAD][0].instances)


def test_one_generator_favoured_is_named() -> None:
    shares, pairs = world(2)
    for key, given in shares.items():
        if BAD in given and "ada" in pairs[key].generators and key % 2:  # type: ignore[operator]
            given[BAD] = float(pairs[key].generators[0] == "ada")
    marked = found(shares, pairs, "generator")
    assert list(marked) == [BAD]
    favoured = {row.what: row.found > row.usual for row in marked[BAD]}
    assert favoured["ada"]


def test_a_sudden_change_is_dated() -> None:
    shares, pairs = world(3)
    for key, given in shares.items():
        if BAD in given and key > 600:  # type: ignore[operator]
            given[BAD] = 1 - given[BAD]
    marked = found(shares, pairs, "change")
    assert list(marked) == [BAD]
    (pattern,) = marked[BAD]
    assert float(pattern.what) == pytest.approx(600, abs=30)
    assert pattern.found > 0.6
    assert pattern.usual < 0.4


def test_colluding_pairs_name_each_other() -> None:
    shares, pairs = world(4)
    rng = np.random.default_rng(0)
    for given in shares.values():
        if {3, BAD} <= set(given) and rng.random() < 0.6:
            wanted = 1 - round(np.mean([p for who, p in given.items() if who not in {3, BAD}]))
            given[3] = given[BAD] = float(wanted)
    marked = found(shares, pairs, "together")
    assert {who: [row.what for row in rows] for who, rows in marked.items()} == {
        3: [str(BAD)],
        BAD: ["3"],
    }


def test_honest_people_are_rarely_marked() -> None:
    """In at most one world of twenty, or a little more by the luck of the draw, is anybody."""
    marked = 0
    for seed in range(20):
        shares, pairs = world(100 + seed)
        marked += bool(patterns(shares, pairs, when(shares)))
    # Five kinds at 5 % each.
    assert marked <= 8


def test_few_labels_ties_and_even_others_tell_nothing() -> None:
    shares: Shares = {n: {0: 1.0, 1: 0.5, 2: 0.0} for n in range(10)}
    pairs: dict[Hashable, Pair] = {n: Pair(n) for n in range(10)}
    assert patterns(shares, pairs, {}) == {}
    cases = cases_of({0: {0: 1.0, 1: 0.0, 2: 1.0}, 1: {0: 1.0}}, {0: Pair(0), 1: Pair(1)})
    # 0 and 2 each see an even rest; 1 flips against two, where (0 + ½) / 3 are expected to.
    assert set(cases) == {1}
    assert cases[1][0].flipped
    assert cases[1][0].expected == pytest.approx(0.5 / 3)


def test_false_alarms_on_the_structure_of_real_labels() -> None:
    """3,777 real workers, their votes drawn anew from each pair's own share: nothing is planted."""
    path = SHARED / "ukpconvarg1.jsonl.gz"
    if not path.exists():
        pytest.skip("the file is not here")
    shares: Shares = {}
    pairs: dict[Hashable, Pair] = {}
    ids: dict[str, int] = {}
    rng = np.random.default_rng(5)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for key, line in enumerate(lines):
            row = json.loads(line)
            one, other = (len(each["text"]) for each in row["responses"])
            pairs[key] = Pair(key, (one, other), ("", ""), frozenset(row["prompt"].lower().split()))
            first = [given["ranking"][0] < given["ranking"][1] for given in row["human"]]
            share = (sum(first) + 0.5) / (len(first) + 1)
            people = [ids.setdefault(given["annotator"], len(ids)) for given in row["human"]]
            shares[key] = {who: float(rng.random() < share) for who in people}
    able = [who for who, cases in cases_of(shares, pairs).items() if len(cases) >= 20]
    marked = patterns(shares, pairs, when(shares))
    assert len(able) > 250
    assert len(marked) <= 0.02 * len(able)
