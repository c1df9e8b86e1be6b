"""Dawid–Skene and one-coin are crowd-kit's: its numbers on a small set, itself on a larger one."""

import os
from pathlib import Path

import numpy as np
import pytest

from annotation.quality.em import DAWID_SKENE, NO_PRIOR, ONE_COIN, Engine, Vector, table_of_answers
from tests.bench import bench_judges_consensus as bench

# Twelve units by four annotators, three classes. crowd-kit 1.4.2 gives the posteriors below after
# five rounds: DawidSkene(n_iter=5, tol=-1.0).fit_predict_proba, and OneCoinDawidSkene likewise.
ANSWERS = "200011112211212211102120222200000000020100022222"
# Unit: P(class 0), P(class 1), P(class 2) of the units that are not certain.
DAWID_SKENE_NUMBERS = {
    2: (1.772280698e-08, 9.999999788e-01, 3.506757512e-09),
    5: (1.000000000e-10, 3.959951813e-04, 9.996040048e-01),
    11: (2.183604515e-10, 1.000000000e-10, 9.999999998e-01),
}
ONE_COIN_NUMBERS = {
    0: (9.776555983e-01, 8.039933059e-04, 2.154040842e-02),
    2: (7.939432927e-03, 4.767699484e-01, 5.152906187e-01),
    5: (6.509900286e-03, 4.845160279e-03, 9.886449394e-01),
    9: (9.887979571e-01, 2.940424452e-03, 8.261618417e-03),
}


def posterior(model: str, rounds: int) -> Vector:
    """The peer's last round ends with the posterior, ours with the parameters."""
    answer = np.array([int(each) for each in ANSWERS])
    unit, who = np.repeat(np.arange(12), 4), np.tile(np.arange(4), 12)
    table = table_of_answers(unit, who, answer, units=12, annotators=4, answers=3)
    engine = Engine(model, table, NO_PRIOR, even=False)
    return engine.expect(engine.run(rounds - 1, 0.0))


@pytest.mark.parametrize(
    ("model", "numbers"), [(DAWID_SKENE, DAWID_SKENE_NUMBERS), (ONE_COIN, ONE_COIN_NUMBERS)]
)
def test_its_numbers(model: str, numbers: dict[int, tuple[float, ...]]) -> None:
    found = posterior(model, 5)
    for unit, expected in numbers.items():
        assert found[unit] == pytest.approx(expected, abs=1e-9)


def test_itself() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not (cache / "tandem" / f"crowd-kit-{bench.VERSION}" / "complete").exists():
        pytest.skip("crowd-kit is installed by `make bench-judges` only")
    unit, who, answer = bench.make_labels(2_000, seed=3)
    ours, _, _ = bench.measure_ours(unit, who, answer, 2_000)
    theirs, _ = bench.measure_crowd_kit(unit, who, answer)
    assert np.abs(ours - theirs).max() < 1e-6
