"""What each stage of an online round runs, in the order of its titles."""

from collections.abc import Callable
from typing import Any

from annotation.consensus import services as consensus
from annotation.consensus.models import Consensus
from annotation.datasets.services import build_snapshot
from annotation.instances.models import Instance
from annotation.queue.services import settle_instances
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.exceptions import JobFailed
from jobs.models import Job
from jobs.waiting import wait
from training.registry.models import ModelVersion
from training.runs.models import Run, RunKind
from training.runs.services import start_run

from . import candidates, serving
from .generating import FILE, GENERATE
from .labelling import instances_of, label, show
from .measuring import MEASURE
from .prompts import drawn, is_held_out, messages_of
from .work import Work, chosen_version

Stage = Callable[[Work], dict[str, Any]]
# Labelled pairs of held-out prompts that choose the best weights of a run.
MOST_TEST_PAIRS = 2000


def prepare(work: Work) -> dict[str, Any]:
    """Fix the versions and draw the prompts: whatever is promoted later, the round keeps them."""
    options = work.options
    policy = chosen_version(work.project, RunKind.POLICY, options.policy)
    if policy is None and not options.served:
        raise InvalidInput(
            "The project has no policy yet: train one, or name a server that answers."
        )
    reward = chosen_version(work.project, RunKind.REWARD, options.reward)
    if reward is None and options.reward:
        # One that nobody promoted yet still chooses, and tells old from new.
        reward = chosen_version(work.project, RunKind.REWARD, "last")
    if reward is None and options.scored:
        raise InvalidInput(
            "The project has no reward model yet: train one, or choose `select` random and labels "
            "of a judge or of people."
        )
    asked, held_out = drawn(
        work.project, count=options.prompts, test_share=options.test_share, seed=options.seed
    )
    return {
        "policy_version": policy.pk if policy else 0,
        "reward_version": reward.pk if reward else 0,
        "prompts": len(asked),
        "held_out_prompts": len(held_out),
        "asked": asked,
        "measured_on": held_out,
    }


def generate(work: Work) -> dict[str, Any]:
    """Candidates for every prompt, scored where there is a reward model."""
    asked: dict[str, int] = work.noted("prepare", "asked")
    texts = messages_of(list(asked.values()))
    prompts = [(h, texts[pk]) for h, pk in asked.items() if pk in texts]
    target = work.folder / FILE
    if work.options.served and not target.is_file():
        rows = serving.answered(work, prompts)
        said = target.with_suffix(".said") if work.noted("prepare", "reward_version") else target
        candidates.write(said, rows)
    if not target.is_file():
        arguments = {
            "round": work.row.pk,
            "file": FILE,
            "prompts": prompts if not work.options.served else [],
            "draws": work.options.candidates,
            "policy": 0 if work.options.served else work.noted("prepare", "policy_version"),
            "reward": work.noted("prepare", "reward_version"),
        }
        _child(work, GENERATE, arguments)
    rows = candidates.read(target)
    tokens = [n for row in rows for n in row.tokens]
    return {"candidates": len(tokens), "mean_tokens": sum(tokens) / max(len(tokens), 1)}


def _child(work: Work, kind: str, arguments: dict[str, Any]) -> Job:
    """A job of its own, on the queue of the workers that hold models; waits for its end."""
    job = jobs.submit(kind=kind, project=work.project, arguments=arguments, parent=work.context.job)
    (ended,) = wait(work.context, [job])
    if ended.state != "succeeded":
        raise JobFailed(f"{kind} {ended.state}: {ended.error or 'it was stopped.'}")
    return ended


def select(work: Work) -> dict[str, Any]:
    """Choose what is shown; it becomes instances of the project."""
    outcome = show(work, candidates.read(work.folder / FILE))
    if not outcome["instances"]:
        raise JobFailed(
            "No prompt has two different answers: raise the temperature, or train the policy first."
        )
    return outcome


def settle(work: Work) -> dict[str, Any]:
    """Bring the labels of the round's instances together."""
    count = consensus.update(project=work.project)
    settle_instances(instances_of(work))
    return {"consensus": count}


def snapshot(work: Work) -> dict[str, Any]:
    """Freeze the round's labels; earlier labels on held-out prompts are the test split."""
    ours = Instance.objects.filter(pk__in=instances_of(work))
    test = _held_out(work)
    hashes = dict.fromkeys(ours.values_list("prompt_hash", flat=True), "train")
    hashes |= dict.fromkeys(test.values(), "test")
    row = build_snapshot(
        project=work.project,
        query={
            "criterion": work.criterion.key,
            "scope": "mixed",
            "splits": {"assigned": hashes},
            "instances": {
                "external_ids": [*ours.values_list("external_id", flat=True), *test],
            },
            "exclude_ties": False,
        },
        created_by=work.row.created_by,
        name=f"round {work.row.number}",
    )
    work.row.snapshot = row
    work.row.save(update_fields=["snapshot"])
    return {"snapshot": row.content_hash, "rows": row.manifest["rows"].get("train", 0)}


def _held_out(work: Work) -> dict[str, str]:
    """Labelled instances of held-out prompts: external id and prompt hash."""
    salt, share = work.project.protocol.salt, work.options.test_share
    rows = Consensus.objects.filter(instance__project=work.project, criterion=work.criterion)
    known = rows.order_by("instance_id").values_list(
        "instance__external_id", "instance__prompt_hash"
    )
    found = {name: h for name, h in known.iterator() if is_held_out(h, salt, share)}
    return dict(list(found.items())[:MOST_TEST_PAIRS])


def reward(work: Work) -> dict[str, Any]:
    """Train the reward model on the round's labels, where it was asked for."""
    if not work.options.retrain_reward:
        return {"kept": "the reward model stays as it is"}
    base = work.version("reward")
    return _train(work, RunKind.REWARD, base, work.options.reward_training)


def policy(work: Work) -> dict[str, Any]:
    """Train the policy that answered, or a server's stand-in, on the round's labels."""
    plan = work.options.plan
    options = {"preset": plan.objective, "preset_options": plan.options} | work.options.training
    return _train(work, RunKind.POLICY, work.version("policy"), options)


def _train(
    work: Work, kind: RunKind, base: ModelVersion | None, options: dict[str, Any]
) -> dict[str, Any]:
    """The run of this round, started unless an earlier attempt did; waits for its end.

    Raises:
        JobFailed: the run failed; its page says why, and it can be resumed there.
    """
    field = f"{kind}_run"
    run: Run | None = getattr(work.row, field)
    if run is None or run.job is None or run.job.state in {"failed", "cancelled"}:
        if work.row.snapshot is None:
            raise JobFailed("The round has no snapshot yet.")
        start = _continuing(base) if base else {}
        run = start_run(
            project=work.project,
            kind=kind,
            snapshot=work.row.snapshot,
            options=start | options,
            created_by=work.row.created_by,
            name=f"Round {work.row.number}: {kind.label.lower()}",
            parent=work.context.job,
        )
        setattr(work.row, field, run)
        work.row.save(update_fields=[field])
    if run.job is None:
        raise JobFailed("The run lost its job: start the round again.")
    (job,) = wait(work.context, [run.job])
    if job.state != "succeeded":
        raise JobFailed(f"{run} {job.state}: {job.error.splitlines()[0] if job.error else ''}")
    run.refresh_from_db()
    plain = {k: v for k, v in run.report.items() if isinstance(v, (int, float, str))}
    return {"run": run.pk, "version": run.model_version.pk} | plain


def _continuing(base: ModelVersion) -> dict[str, Any]:
    """Go on from a version, at the length it knows."""
    return {"base": {"version": base.pk}, "max_length": base.run.config["max_length"]}


def evaluate(work: Work) -> dict[str, Any]:
    """The new policy beside the old one by the reward model, on prompts that no round asks."""
    after = int(work.noted("policy", "version"))
    before = int(work.noted("prepare", "policy_version"))
    judge = int(work.noted("reward", "version") or work.noted("prepare", "reward_version") or 0)
    values = {"policy_version": after, "policy_before": before}
    if not (before and judge):
        return values | {"not_measured": "needs a policy to compare with and a reward model"}
    measured = _child(
        work,
        MEASURE,
        {
            "round": work.row.pk,
            "before": before,
            "after": after,
            "reward": judge,
            "prompts": work.noted("prepare", "measured_on"),
        },
    )
    return values | dict(measured.result or {})


STAGES: dict[str, Stage] = {
    "prepare": prepare,
    "generate": generate,
    "select": select,
    "label": label,
    "consensus": settle,
    "snapshot": snapshot,
    "reward": reward,
    "policy": policy,
    "evaluate": evaluate,
}
