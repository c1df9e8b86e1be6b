"""The frozen probe: written once, and what versions are compared on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings

from core.exceptions import InvalidInput
from jobs.models import Job, LogLine
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot, rows
from tests.training.test_registry import finished_runs
from tests.training.test_runs_fit import start, work
from training.fit.figures.metrics import Outcome
from training.fit.figures.paired import difference
from training.objectives.preference import Preference
from training.registry import probes, scale, services
from training.registry.models import ModelVersion, Probe
from training.runs.services import start_run


def told(prompt: str, first: float, second: float) -> Outcome:
    return Outcome(Preference((1.0, 0.0)), prompt, (first, second), (1, 1))


def test_the_difference_is_taken_pair_by_pair_without_prompts_seen_in_training() -> None:
    ours = [told("a", 1, 0), told("b", 1, 0), told("c", 0, 1), told("d", 0, 1)]
    theirs = [told("a", 1, 0), told("b", 0, 1), told("c", 1, 0), told("d", 1, 0)]
    found = difference(ours, theirs, seen={"c", "d"})
    assert (found["accuracy"], found["accuracy_of_other"], found["difference"]) == (1.0, 0.5, 0.5)
    assert (found["prompts"], found["prompts_left_out"]) == (2, 2)
    assert found["interval"] == [0.0, 1.0]
    assert found["warning"] == "few prompts"
    assert difference(ours, theirs)["difference"] == pytest.approx(-0.25)
    assert difference(ours, theirs, seen=set("abcd"))["pairs"] == 0


@pytest.mark.django_db
def test_rewards_are_recentred_to_the_spread_of_production() -> None:
    first, second = (services.register_model(run=run) for run in finished_runs(2))
    assert scale.recentred(first, [3.0]) == [3.0]
    # Mean 2, standard deviation 2: the first keeps its spread and loses its mean.
    one = [told("a", 4, 0), told("b", 4, 0)]
    first.scale = scale.scale_on(one, None)
    assert first.scale == {"offset": 2.0, "factor": 1.0}
    # Mean 10, standard deviation 10: five times as wide as the first.
    second.scale = scale.scale_on([told("a", 20, 0), told("b", 0, 20)], (first, one))
    assert scale.recentred(second, [20.0, 10.0, 0.0]) == pytest.approx([2.0, 0.0, -2.0])
    # A third is as wide as the second after recentring, not before.
    third = scale.scale_on(one, (second, [told("a", 20, 0), told("b", 0, 20)]))
    assert third == pytest.approx({"offset": 2.0, "factor": 1.0})
    assert scale.scale_on([told("a", 5, 5)], None) == {"offset": 5.0, "factor": 1.0}


@pytest.mark.django_db
def test_a_probe_is_frozen_once_and_a_new_one_only_when_asked_for() -> None:
    project = make_project()
    snapshot = make_snapshot(project)
    probe = probes.ensure_probe(snapshot, "reward")
    assert probe is not None
    assert (probe.number, probe.rows) == (1, 24)
    path = probes.rows_of(probe)
    later = make_snapshot(project, train=50)
    assert probes.ensure_probe(later, "reward") == probe
    assert probes.freeze_probe(snapshot=later, kind="reward", created_by=None).number == 2
    assert Probe.objects.filter(kind="policy").count() == 0
    path.write_bytes(b"changed")
    with pytest.raises(InvalidInput, match="has been changed"):
        probes.rows_of(probe)


@pytest.mark.django_db
def test_a_probe_takes_all_prompts_in_turns_and_rows_that_can_be_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot = make_snapshot(make_project())
    columns = rows(6)
    columns["prompt_hash"] = ["a", "a", "b", "b", "c", "c"]
    columns["completions"][5] = ["only one"]
    columns["score"][5] = [1.0]
    path = Path(settings.MEDIA_ROOT) / snapshot.folder / "test.parquet"
    pq.write_table(pa.table(columns), path)
    monkeypatch.setattr(probes, "MOST_ROWS", 4)
    kept = pq.read_table(
        probes.rows_of(probes.freeze_probe(snapshot=snapshot, kind="reward", created_by=None))
    )
    hashes = kept.column("prompt_hash").to_pylist()
    assert set(hashes) == {"a", "b", "c"}
    assert len(hashes) == 4
    path.unlink()
    with pytest.raises(InvalidInput, match="no test rows"):
        probes.freeze_probe(snapshot=snapshot, kind="policy", created_by=None)
    assert probes.ensure_probe(snapshot, "policy") is None


@pytest.mark.django_db
def test_a_run_is_compared_with_production_on_the_probe() -> None:
    run = start()
    work(run)
    first = ModelVersion.objects.get(run=run)
    probe = first.metrics["probe"]
    assert probe["pairs"] == 24
    assert "production" not in probe
    assert set(first.scale) == {"offset", "factor"}
    assert first.gate["checks"]
    ModelVersion.objects.filter(pk=first.pk).update(stage="production")
    again = start_run(
        project=run.project, kind="reward", snapshot=run.snapshot, options=OPTIONS | {"seed": 5}
    )
    job = work(again)
    assert job.state == "succeeded"
    second = ModelVersion.objects.get(run=again)
    compared = second.metrics["probe"]["production"]
    assert (compared["version"], compared["prompts_left_out"]) == (first.pk, 0)
    assert compared["accuracy_of_other"] == probe["accuracy"]
    assert compared["difference"] == pytest.approx(
        second.metrics["probe"]["accuracy"] - probe["accuracy"]
    )
    # Shared units: on the probe both versions spread alike about 0.
    assert [np.mean(probed(job, version)) for version in (first, second)] == pytest.approx(
        [0, 0], abs=1e-5
    )
    assert np.std(probed(job, first)) == pytest.approx(np.std(probed(job, second)))
    assert second.scale["factor"] != 1.0
    names = [check["name"] for check in second.gate["checks"]]
    assert "difference to production" in names
    said = LogLine.objects.filter(job=job).values_list("message", flat=True)
    assert any(line.startswith("The gate ") for line in said)


def probed(job: Job, version: ModelVersion) -> list[float]:
    """What a version says of the probe in a job, on the scale that all versions share."""
    folder = Path(settings.VAR_DIR) / "jobs" / str(job.pk) / f"probe-{version.pk}"
    said = pq.read_table(folder / "outcomes.parquet")["scores"].to_pylist()
    return [reward for row in said for reward in scale.recentred(version, row)]
