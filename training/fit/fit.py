"""The command `fit`: a reward model or a policy from labelled rows, resumable at any step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from training.errors import RefusalError
from training.fit.conclude import conclude
from training.fit.config import load_config
from training.fit.files import write_json
from training.fit.job import Job, prepare
from training.fit.phases import train, warm_up
from training.fit.team import join_team
from training.fit.workfolder import work_folder


def run(workdir: Path) -> dict[str, Any]:
    """Train as `<workdir>/config.json` says and write `<workdir>/model/` and `report.json`.

    In the place of a work folder may stand a YAML or JSON file, see `work_folder`.

    Started again in the same folder it goes on from the newest checkpoint, and a finished run
    only repeats its result. Several processes of one launcher train together.
    """
    if workdir.is_file():
        workdir = work_folder(workdir)
    config = load_config(workdir / "config.json")
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    began = time.perf_counter()
    job = prepare(config, workdir, join_team(config.device))
    finished = job.team.on_main(lambda: _finished(job))
    if finished is not None:
        return finished
    warm_up(job)
    train(job)
    values = conclude(job)
    job.board.close()
    values["wall_seconds_this_process"] = round(time.perf_counter() - began, 3)
    job.team.on_main(lambda: _report(job, values))
    return values


def _report(job: Job, values: dict[str, Any]) -> None:
    report = {"fingerprint": job.state.fingerprint, "values": values}
    write_json(job.workdir / "report.json", report)


def _finished(job: Job) -> dict[str, Any] | None:
    path = job.workdir / "report.json"
    if not path.is_file():
        return None
    stored = json.loads(path.read_text())
    if stored["fingerprint"] != job.state.fingerprint:
        raise RefusalError(
            "The work folder holds the result of another configuration or other data.",
            "Use an empty work folder.",
        )
    values: dict[str, Any] = stored["values"]
    return values
