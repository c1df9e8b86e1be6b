"""Figures beside the run for other programs: TensorBoard's event files, Weights & Biases."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.fit import events
from training.fit.checkpoint import State
from training.fit.config import FitConfig


@dataclass(frozen=True, slots=True)
class Board:
    """Where figures go; nowhere, in a process that does not write.

    Attributes:
        files: tensorboardX writer.
        online: run of Weights & Biases.
    """

    files: Any = None
    online: Any = None

    @classmethod
    def open(cls, config: FitConfig, workdir: Path, state: State, *, writes: bool) -> Board:
        """Boards of a run that goes on after `state.step`."""
        if not writes:
            return cls()
        return cls(_files(config, workdir, state.step), _online(workdir, state))

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        """Figures of one step, under the name of their phase."""
        if self.files is not None:
            for name, value in values.items():
                self.files.add_scalar(f"{phase}/{name}", value, step)
        if self.online is not None:
            named = {f"{phase}/{name}": value for name, value in values.items()}
            self.online.log(named, step=step)

    def flush(self) -> None:
        """Bring the figures to disk, as often as checkpoints are."""
        if self.files is not None:
            self.files.flush()

    def close(self) -> None:
        """Nothing follows."""
        if self.files is not None:
            self.files.close()
        if self.online is not None:
            self.online.finish()


def _files(config: FitConfig, workdir: Path, step: int) -> Any:
    if not config.tensorboard:
        return None
    from tensorboardX import SummaryWriter

    # Readers drop what a killed process had written after its last checkpoint.
    purge = step + 1 if step else None
    # A file is named by the second; one that goes on must not take the name of the one before.
    suffix = f".{step:09d}"
    return SummaryWriter(
        str(workdir / "tensorboard"), purge_step=purge, filename_suffix=suffix, flush_secs=30
    )


def _online(workdir: Path, state: State) -> Any:
    if not os.environ.get("WANDB_API_KEY"):
        return None
    if importlib.util.find_spec("wandb") is None:
        events.log("WANDB_API_KEY is set, but wandb is not installed: nothing is sent there.")
        return None
    wandb = importlib.import_module("wandb")
    # The identifier follows from configuration and data, so a resumed run is the same one.
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", "tandem"),
        id=state.fingerprint[:32],
        dir=str(workdir),
        resume="allow",
    )
