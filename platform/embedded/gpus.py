"""Which GPUs each worker for models gets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

LIST_SECONDS = 20


def gpu_groups(environment: Mapping[str, str]) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each worker; one None where it is left as it is.

    TANDEM_GPUS says it ("0;1" two workers, "0,1" one that sees both); else one worker per GPU.
    """
    asked = environment.get("TANDEM_GPUS", "").strip()
    if asked:
        return [group.strip() for group in asked.split(";") if group.strip()]
    if "CUDA_VISIBLE_DEVICES" in environment:
        visible = environment["CUDA_VISIBLE_DEVICES"].split(",")
        return [name.strip() for name in visible if name.strip()] or [None]
    count = _installed()
    return [str(number) for number in range(count)] if count > 1 else [None]


def worker_environment(environment: Mapping[str, str], group: str | None) -> dict[str, str]:
    """The environment of the worker with these GPUs, numbered as nvidia-smi does."""
    if group is None:
        return dict(environment)
    return {**environment, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": group}


def _installed() -> int:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        listed = subprocess.run(
            [program, "-L"], capture_output=True, text=True, check=True, timeout=LIST_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
