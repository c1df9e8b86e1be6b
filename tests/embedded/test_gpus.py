"""Which GPUs each worker of the embedded set-up gets."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from embedded import gpus
from embedded.programs import application_programs


@pytest.fixture(autouse=True)
def _two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H (UUID: a)'\necho 'GPU 1: H (UUID: b)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("environment", "groups"),
    [
        ({}, ["0", "1"]),
        ({"TANDEM_GPUS": "0,1"}, ["0,1"]),
        ({"TANDEM_GPUS": "0; 1,2;"}, ["0", "1,2"]),
        ({"CUDA_VISIBLE_DEVICES": "3"}, ["3"]),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, ["1", "0"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, [None]),
    ],
)
def test_every_worker_has_gpus_of_its_own(environment: dict[str, str], groups: list[Any]) -> None:
    assert gpus.gpu_groups(environment) == groups


def test_a_machine_without_gpus_has_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert gpus.gpu_groups({}) == [None]
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.gpu_groups({}) == [None]


def test_a_worker_per_gpu_takes_one_job_at_a_time_and_holds_none_back(tmp_path: Path) -> None:
    services = cast("Any", SimpleNamespace(var=tmp_path, owner=None))
    with socket.socket() as listener:
        programs = {p.name: p for p in application_programs(services, {"A": "1"}, listener)}
    assert set(programs) == {"web", "worker", "gpu-worker", "gpu-worker-1", "beat"}
    for name, node, number in (("gpu-worker", "gpu@%h", "0"), ("gpu-worker-1", "gpu1@%h", "1")):
        command = list(programs[name].command)
        assert node in command
        assert command[-4:] == ["gpu", "-c", "1", "--prefetch-multiplier=1"]
        assert programs[name].environment["CUDA_VISIBLE_DEVICES"] == number
    assert "CUDA_VISIBLE_DEVICES" not in programs["worker"].environment
