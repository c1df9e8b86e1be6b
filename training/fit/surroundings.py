"""What a run ran on: versions and hardware, for its report and its card."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from training.fit.team import Team

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "peft")


def surroundings(team: Team) -> dict[str, Any]:
    """Libraries, device and processes."""
    return {
        "device": device_name(team.device),
        "processes": team.size,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def device_name(device: torch.device) -> str:
    """The name of the GPU, or the architecture of the processor."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"cpu ({platform.machine()})"
