"""Whether a run fits into the memory of the machine that runs it, estimated before it starts.

Ratio of the estimate to the measured peak of fits on a CPU (torch 2.13, transformers 5):
    reward model, 7 million parameters, budget 2048: 1.08
    reward model, 36 million, budget 2048: 1.06
    the same with gradient checkpointing, budget 4096: 1.15
    the same as a policy (dpo): 1.11
    the same on 8 completions a row: 1.42 (rows were shorter than `max_length` allows)
"""

import json
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.datasets.models import Snapshot
from core import artifacts
from core.exceptions import InvalidInput
from jobs.exceptions import JobFailed

from .config import fit_config
from .devices import gpus, require_device, uses_gpu

# Bytes per parameter. Weights, gradients and the two moments of AdamW are float32, also under
# bf16, which keeps copies of the weights in bfloat16 for the time of a step.
WEIGHTS, GRADIENTS, MOMENTS, HALF = 4, 4, 8, 2
# In main memory a checkpoint is put together before it is written.
CHECKPOINT = 8
# With LoRA only adapters are trained: about this share of the parameters.
ADAPTER_SHARE = 0.02
# Values kept for the backward pass per token, layer and unit of the hidden size: about 34 of an
# attention block and its MLP (arXiv 2205.05198); with gradient checkpointing the block's input, and
# all of one block at a time with its gradients.
KEPT, KEPT_CHECKPOINTED, BLOCK = 34, 4, 3 * 34
# Python, torch, transformers and a chunk of logits; on a GPU the CUDA context instead.
RUNTIME = 600 * 2**20
# A mask over the micro-batch's tokens, a byte and a float32 for each pair.
MASK = 5
HIDDEN = ("hidden_size", "n_embd", "d_model")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
SMALLEST_BUDGET = 256
# What reading the files of a model ends in where they are none.
DAMAGED = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Size:
    """What decides the memory of a model."""

    parameters: int
    hidden: int
    layers: int


@dataclass(frozen=True)
class Preview:
    """What a run needs and what there is, in bytes per device; `advice` where it does not fit."""

    needed: int
    available: int
    place: str
    fits: bool
    advice: str

    def __str__(self) -> str:
        text = f"about {gib(self.needed)} of {gib(self.available)} available {self.place} memory"
        return text if self.fits else f"{text}: {self.advice}"


def preview(kind: str, snapshot: Snapshot, options: dict[str, Any]) -> Preview:
    """The estimate for a run that is not there yet, against the memory of this machine.

    The worker that takes the run looks again at its own.

    Raises:
        InvalidInput: as `training.runs.config.fit_config`.
    """
    return preview_of(fit_config(kind, snapshot, options))


def preview_of(config: dict[str, Any]) -> Preview:
    """The estimate for a complete configuration whose files are at hand."""
    widest = widest_row(Path(config["data"]["train"]))
    needed = estimate(config, widest)
    place, available = device_memory(config)
    fits = needed <= available
    return Preview(
        needed, available, place, fits, "" if fits else advice(config, widest, available)
    )


def require_memory(config: dict[str, Any]) -> str:
    """A line for the log that says what the run needs and what there is.

    Raises:
        JobFailed: the run needs more than is available, or a GPU that is not here, with what to
            change.
    """
    require_device(config["device"], config["processes"])
    found = preview_of(config)
    if not found.fits:
        raise JobFailed(f"This run needs {found}")
    return f"Needs {found} (estimate)."


def estimate(config: dict[str, Any], completions: int = 2) -> int:
    """Bytes at the peak of a run on one device: of a GPU, or of main memory for all processes.

    `completions` is the most that one row has: a row over the budget stands alone.
    """
    gpu = uses_gpu(config["device"])
    one = max(_training(config, completions, gpu), _comparing(config))
    return round(RUNTIME + one) * (1 if gpu else int(config["processes"]))


def _training(config: dict[str, Any], completions: int, gpu: bool) -> float:
    size = size_of(config["base"])
    trained = size.parameters * _trained_share(config, size)
    states = GRADIENTS + MOMENTS + (0 if gpu else CHECKPOINT)
    half = HALF if config["precision"] == "bf16" else 0
    tokens = most_tokens(config, completions)
    return (
        (WEIGHTS + half) * size.parameters
        + states * trained
        + _activations(config, size, tokens)
        + MASK * tokens**2
    )


def _comparing(config: dict[str, Any]) -> float:
    """The policy and one reference beside it, as where samples are compared at the end."""
    if config["kind"] != "policy":
        return 0.0
    size = size_of(config["base"])
    trained = size.parameters * _trained_share(config, size)
    return 2 * WEIGHTS * size.parameters + (GRADIENTS + MOMENTS) * trained


def _activations(config: dict[str, Any], size: Size, tokens: int) -> float:
    width = 2 if config["precision"] == "bf16" else 4
    layers = size.layers
    kept = KEPT_CHECKPOINTED * layers + BLOCK if config["gradient_checkpointing"] else KEPT * layers
    return float(tokens * size.hidden * kept * width)


def _trained_share(config: dict[str, Any], size: Size) -> float:
    if config["lora"]:
        return ADAPTER_SHARE
    frozen = min(int(config["freeze_layers"]), size.layers)
    return 1.0 - frozen / (size.layers + 1) if size.layers else 1.0


def most_tokens(config: dict[str, Any], completions: int) -> int:
    """Tokens of the largest micro-batch: the budget, or one row that is larger."""
    longest, prompt = int(config["max_length"]), config["max_prompt_length"]
    prompt = int(prompt or longest // 2)
    row = completions * longest
    if config["layout"] == "shared":
        row = prompt + completions * (longest - prompt)
    return max(int(config["token_budget"]), row)


def widest_row(path: Path) -> int:
    """The most completions of a row, read from the column of scores alone."""
    lengths = (
        len(scores or ())
        for batch in pq.ParquetFile(path).iter_batches(columns=["score"])
        for scores in batch.column(0).to_pylist()
    )
    return max(lengths, default=2)


# --- What to change -------------------------------------------------------------------------


def advice(config: dict[str, Any], completions: int, available: int) -> str:
    """The smallest change that would fit, with its value; else what else there is."""
    for change in (_smaller_budget, _checkpointed, _fewer_processes, _shorter, _adapters):
        changed = change(config, completions, available)
        if changed is not None and estimate(config | changed, completions) <= available:
            return f"set {' and '.join(_written(*item) for item in changed.items())}, then resume."
    return (
        "use a smaller base model, more `freeze_layers` or a machine with more memory, or free "
        "some memory; then resume it."
    )


def _smaller_budget(config: dict[str, Any], completions: int, available: int) -> dict[str, Any]:
    return {"token_budget": _largest_budget(config, completions, available)}


def _checkpointed(config: dict[str, Any], completions: int, available: int) -> dict[str, Any]:
    changed = {"gradient_checkpointing": True}
    return changed | {
        "token_budget": _largest_budget(config | changed, completions, available),
    }


def _fewer_processes(
    config: dict[str, Any], completions: int, available: int
) -> dict[str, Any] | None:
    if config["processes"] == 1:
        return None
    fits = (
        count
        for count in range(config["processes"] - 1, 0, -1)
        if estimate(config | {"processes": count}, completions) <= available
    )
    return {"processes": next(fits, 1)}


def _shorter(config: dict[str, Any], completions: int, available: int) -> dict[str, Any]:
    half = {
        "max_length": max(int(config["max_length"]) // 2, 16),
        "max_prompt_length": None,
        "gradient_checkpointing": True,
    }
    return half | {"token_budget": _largest_budget(config | half, completions, available)}


def _adapters(config: dict[str, Any], completions: int, available: int) -> dict[str, Any] | None:
    if config["lora"] or config["base"].get("path") is None:
        return None
    changed = {"lora": {"r": 8}, "gradient_checkpointing": True}
    return changed | {"token_budget": _largest_budget(config | changed, completions, available)}


def _largest_budget(config: dict[str, Any], completions: int, available: int) -> int:
    """The configured budget, halved until it fits or until one row is larger."""
    budget = int(config["token_budget"])
    while budget > SMALLEST_BUDGET and not _fits(
        config | {"token_budget": budget}, completions, available
    ):
        budget //= 2
    return budget


def _fits(config: dict[str, Any], completions: int, available: int) -> bool:
    return estimate(config, completions) <= available


def _written(name: str, value: object) -> str:
    return f"`{name}` to {json.dumps(value)}"


# --- The size of a model --------------------------------------------------------------------


def size_of(base: dict[str, Any]) -> Size:
    """The size of the model to be trained: from its configuration, or from its files' headers."""
    scratch = base.get("scratch")
    if scratch is not None:
        hidden, layers = int(scratch["hidden_size"]), int(scratch["layers"])
        # Attention has 4 H x H matrices, the gated MLP 3 of H x 4H.
        parameters = int(scratch["vocab_size"]) * hidden + layers * 16 * hidden**2
        return Size(parameters, hidden, layers)
    folder = _hub_folder(base) if base.get("hub") else Path(base["path"])
    settings, parameters = _stored(folder)
    settings = settings.get("text_config", settings)
    return Size(parameters, _first(settings, HIDDEN), _first(settings, LAYERS))


def _hub_folder(base: dict[str, Any]) -> Path:
    """Where a model of the hub lies once it was fetched; before that its size is not known."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    name = f"models--{base['hub'].replace('/', '--')}"
    return home / "hub" / name / "snapshots" / str(base["revision"])


def _stored(folder: Path) -> tuple[dict[str, Any], int]:
    """config.json and the number of parameters of a folder, here or published by another worker."""
    if folder.is_dir():
        try:
            numbers = sum(stored_numbers(path) for path in folder.glob("*.safetensors"))
            return _settings((folder / "config.json").read_text()), numbers
        except DAMAGED as error:
            raise InvalidInput(
                f"The model folder {folder.name} is damaged: {str(error)[:200]}. Save it again."
            ) from error
    name = "/".join(folder.parts[-3:])
    manifest = artifacts.newest(name) if artifacts.shared() else None
    text = artifacts.read(name, "config.json") if manifest else None
    if manifest is None or text is None:
        return {}, 0
    weights = [entry.size for entry in manifest.entries if entry.path.endswith(".safetensors")]
    return json.loads(text), sum(weights) // WEIGHTS


def _settings(text: str) -> dict[str, Any]:
    settings = json.loads(text)
    if not isinstance(settings, dict) or not isinstance(settings.get("text_config", {}), dict):
        message = "config.json is no object"
        raise TypeError(message)
    return settings


def stored_numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, read from its header.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it is no such file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            message = f"{path.name} is cut off, or no safetensors file"
            raise ValueError(message)
        header = json.loads(file.read(length))
    shapes: list[list[int]] = [
        entry["shape"] for name, entry in header.items() if name != "__metadata__"
    ]
    return sum(prod(shape) for shape in shapes)


def device_memory(config: dict[str, Any]) -> tuple[str, int]:
    """("GPU" or "main", free bytes) of the device the run will take.

    Of several GPUs the one with the least free memory among those it takes decides.
    """
    found = gpus() if config["device"] != "cpu" else []
    if not found:
        return "main", available_bytes()
    taken = found[: int(config["processes"])]
    return "GPU", min(gpu.free for gpu in taken)


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


def gib(count: int) -> str:
    """Bytes for reading."""
    return f"{count / 2**30:.1f} GiB"


def _first(settings: dict[str, Any], names: tuple[str, ...]) -> int:
    known = (settings.get(name) for name in names)
    return next((value for value in known if isinstance(value, int) and value > 0), 0)
