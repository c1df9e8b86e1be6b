"""The frontier's numbers: orders, counts, what a limit buys, and the file they are kept in."""

from pathlib import Path

import numpy as np
import pytest

from routing.frontier import calibration
from routing.frontier.curve import (
    Line,
    buying_order,
    counts_along,
    expected_counts,
    grid,
    grouped,
)
from routing.frontier.ends import ORACLE, OURS, RANDOM, Known, Pool, label_lines
from routing.frontier.plan import Terms, plan, spending
from routing.frontier.sheet import LABELS, Sheet, load, save
from routing.strategies.selection import choose

FACTS = {"reads_judge": False, "judge_price": 10_000}


def sheet(count: int = 10, audit: int = 2, **facts: object) -> Sheet:
    at = np.arange(count + 1, dtype=float)
    order = np.arange(count)
    return Sheet(
        LABELS,
        audit,
        np.full(count, 300_000),
        np.ones(count, dtype=np.int64),
        (Line(OURS, at, 0.8 + 0.02 * at, 0.7 + 0.02 * at, 0.9 + 0.01 * at),),
        {"domain": grouped(["code", "code|medicine", ""] * 3 + ["medicine"], order)},
        FACTS | facts,
    )


def test_the_audit_arm_comes_first_and_the_rest_as_a_selection_buys() -> None:
    rng = np.random.default_rng(1)
    gain, cost = rng.normal(size=50), rng.choice([0.3, 1.0], size=50)
    audited = np.arange(50) % 10 == 0
    order = buying_order(gain, cost, audited, np.zeros(50))
    assert set(order[:5]) == set(np.flatnonzero(audited))
    open_gain = np.where(audited, -np.inf, gain)
    keys = [str(i) for i in range(50)]
    bought = choose(open_gain, cost, 7.3, keys=keys, salt="s")
    assert set(order[5 : 5 + bought.sum()]) == set(np.flatnonzero(bought))


def test_counts_along_an_order_are_those_of_each_prefix() -> None:
    rng = np.random.default_rng(2)
    one_hot = (rng.random((40, 6)) < 0.4).astype(np.uint8)
    order, at = rng.permutation(40), grid(40, first=3, points=8)
    found = counts_along(one_hot, order, at)
    assert 3 in at
    for row, first in zip(found, at, strict=True):
        assert row.tolist() == one_hot[order[:first]].sum(axis=0).tolist()


def test_a_random_mix_holds_the_mean_of_many_draws() -> None:
    rng = np.random.default_rng(3)
    one_hot = (rng.random((30, 4)) < 0.5).astype(np.uint8)
    audited = np.arange(30) < 5
    found = expected_counts(one_hot, audited, np.array([0, 5, 15, 30]))
    drawn = [
        one_hot[np.append(np.arange(5), 5 + rng.permutation(25)[:10])].sum(axis=0)
        for _ in range(4000)
    ]
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found[1].tolist() == one_hot[:5].sum(axis=0).tolist()
    assert np.allclose(found[2], np.mean(drawn, axis=0), atol=0.1)
    assert found[3].tolist() == one_hot.sum(axis=0).tolist()


def test_isotonic_pools_what_falls() -> None:
    assert calibration.isotonic(np.array([1.0, 0, 2]), np.ones(3)).tolist() == [0.5, 0.5, 2]
    assert calibration.isotonic(np.array([3.0, 0]), np.array([1.0, 2])).tolist() == [1, 1]


def test_label_lines_recover_a_planted_risk() -> None:
    """The judge errs with probability = score; the truth is then known in closed form."""
    rng = np.random.default_rng(4)
    seen, pool_score = rng.random(4000), rng.random(2000)
    wrong = (rng.random(4000) < seen).astype(float)
    known = Known({OURS: seen}, wrong, tuple(f"p{i // 2}" for i in range(4000)))
    pool = Pool(np.zeros(2000, dtype=bool), grid(2000))
    order = np.argsort(-pool_score)
    lines = {line.key: line for line in label_lines({OURS: pool_score}, known, pool, {OURS: order})}
    ours = lines[OURS]
    half = len(ours.at) // 2
    # Nobody: ½ of the labels are right. The riskier half to people: 1 − ∫₀^½ s ds = 7/8.
    assert ours.value[0] == pytest.approx(0.5, abs=0.03)
    assert ours.value[half] == pytest.approx(7 / 8, abs=0.03)
    assert ours.value[-1] == 1
    assert ours.low is not None
    assert ours.high is not None
    assert (ours.low <= ours.value + 1e-9).all()
    assert (ours.value <= ours.high + 1e-9).all()
    assert lines[RANDOM].value[half] == pytest.approx(0.75, abs=0.02)
    assert lines[ORACLE].value[half] == pytest.approx(1, abs=0.02)
    assert (ours.value >= lines[RANDOM].value - 0.02).all()


def test_a_judge_that_was_not_seen_to_err_leaves_next_to_nothing_to_gain() -> None:
    score = np.linspace(0, 1, 100)
    known = Known({OURS: score}, np.zeros(100), tuple(map(str, range(100))))
    pool = Pool(np.zeros(100, dtype=bool), grid(100))
    lines = label_lines({OURS: score}, known, pool, {OURS: np.arange(100)})
    assert all((line.value >= 1 - 0.5 / 101 - 1e-9).all() for line in lines)
    assert all(line.value[-1] == pytest.approx(1.0) for line in lines)


def test_what_a_limit_buys_starts_at_what_is_gone_and_the_audit_arm() -> None:
    made = sheet()
    money = spending(made, Terms(taken=1_000_000))
    assert money.minimum == 1_000_000 + 2 * 300_000
    assert money.maximum == 1_000_000 + 10 * 300_000
    found = plan(made, money, money.minimum + 300_000)
    assert found.instances == found.labels == 3
    assert found.people_money == 900_000
    assert found.judge_money == 9 * 10_000
    assert found.value == pytest.approx(0.86)
    assert plan(made, money, 0).instances == 0
    assert plan(made, money, money.minimum + 299_999).instances == 2
    assert plan(made, money, 10**12).instances == 10


def test_a_budget_for_all_pays_the_judge_for_what_people_do_not_label() -> None:
    money = spending(sheet(), Terms(per_judged=10_000))
    # Nobody: the judge labels all ten; the audit arm is labelled by both.
    assert money.needed[0] == 10 * 10_000
    assert money.minimum == 2 * 300_000 + 10 * 10_000
    assert money.maximum == 10 * 300_000 + 2 * 10_000
    reading = spending(sheet(reads_judge=True), Terms(per_judged=10_000))
    assert reading.maximum == 10 * 300_000 + 10 * 10_000


def test_labels_are_counted_whatever_they_cost() -> None:
    money = spending(sheet(), Terms(taken=5_000_000, per_label=1_000_000))
    assert money.minimum == 7_000_000
    assert plan(sheet(), money, 9_500_000).instances == 4


def test_groups_count_each_word_of_an_instance() -> None:
    found = {
        row.name: row for row in plan(sheet(), spending(sheet(), Terms()), 900_000).groups["domain"]
    }
    assert (found["code"].people, found["code"].of) == (2, 6)
    assert (found["medicine"].people, found["medicine"].of) == (1, 4)
    assert (found[""].people, found[""].of) == (1, 3)
    assert list(found)[-1] == ""


def test_a_sheet_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    made = sheet(version=3)
    save(made, tmp_path / "frontier" / "1.npz")
    read = load(tmp_path / "frontier" / "1.npz")
    assert read.facts == made.facts
    assert read.kind == made.kind
    assert read.audit == made.audit
    assert read.money.tolist() == made.money.tolist()
    assert read.ours.value.tolist() == made.ours.value.tolist()
    assert read.groups["domain"].words == made.groups["domain"].words
    money = spending(read, Terms())
    assert plan(read, money, 900_000) == plan(made, money, 900_000)
    assert [path.name for path in (tmp_path / "frontier").iterdir()] == ["1.npz"]


def test_a_sheet_that_holds_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", about=np.array({"a": 1}, dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load(tmp_path / "1.npz")


def test_a_judge_that_was_never_seen_to_err_may_err_all_the_same() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(size=60)
    prompts = [str(i) for i in range(60)]
    risk = calibration.fit(score, np.zeros(60), prompts, score, rng)
    assert risk.draws[0] == pytest.approx(0.5 / 61)
    low, high = np.percentile(risk.draws[1:, 0], (2.5, 97.5))
    # The exact one-sided bound of 0 of 60 at 97.5 % is 6 %.
    assert low < 0.001
    assert 0.02 < high < 0.06
    certain = calibration.fit(score, (score > 0.5).astype(float), prompts, score, rng)
    assert (np.diff(certain.draws, axis=1) >= 0).all()
    assert ((certain.draws > 0) & (certain.draws < 1)).all()
