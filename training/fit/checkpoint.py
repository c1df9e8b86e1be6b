"""Checkpoints: safetensors and JSON, written whole, the last two kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.errors import RefusalError
from training.fit import events
from training.fit.files import drop_folder, replace_folder

KEPT = 2


@dataclass(slots=True)
class State:
    """Where a run is. Everything else follows from its configuration and its data.

    Attributes:
        step: optimiser steps done, warm-up included.
        history: figures by step.
        best: step and held-out figures of the best evaluation so far.
        stale: evaluations since then.
        ended: whether training was ended early.
        running: numbers that a stateful objective carries from step to step.
        revision: what the reference's log-probabilities are kept under.
        seconds: time spent in steps, over all processes of the run.
        tokens: tokens trained on.
    """

    fingerprint: str
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    ended: bool = False
    running: dict[str, float] = field(default_factory=dict)
    revision: str = ""
    seconds: float = 0.0
    tokens: int = 0


def trained_tensors(model: Any) -> dict[str, Tensor]:
    """Parameters with gradients, by name; the rest is as the base model has it."""
    parameters = model.named_parameters()
    return {name: p.detach().contiguous() for name, p in parameters if p.requires_grad}


def put_tensors(model: Any, tensors: dict[str, Tensor]) -> None:
    """Copy saved parameters into a model."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors.items():
            parameters[name].copy_(tensor)


def save_weights(model: Any, path: Path) -> None:
    """Trained parameters as one safetensors file."""
    save_file(trained_tensors(model), path)


def load_weights(model: Any, path: Path) -> None:
    """Read what `save_weights` wrote."""
    put_tensors(model, load_file(path))


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoint folder of one run."""

    folder: Path

    def save(self, model: Any, optimiser: torch.optim.Optimizer | None, state: State) -> None:
        """Write `step-N` and drop all but the newest two."""

        def write(folder: Path) -> None:
            save_weights(model, folder / "weights.safetensors")
            if optimiser is not None:
                save_file(_optimiser(model, optimiser), folder / "optimizer.safetensors")
            save_file(_generators(), folder / "rng.safetensors")
            (folder / "state.json").write_text(json.dumps(asdict(state)))

        replace_folder(self.folder / f"step-{state.step}", write)
        for old in self.all()[:-KEPT]:
            drop_folder(old)

    def all(self) -> list[Path]:
        """Checkpoint folders, oldest first."""
        folders = [path for path in self.folder.glob("step-*") if path.name[5:].isdecimal()]
        return sorted(folders, key=lambda path: int(path.name.removeprefix("step-")))

    def newest(self, fingerprint: str) -> tuple[Path, State] | None:
        """The newest checkpoint that can be read, and its state; a damaged one is passed over.

        Raises:
            RefusalError: the checkpoint was written under another configuration or other data.
        """
        for folder in reversed(self.all()):
            try:
                state = _read(folder)
            except (OSError, ValueError, TypeError, LookupError, SafetensorError) as error:
                told = f"The checkpoint {folder.name} is damaged and passed over: {error}"
                events.log(told, level="warning")
                continue
            if state.fingerprint != fingerprint:
                raise RefusalError(
                    "The work folder holds checkpoints of another configuration or other data.",
                    "Use an empty work folder, or restore the configuration.",
                )
            return folder, state
        return None


def _read(folder: Path) -> State:
    """The state of a checkpoint all of whose files are whole.

    A safetensors file that was cut off does not open: its header says how long it is.
    """
    state = State(**json.loads((folder / "state.json").read_text()))
    stored = sorted(folder.glob("*.safetensors"))
    missing = {"weights.safetensors", "rng.safetensors"} - {path.name for path in stored}
    if missing:
        message = f"{missing.pop()} is missing"
        raise FileNotFoundError(message)
    for path in stored:
        with safe_open(path, "pt"):
            pass
    return state


def restore(folder: Path, model: Any, optimiser: torch.optim.Optimizer | None) -> None:
    """Put weights, optimiser state and random generators back as they were."""
    load_weights(model, folder / "weights.safetensors")
    stored = folder / "optimizer.safetensors"
    if optimiser is not None and stored.is_file():
        _restore_optimiser(model, optimiser, load_file(stored))
    _restore_generators(load_file(folder / "rng.safetensors"))


def _optimiser(model: Any, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value.detach().contiguous()
    return tensors


def _restore_optimiser(
    model: Any, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    parameters = dict(model.named_parameters())
    for full, tensor in tensors.items():
        key, name = full.split("/", maxsplit=1)
        parameter = parameters[name]
        # The step counter stays where AdamW wants it; moments live beside their parameter.
        place = tensor if key == "step" and not parameter.is_cuda else tensor.to(parameter.device)
        optimiser.state[parameter][key] = place


def _generators() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
