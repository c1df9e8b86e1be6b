"""Whether a run fits into the memory of this machine: a rough estimate, made before it starts."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from jobs.exceptions import JobFailed

# Bytes per parameter. Weights, gradients and the two moments of AdamW are float32; a checkpoint
# holds a copy of what it writes.
WEIGHTS = 4
TRAINED = 4 + 8 + 8
# With LoRA only adapters are trained: about this share of the parameters.
ADAPTER_SHARE = 0.02
# Activations kept for the backward pass, per token, layer and unit of the hidden size: about 34
# values of an attention block and its MLP (arXiv 2205.05198), 4 bytes each.
ACTIVATIONS = 34 * 4
# Python, torch, transformers and a chunk of logits. With it the estimate was 1.1 to 1.3 times the
# measured peak of four fits from 0.1 to 28 million parameters on a CPU.
RUNTIME = 600 * 2**20
HIDDEN = ("hidden_size", "n_embd", "d_model")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")


@dataclass(frozen=True)
class Size:
    """What decides the memory of a model."""

    parameters: int
    hidden: int
    layers: int


def require_memory(config: dict[str, Any]) -> str:
    """A line for the log that says what the run needs and what there is.

    Raises:
        JobFailed: the run needs more than is available, with what to change.
    """
    needed = estimate(config)
    place, available = device_memory(config["device"])
    text = f"about {_gib(needed)} of {_gib(available)} available {place} memory"
    if needed > available:
        raise JobFailed(
            f"This run needs {text}: use a smaller base model, a smaller `token_budget` or "
            "`max_length`, or `lora`, or free some memory; then resume it."
        )
    return f"Needs {text} (estimate)."


def estimate(config: dict[str, Any]) -> int:
    """Bytes at the peak of a run, from the configuration of its fit."""
    size = size_of(config["base"])
    trained: float = size.parameters * (ADAPTER_SHARE if config["lora"] else 1.0)
    # A prompt over the budget stands alone: with two completions it has up to 2 * max_length.
    tokens = max(int(config["token_budget"]), 2 * int(config["max_length"]))
    activations = tokens * size.layers * size.hidden * ACTIVATIONS
    return round(RUNTIME + WEIGHTS * size.parameters + TRAINED * trained + activations)


def size_of(base: dict[str, Any]) -> Size:
    """The size of the model to be trained: from its configuration, or from its files' headers."""
    scratch = base.get("scratch")
    if scratch is not None:
        hidden, layers = int(scratch["hidden_size"]), int(scratch["layers"])
        # Attention has 4 H x H matrices, the gated MLP 3 of H x 4H.
        parameters = int(scratch["vocab_size"]) * hidden + layers * 16 * hidden**2
        return Size(parameters, hidden, layers)
    folder = Path(base["path"])
    settings = json.loads((folder / "config.json").read_text())
    settings = settings.get("text_config", settings)
    parameters = sum(stored_numbers(path) for path in folder.glob("*.safetensors"))
    return Size(parameters, _first(settings, HIDDEN), _first(settings, LAYERS))


def stored_numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, read from its header."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    shapes: list[list[int]] = [
        entry["shape"] for name, entry in header.items() if name != "__metadata__"
    ]
    return sum(prod(shape) for shape in shapes)


def device_memory(device: str) -> tuple[str, int]:
    """("GPU" or "main", free bytes) of the device the run will take."""
    free = None if device == "cpu" else _free_gpu_bytes()
    return ("main", available_bytes()) if free is None else ("GPU", free)


def available_bytes() -> int:
    """Bytes this process may still take: the kernel's estimate, or the container's limit."""
    meminfo = Path("/proc/meminfo").read_text()
    free = int(meminfo.split("MemAvailable:")[1].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, max(limit - used, 0))


def _free_gpu_bytes() -> int | None:
    """Free bytes of the emptiest GPU; None without one. Asked of the driver: no torch in here."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
        return max(int(line) for line in found.stdout.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _first(settings: dict[str, Any], names: tuple[str, ...]) -> int:
    return next((int(settings[name]) for name in names if settings.get(name)), 0)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
