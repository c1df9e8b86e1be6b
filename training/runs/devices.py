"""Which GPUs this worker may use. Asked of the driver: no torch in here."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from jobs.exceptions import JobFailed

QUERY = "--query-gpu=index,uuid,memory.free,memory.total"


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes."""

    index: int
    uuid: str
    free: int
    total: int


def gpus() -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this worker, in its order; all without it."""
    found = _installed()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    chosen = []
    for name in filter(None, (part.strip() for part in visible.split(","))):
        gpu = next((gpu for gpu in found if _called(gpu, name)), None)
        if gpu is None:
            break  # CUDA too stops at the first that it does not know
        chosen.append(gpu)
    return chosen


def uses_gpu(device: str) -> bool:
    """Whether a run with this `device` trains on a GPU here."""
    return device != "cpu" and bool(gpus())


def require_device(device: str, processes: int) -> None:
    """Refuse a run for which this worker has not the GPUs.

    Raises:
        JobFailed: with what to change.
    """
    count = len(gpus()) if device != "cpu" else 0
    if device == "cuda" and not count:
        raise JobFailed(
            "This run asks for a GPU (`device` is cuda), and its worker sees none: start a GPU "
            "worker on a machine with one (docs/gpu-workers.md), or set `device` to auto or cpu."
        )
    if count and processes > count:
        raise JobFailed(
            f"This run asks for {processes} processes, one per GPU, and its worker sees {count}: "
            f"set `processes` to at most {count}, set `device` to cpu, or start a worker that "
            "sees more of them (docs/gpu-workers.md)."
        )


def _installed() -> list[Gpu]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, QUERY, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        lines = [line.split(",") for line in answer.stdout.splitlines() if line.strip()]
        return [
            Gpu(int(index), uuid.strip(), int(free) * 2**20, int(total) * 2**20)
            for index, uuid, free, total in lines
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _called(gpu: Gpu, name: str) -> bool:
    return name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name))
