"""The stages that use the labels: snapshot, reward model, policy, comparison, export."""

from typing import Any

from annotation.datasets.exporters import export as write_export
from annotation.datasets.services import build_snapshot
from jobs.exceptions import JobFailed
from jobs.waiting import wait
from training.runs.models import Run, RunKind
from training.runs.services import start_run

from .comparing import compare_mixes
from .population import TEST
from .work import Work

MOST_PASSES = 2.0
# What a round trains unless told otherwise: a laptop's two cores need about a minute for each.
SMALL: dict[str, dict[str, Any]] = {
    RunKind.REWARD: {
        "base": {"scratch": {"hidden_size": 128, "layers": 4, "heads": 4, "vocab_size": 4096}},
        "max_length": 256,
        "learning_rate": 5e-4,
    },
    # It learns the texts before it learns what is preferred.
    RunKind.POLICY: {
        "base": {"scratch": {"hidden_size": 128, "layers": 2, "heads": 4, "vocab_size": 1024}},
        "max_length": 256,
        "sft_warmup_steps": 100,
        "sft_learning_rate": 3e-3,
        "learning_rate": 3e-4,
    },
}
EXPORTS = (("trl", "jsonl"), ("pairs", "csv"), ("annotations", "parquet"))


def snapshot(work: Work) -> dict[str, Any]:
    """Freeze the labels; held-out prompts are the test split."""
    members = work.population.members
    assigned = {m.prompt_hash: "test" if m.split == TEST else "train" for m in members}
    row = build_snapshot(
        project=work.project,
        query={
            "criterion": work.criterion.key,
            "scope": "mixed",
            "splits": {"assigned": assigned},
            "exclude_ties": True,
        },
        created_by=work.row.created_by,
        name=f"round {work.row.number}",
    )
    work.row.snapshot = row
    work.row.save(update_fields=["snapshot"])
    return {"snapshot": row.content_hash, "rows": row.manifest["rows"]}


def reward(work: Work) -> dict[str, Any]:
    """Train the reward model of this round on the routed labels."""
    run = _train(work, RunKind.REWARD, work.options.reward, work.row.reward_run)
    work.row.reward_run = run
    work.row.save(update_fields=["reward_run"])
    return {"run": run.pk} | _figures(run)


def policy(work: Work) -> dict[str, Any]:
    """Run DPO on the routed labels."""
    run = _train(work, RunKind.POLICY, work.options.policy, work.row.policy_run)
    work.row.policy_run = run
    work.row.save(update_fields=["policy_run"])
    return {"run": run.pk} | _figures(run)


def _train(work: Work, kind: RunKind, options: dict[str, Any], started: Run | None) -> Run:
    """The run of this round, started unless an earlier attempt did; waits for its end.

    Raises:
        JobFailed: the run failed; its page says why, and it can be resumed there.
    """
    run = started
    if run is None or run.job is None or run.job.state in {"failed", "cancelled"}:
        if work.row.snapshot is None:
            raise JobFailed("The round has no snapshot yet.")
        run = start_run(
            project=work.project,
            kind=kind,
            snapshot=work.row.snapshot,
            options=_bounded(work, options or SMALL[kind]),
            created_by=work.row.created_by,
            name=f"Round {work.row.number}: {kind.label.lower()}",
            parent=work.context.job,
        )
        setattr(work.row, f"{kind}_run", run)
        work.row.save(update_fields=[f"{kind}_run"])
    if run.job is None:
        raise JobFailed("The run lost its job: start the round again.")
    (job,) = wait(work.context, [run.job])
    if job.state != "succeeded":
        raise JobFailed(f"{run} {job.state}: {job.error.splitlines()[0] if job.error else ''}")
    run.refresh_from_db()
    return run


def _bounded(work: Work, options: dict[str, Any]) -> dict[str, Any]:
    """The options with as many passes over the snapshot as the round's pairs allow."""
    if work.row.snapshot is None or options.get("steps") or options.get("epochs"):
        return options
    pairs = int(work.row.snapshot.manifest["rows"].get("train", 0))
    return options | {"epochs": min(MOST_PASSES, work.options.train_pairs / max(1, pairs))}


def _figures(run: Run) -> dict[str, Any]:
    """Plain numbers of the run's report, for the stage's line."""
    return {k: v for k, v in run.report.items() if isinstance(v, (int, float, str))}


def compare(work: Work) -> dict[str, Any]:
    """All-human, all-judge, random and routed mixes at the same budget, as measured."""
    return compare_mixes(work)


def export(work: Work) -> dict[str, Any]:
    """Write the data set in three shapes, ready to download."""
    if work.row.snapshot is None:
        raise JobFailed("The round has no snapshot yet.")
    rows = [
        write_export(snapshot=work.row.snapshot, shape=shape, format=form, job=work.context.job)
        for shape, form in EXPORTS
    ]
    return {"exports": [{"id": row.pk, "shape": row.shape, "rows": row.rows} for row in rows]}
