"""The job that asks a model about a project's instances and writes down what it says."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.instances.models import Instance
from annotation.judges.writing import write_signals
from core.exceptions import NotFound
from jobs.context import JobContext
from training.fit.files import replace_file
from training.objectives.presets import resolve
from training.registry import folders
from training.registry.models import ModelVersion
from training.registry.scale import offset_and_factor, recentred
from training.runs.commands import run_command
from training.runs.models import RunKind
from training.runs.services import held

from . import selectors, values
from .relabelling import relabel_after

CHUNK = 4000
Signals = Iterator[tuple[int, str, float]]


def write_back(ctx: JobContext) -> dict[str, Any]:
    """The job kind "training.writeback": arguments {"version", "everything"}.

    Each chunk is written when it is scored: a job that is cancelled or lost keeps what it has
    paid for, and the next one goes on with what is missing.

    Raises:
        NotFound: the version is gone, or the rows it was trained on.
        JobFailed: the model's process refused or crashed; the message says why.
        JobFenced: another attempt took over; nothing was written after that.
    """
    version = (
        ModelVersion.objects.filter(project=ctx.job.project_id, pk=ctx.arguments["version"])
        .select_related("project", "run__snapshot")
        .first()
    )
    if version is None:
        raise NotFound("This model version is no longer in the registry.")
    rows = selectors.waiting(version, everything=bool(ctx.arguments.get("everything")))
    total, done, last = rows.count(), 0, 0
    ask = _asker(ctx, version)
    counts: Counter[str] = Counter()
    while chunk := selectors.window(rows, last, CHUNK):
        last = chunk[-1].pk
        signals = list(ask(chunk))
        with held(ctx):
            write_signals(selectors.tag_of(version), signals)
        counts.update(name for _, name, _ in signals)
        done += len(chunk)
        ctx.log(f"{done} of {max(total, done)} instances written.")
        ctx.progress(done, max(total, done), "instances written")
    sent = relabel_after(version, ctx.job)
    return {"instances": done, "signals": dict(sorted(counts.items())), "relabelled": sent}


def _asker(ctx: JobContext, version: ModelVersion) -> Callable[[Sequence[Instance]], Signals]:
    if version.kind == RunKind.REWARD:
        return RewardAsking(ctx, version, selectors.prompts_trained_on(version)).signals
    return PolicyAsking(ctx, version, _reference(ctx, version)).signals


def _reference(ctx: JobContext, version: ModelVersion) -> str | None:
    found = selectors.reference_of(version)
    if found is None:
        ctx.log("The policy's reference has no folder: no margin and no difficulty.", "warning")
    return str(found) if found else None


@dataclass(frozen=True)
class RewardAsking:
    """A reward model, and the prompts whose labels it knows."""

    ctx: JobContext
    version: ModelVersion
    trained_on: set[str]

    def signals(self, chunk: Sequence[Instance]) -> Signals:
        """`reward_margin`, `reward_variance` where the head has one, and `label_trust` of labels
        that the model was not trained on."""
        folder = str(folders.local(self.version))
        found = _run(self.ctx, "score", {"model": folder}, chunk)
        worths = selectors.worths(self.version.project, [each.pk for each in chunk])
        _, factor = offset_and_factor(self.version)
        for instance in chunk:
            said = found[str(instance.pk)]
            rewards = recentred(self.version, said["rewards"])
            yield instance.pk, "reward_margin", values.reward_margin(rewards)
            if said["variance"]:
                raw = values.reward_variance(rewards, said["variance"])
                yield instance.pk, "reward_variance", raw * factor**2
            if instance.prompt_hash not in self.trained_on and instance.pk in worths:
                trust = values.label_trust(rewards, worths[instance.pk])
                if trust is not None:
                    yield instance.pk, "label_trust", trust


@dataclass(frozen=True)
class PolicyAsking:
    """A policy and the folder of its reference."""

    ctx: JobContext
    version: ModelVersion
    reference: str | None

    def signals(self, chunk: Sequence[Instance]) -> Signals:
        """`policy_entropy`, and with a reference `implicit_margin` of pairs and `difficulty`."""
        config = {"model": str(folders.local(self.version)), "reference": self.reference}
        found = _run(self.ctx, "logps", config, chunk)
        worths = selectors.worths(self.version.project, [each.pk for each in chunk])
        for instance in chunk:
            said = found[str(instance.pk)]
            yield instance.pk, "policy_entropy", values.policy_entropy(said["logp"])
            if said["reference"] is None:
                continue
            if len(said["logp"]) == 2:
                margin = values.implicit_margin(said["logp"], said["reference"], self._beta)
                yield instance.pk, "implicit_margin", margin
            if instance.pk in worths:
                hard = values.difficulty(said["reference"], worths[instance.pk])
                if hard is not None:
                    yield instance.pk, "difficulty", hard

    @property
    def _beta(self) -> float:
        """Of the run's objective: chosen for the run, or its preset's own."""
        config = self.version.run.config
        preset = resolve("policy", config["preset"], config.get("preset_options") or {})
        return float(preset.beta)


def _run(
    ctx: JobContext, command: str, config: dict[str, Any], chunk: Sequence[Instance]
) -> Mapping[str, dict[str, Any]]:
    """What the command says of each instance, by its id as text."""
    folder = ctx.folder / command
    data = folder / "rows.parquet"
    table = pa.Table.from_pylist([selectors.row_of(instance) for instance in chunk])
    replace_file(data, lambda path: pq.write_table(table, path))
    result = run_command(ctx, command, config | {"data": str(data)})
    rows = pq.read_table(folder / result["file"]).to_pylist()
    return {row["instance_id"]: row for row in rows}
