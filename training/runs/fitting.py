"""The job of a run: write the folder, train in a process of its own, keep what it reports."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.context import JobContext
from jobs.exceptions import JobFenced
from training.fit.files import write_json
from training.registry import evaluations

from . import artifacts, data, services
from .commands import Event, run_in
from .config import data_of, local_config
from .devices import uses_gpu
from .memory import require_memory
from .models import Metric, Run

FLUSH_SECONDS = 1.0
NOT_FIGURES = ("step", "phase")


def fit(ctx: JobContext) -> dict[str, Any]:
    """The job kind "training.fit": arguments are `{"run": id}`."""
    return train(
        ctx, Run.objects.select_related("project", "snapshot").get(pk=ctx.arguments["run"])
    )


def train(ctx: JobContext, run: Run) -> dict[str, Any]:
    """Train from the newest checkpoint on, or from the start where there is none.

    Raises:
        JobFailed: it cannot be trained here; the message says what to change.
        JobFenced: another attempt took over; nothing was written after that.
    """
    workdir = services.workdir_of(run)
    artifacts.fetch_state(run, workdir)
    steps = artifacts.steps_on_disk(workdir)
    config = local_config(run.project, _prepared(ctx, run, steps))
    write_json(workdir / "config.json", config)
    ctx.log(require_memory(config))
    if steps:
        ctx.log(f"Resuming from the checkpoint of step {steps}.")
    with metrics_of(ctx, run, workdir) as writer, artifacts.sharing(run, workdir):
        report = run_in(
            ctx,
            "fit",
            workdir,
            on_event=writer,
            processes=config["processes"],
            on_cpu=not uses_gpu(config["device"]),
        )
    artifacts.publish_model(run, workdir)
    if selection := config["notes"].get("selection"):
        report["data"] = selection
    version = services.complete_run(ctx=ctx, run=run, report=report)
    evaluations.after_run(ctx, version)
    return {"run": run.pk, "model_version": version.pk, "eval": report.get("eval", {})}


def _prepared(ctx: JobContext, run: Run, steps: int) -> dict[str, Any]:
    """The configuration with the rows prepared for the run; a resumed run keeps its rows."""
    if steps and not (services.workdir_of(run) / "data" / data.MANIFEST).is_file():
        # Begun before rows were prepared.
        old: dict[str, Any] = run.config | {"data": data_of(run.snapshot)}
        return old
    prepared = data.prepare(run, ctx.progress)
    counts = prepared["counts"]
    ctx.log(f"{counts['rows']} rows with {counts['pairs']} pairs of {counts['prompts']} prompts.")
    config: dict[str, Any] = data.prepared_config(run, prepared)
    return config


class MetricWriter:
    """Collects metric events and writes them once a second."""

    def __init__(self, ctx: JobContext, run: Run) -> None:
        self.ctx = ctx
        self.run = run
        self.flushed = time.monotonic()
        self.waiting: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)

    def __call__(self, event: Event) -> None:
        if event["event"] == "metric":
            self.add(int(event["step"]), event["values"])
        if time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self.flush()

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Note the figures of one step."""
        self.waiting[self.split_of(step, values), step].update(values)

    def flush(self) -> None:
        """Write what was collected. Raises `JobFenced` where another attempt took over."""
        rows = [
            Metric(run=self.run, split=split, step=step, values=values)
            for (split, step), values in self.waiting.items()
        ]
        self.waiting.clear()
        self.flushed = time.monotonic()
        services.save_metrics(ctx=self.ctx, run=self.run, metrics=rows)

    def split_of(self, step: int, values: dict[str, Any]) -> str:
        if any(name.startswith("eval_") for name in values):
            return "eval"
        return "warmup" if step <= self.run.config["sft_warmup_steps"] else "train"


@contextmanager
def metrics_of(ctx: JobContext, run: Run, workdir: Path) -> Iterator[MetricWriter]:
    """A writer that is complete at the end, however the training ends.

    Lines that a lost runner had not written yet are gone from the pipe; the trainer's own history
    on disk fills the gap.
    """
    writer = MetricWriter(ctx, run)
    try:
        yield writer
    except JobFenced:
        raise
    except BaseException:
        _finish(writer, workdir)
        raise
    _finish(writer, workdir)


def _finish(writer: MetricWriter, workdir: Path) -> None:
    for entry in _history(workdir):
        figures = {name: value for name, value in entry.items() if name not in NOT_FIGURES}
        writer.add(int(entry["step"]), figures)
    writer.flush()


def _history(workdir: Path) -> list[dict[str, Any]]:
    """Figures by step as the trainer keeps them: at the end, or in its newest checkpoint."""
    done = workdir / "history.json"
    if done.is_file():
        finished: list[dict[str, Any]] = json.loads(done.read_text())
        return finished
    steps = artifacts.steps_on_disk(workdir)
    if not steps:
        return []
    try:
        state = json.loads((workdir / "checkpoints" / f"step-{steps}" / "state.json").read_text())
        history: list[dict[str, Any]] = state["history"]
    except (OSError, ValueError, LookupError, TypeError):
        return []  # damaged: the trainer passes it over, and must be heard about why it ended
    return history
