"""Running `python -m training <command>` for a job, here and in other rooms."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from numpy.typing import NDArray

from jobs.context import JobContext
from jobs.process import run_process
from training.fit.files import replace_file, write_json

from .folders import allowed_folder

Event = dict[str, Any]
OnEvent = Callable[[Event], None]

# What a child needs of our environment. Addresses and secrets of the services are not in it.
PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "NCCL_DEBUG",
    "NCCL_IB_DISABLE",
    "NCCL_P2P_DISABLE",
    "NCCL_SOCKET_IFNAME",
    "HF_HOME",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_WAIT_POLICY",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "TMPDIR",
    "TRAINING_HUB_ALLOWED",
    "WANDB_API_KEY",
    "WANDB_PROJECT",
    "XDG_CACHE_HOME",
)

# One machine, a port of its own choice, and precision and compilation as the command sets them.
LAUNCHER = [
    *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"),
    *("--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"),
]


def run_command(
    ctx: JobContext,
    command: str,
    config: dict[str, Any],
    *,
    on_event: OnEvent | None = None,
    name: str = "",
) -> dict[str, Any]:
    """Run a command of `python -m training` in `ctx.folder/<name or command>`; return its result.

    The command's files (embeddings, scores, generations) stay in that folder. A job that runs a
    command several times gives each a `name`.

    Raises:
        JobFailed: the command refused, crashed or was killed; the message says which.
    """
    workdir = ctx.folder / (name or command)
    write_json(workdir / "config.json", {"threads": threads()} | config)
    return run_in(ctx, command, workdir, on_event=on_event)


def embed_texts(
    ctx: JobContext, ids: Sequence[str], texts: Sequence[str], encoder: str | None = None
) -> tuple[list[str], NDArray[np.float32]]:
    """Embeddings (n, d) of unit length, and the ids in the order of the rows.

    `encoder` is a folder below MODEL_ROOTS; None takes the sentence encoder of the installation.

    Raises:
        InvalidInput: the encoder is not among the allowed models.
        JobFailed: as in `run_command`.
    """
    from safetensors.numpy import load_file  # comes with torch's extra, which the web lacks

    folder = ctx.folder / "embed"
    data = folder / "texts.parquet"
    table = pa.table({"id": list(map(str, ids)), "text": list(texts)})
    replace_file(data, lambda path: pq.write_table(table, path))
    chosen = str(allowed_folder(encoder, holds="config.json")) if encoder else None
    run_command(ctx, "embed", {"data": str(data), "encoder": chosen})
    order: list[str] = json.loads((folder / "ids.json").read_text())
    return order, load_file(folder / "embeddings.safetensors")["embeddings"]


def compare_texts(
    ctx: JobContext,
    texts: Sequence[tuple[str, int]],
    pairs: Sequence[tuple[int, int]],
    *,
    encoder: str | None = None,
    offset: int = 0,
    total: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings (n, d) of unit length of texts, and the BERTScore F1 (pairs,) of pairs of them.

    Args:
        texts: each with the character from which on its tokens are compared; pairs of texts that
            stand close together need least memory.
        pairs: row numbers of `texts`.
        encoder: as in `embed_texts`.
        offset, total: for the progress, where a job calls this several times.

    Raises:
        InvalidInput, JobFailed: as in `embed_texts`.
    """
    from safetensors.numpy import load_file  # comes with torch's extra, which the web lacks

    folder = ctx.folder / "similarity"
    data = folder / "texts.parquet"
    table = pa.table({"text": [text for text, _ in texts], "start": [start for _, start in texts]})
    replace_file(data, lambda path: pq.write_table(table, path))
    config = {
        "data": str(data),
        "pairs": [list(pair) for pair in pairs],
        "encoder": str(allowed_folder(encoder, holds="config.json")) if encoder else None,
        "offset": offset,
        "total": total,
    }
    run_command(ctx, "similarity", config)
    found = load_file(folder / "similarity.safetensors")
    return found["embeddings"], found["bertscore_f1"]


def run_in(
    ctx: JobContext,
    command: str,
    workdir: Path,
    *,
    on_event: OnEvent | None = None,
    processes: int = 1,
    on_cpu: bool = False,
) -> dict[str, Any]:
    """Run a command in a folder that already holds its `config.json`.

    Several `processes` share the work under `accelerate launch`, on a GPU each or on the CPU. A
    cancel reaches them through the launcher, and none outlives it.
    """
    launcher = [*LAUNCHER, "--num_processes", str(processes)] if processes > 1 else []
    on_cpu_only = {"ACCELERATE_USE_CPU": "true"} if launcher and on_cpu else {}
    return run_process(
        ctx,
        [sys.executable, *launcher, "-m", "training", command, str(workdir)],
        on_event=on_event,
        cwd=settings.BASE_DIR,
        env=environment() | on_cpu_only,
    )


def threads() -> int | None:
    """CPU threads of a training process; None leaves the choice to torch."""
    return settings.TRAINING_THREADS or None


def environment() -> dict[str, str]:
    """Environment of a training process: no secrets, no network for model files."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    limit = {"OMP_NUM_THREADS": str(threads())} if threads() else {}
    fixed = {
        # GPUs are numbered as nvidia-smi does, which says how much memory each has.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return passed | limit | fixed
