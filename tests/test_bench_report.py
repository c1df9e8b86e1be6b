"""Every benchmark line has one shape, and a ratio above one means better."""

from __future__ import annotations

import json

import pytest

from tests.bench.report import FIELDS, Report, ratio


def test_a_measurement_is_one_json_line_and_a_row_of_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Report("queue") as report:
        report.add("claim", 13.04321, "ms", peer="other", peer_value=52.0)
        report.add("rows", 5.0, "1/s")
        report.not_measured("GPU", "no CUDA device")
    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert tuple(first) == tuple(second) == FIELDS
    assert first["value"] == 13.04
    assert first["ratio"] == pytest.approx(52 / 13.04321, rel=1e-3)
    assert (second["peer"], second["peer_value"], second["ratio"]) == (None, None, None)
    assert "not measured: GPU: no CUDA device" in err
    assert "claim" in err


def test_ratio_knows_which_direction_is_better() -> None:
    assert ratio(2.0, 4.0, higher_is_better=False) == 2.0
    assert ratio(2.0, 4.0, higher_is_better=True) == 0.5
    assert ratio(2.0, None, higher_is_better=True) is None
    assert ratio(0.0, 4.0, higher_is_better=False) is None
