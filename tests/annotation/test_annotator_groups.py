"""Groups of annotators: planted ones are found, and none where there are none."""

import numpy as np
import pytest

from annotation.consensus.groups import Groups, find
from annotation.quality.reliability import Ballots


def planted(
    *, group: list[int], units: int = 300, each: int = 5, right: float = 0.88, apart: float = 0.5
) -> Ballots:
    """Ballots of annotators whose groups want the opposite on a share `apart` of the pairs."""
    rng = np.random.default_rng(len(group) + units)
    rows = []
    for unit in range(units):
        wanted = rng.random() < 0.5
        differ = rng.random() < apart
        for who in rng.choice(len(group), min(each, len(group)), replace=False):
            says = wanted != (differ and group[who] == 1)
            rows.append((unit, int(who), float(says == (rng.random() < right)), None, False))
    return Ballots.of(rows)


def sides(found: Groups, annotators: int) -> list[int]:
    return [int(np.argmax(found.members[who])) for who in range(annotators)]


def test_two_planted_groups_are_found_with_their_members() -> None:
    group = [0] * 12 + [1] * 6
    found = find(planted(group=group), range(300))
    assert found.count == 2
    assert sides(found, 18) == group
    assert found.shares[0] == pytest.approx(12 / 18, abs=0.1)
    second = found.trials[1]
    assert second.gain is not None
    assert second.error is not None
    assert second.gain > 1.96 * second.error


def test_groups_agree_inside_and_differ_across() -> None:
    found = find(planted(group=[0] * 12 + [1] * 6), range(300))
    inside, across = found.agreement[0][0], found.agreement[0][1]
    assert inside is not None
    assert across is not None
    # By hand: two of one group agree with 0.88² + 0.12², across half of the pairs are turned.
    assert inside == pytest.approx(0.79, abs=0.03)
    assert across == pytest.approx(0.5, abs=0.05)
    large, small = found.with_all
    assert large is not None
    assert small is not None
    assert large.low > small.high


def test_pairs_that_part_the_groups_are_listed() -> None:
    group = [0] * 8 + [1] * 8
    ballots = planted(group=group, units=200, each=16)
    found = find(ballots, range(200))
    assert found.count == 2
    clearest = found.apart[0]
    says = ballots.p[ballots.pair == clearest.pair]
    who = ballots.annotator[ballots.pair == clearest.pair]
    first = says[who < 8].mean()
    assert abs(first - says[who >= 8].mean()) > 0.7
    assert clearest.labels == pytest.approx((8, 8), abs=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_one_group_stays_one(seed: int) -> None:
    found = find(planted(group=[0] * (16 + seed)), range(300), seed=seed)
    assert found.count == 1
    assert found.apart == ()
    assert set(found.members.values()) == {(1.0,)}


def test_careless_people_are_no_group() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for unit in range(300):
        wanted = rng.random() < 0.5
        for who in rng.choice(18, 6, replace=False):
            careless = who >= 12
            says = rng.random() < 0.5 if careless else wanted == (rng.random() < 0.9)
            rows.append((unit, int(who), float(says), None, False))
    assert find(Ballots.of(rows), range(300)).count == 1


def test_a_judge_is_placed_but_shapes_nothing() -> None:
    group = [0] * 12 + [1] * 6
    ballots = planted(group=group, each=18)
    small = ballots.p[ballots.annotator == 17]
    judge = [(unit, 99, float(p), None, False) for unit, p in enumerate(small)]
    rows = list(
        zip(ballots.pair.tolist(), ballots.annotator.tolist(), ballots.p.tolist(), strict=True)
    )
    people = [(*row, None, False) for row in rows]
    alone = find(Ballots.of(people), range(300), shaping=range(18))
    with_judge = find(Ballots.of([*people, *judge]), range(300), shaping=range(18))
    assert with_judge.members[99][1] > 0.95
    assert with_judge.agreement == alone.agreement
    assert {who: with_judge.members[who] for who in range(18)} == alone.members


@pytest.mark.parametrize(("group", "each"), [([0, 1, 1], 3), ([0] * 100, 1), ([0] * 100, 3)])
def test_sparse_labels_are_said_to_be_sparse(group: list[int], each: int) -> None:
    found = find(planted(group=group, units=200, each=each), range(200))
    assert not found.dense
    assert (found.count, found.members) == (0, {})
