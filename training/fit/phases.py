"""The phases of a fit: the likelihood warm-up, the reference, and the objective itself."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from training.batching.plan import MicroBatch, epoch_steps
from training.batching.tokenise import best_only
from training.fit import events
from training.fit.checkpoint import Checkpoints, restore
from training.fit.files import replace_folder
from training.fit.job import Job
from training.fit.lora import merged
from training.fit.mismatch import Mismatches
from training.fit.models import initial_model, load_model, weights_hash
from training.fit.optimiser import make_optimiser
from training.fit.policy_scorer import PolicyScorer
from training.fit.reference import ReferenceCache, check_step_zero, fill
from training.fit.samples import Samples
from training.fit.scorers import Scorer
from training.fit.trainer import Phase, Trainer
from training.objectives.presets import resolve


def warm_up(job: Job) -> None:
    """Next-token training on preferred completions; what comes out is the reference."""
    if not job.warmup_steps or job.state.step > job.warmup_steps:
        return
    phase = Phase(
        name="warmup",
        objective=resolve("policy", "sft"),
        first=0,
        steps=job.warmup_steps,
        learning_rate=job.config.sft_learning_rate or job.config.learning_rate,
        seed=job.config.seed + 1,
    )
    trainer = _trainer(job, phase)
    trainer.groups = [best_only(group) for group in job.train]
    trainer.run()
    if job.config.objective.needs_reference:
        job.revision = weights_hash(job.model)
    job.team.on_main(lambda: _keep_reference(job))


def _keep_reference(job: Job) -> None:
    folder = job.workdir / "reference"
    if folder.is_dir():
        return
    # Merging moves the last digits of the weights that go on training: a copy is merged.
    plain = job.model if job.adapters is None else merged(copy.deepcopy(job.adapters))
    replace_folder(folder, plain.save_pretrained)


def train(job: Job) -> None:
    """The steps of the run's objective, after its reference and the samples before it."""
    phase = Phase(
        name="train",
        objective=job.config.objective,
        first=job.warmup_steps,
        steps=job.main_steps,
        learning_rate=job.config.learning_rate,
        seed=job.config.seed,
    )
    trainer = _trainer(job, phase)
    trainer.reference = job.reference = _reference(job, trainer)
    _let_read(job)
    if job.config.kind == "policy" and job.config.sample_prompts:
        job.samples = Samples.prepare(job.config, job.tokenizer, job.rows, job.workdir)
        job.team.on_main(lambda: _samples_before(job))
    trainer.run()


def _samples_before(job: Job) -> None:
    assert job.samples is not None
    job.samples.before(lambda: job.model if job.untrained else reference_model(job))


def _trainer(job: Job, phase: Phase) -> Trainer:
    optimiser = make_optimiser(job.model, job.config.weight_decay, job.config.optimiser)
    if job.checkpoint is not None and phase.first <= job.state.step <= phase.end:
        at_start = job.state.step == phase.first
        restore(job.checkpoint, job.model, None if at_start else optimiser)
        # What follows builds on these weights; the phase after this one must not undo it.
        job.checkpoint = None
    return Trainer(
        config=job.config,
        phase=phase,
        scorer=job.scorer,
        optimiser=optimiser,
        groups=job.train,
        held_out=job.held_out,
        state=job.state,
        checkpoints=Checkpoints(job.workdir / "checkpoints"),
        best_weights=job.workdir / "best" / "weights.safetensors",
        total=job.warmup_steps + job.main_steps,
        team=job.team,
        board=job.board,
        reference=job.reference,
    )


def reference_model(job: Job) -> Any:
    """The reference, loaded anew: the model after the warm-up, or the base."""
    kept = job.workdir / "reference"
    state = torch.get_rng_state()
    if kept.is_dir():
        model = load_model(kept, "policy", job.config.dropout)
    else:
        model = initial_model(job.config, job.tokenizer)
    torch.set_rng_state(state)
    return model.to(job.model.device)


@contextlib.contextmanager
def reference_scorer(job: Job) -> Iterator[Scorer]:
    """The scorer of what the objective started from, while the model may be trained already.

    With adapters that is the model itself with its adapters off: no second model is loaded.
    """
    if job.untrained:
        yield job.scorer
    elif job.adapters is not None and not job.warmup_steps:
        with job.adapters.disable_adapter():
            yield job.scorer
    else:
        yield job.scorer_of(reference_model(job))


def _reference(job: Job, trainer: Trainer) -> ReferenceCache | None:
    """Cached log-probabilities of all groups under the reference, checked at step 0."""
    if not job.config.objective.needs_reference:
        return None
    # A checkpoint knows what a stopped run has compared with: after a warm-up the weights that
    # this process began with are others.
    job.state.revision = job.state.revision or job.revision
    job.team.on_main(lambda: _fill_reference(job, trainer))
    cache = _cache(job)
    if job.untrained:
        first = next(iter(trainer.plan(0)))
        members = [job.train[k] for k in first[0]]
        difference = check_step_zero(job.scorer, cache, members, job.config.precision)
        job.notes["step_zero_log_ratio"] = difference
    return cache


def _cache(job: Job) -> ReferenceCache:
    folder = job.config.reference_cache or str(job.workdir / "reference_cache")
    reads = job.config.objective.reads
    cache = ReferenceCache.open(
        Path(folder),
        job.state.revision,
        job.config.precision,
        per_token="reference_token_logp" in reads,
    )
    if "mismatched" in reads:
        parts = [
            Mismatches.among(part, job.config.max_length) for part in (job.train, job.held_out)
        ]
        cache.mismatches = parts[0] | parts[1]
    return cache


def _let_read(job: Job) -> None:
    """Let the scorer say what the objective reads beyond sums per completion."""
    if not isinstance(job.scorer, PolicyScorer):
        return
    job.scorer.reads = job.config.objective.reads
    job.scorer.mismatches = job.reference.mismatches if job.reference else None
    if "token_kl" in job.scorer.reads:
        scorer = job.scorer_of(reference_model(job).eval())
        assert isinstance(scorer, PolicyScorer)
        job.scorer.reference = scorer.backbone


def _fill_reference(job: Job, trainer: Trainer) -> None:
    cache = _cache(job)
    others = cache.mismatches.of([*job.train, *job.held_out]) if cache.mismatches else []
    if all(cache.holds(group) for group in (*job.train, *job.held_out, *others)):
        events.log(f"Reference log-probabilities: all found in the cache {cache.path.name}.")
        return
    computed = 0
    with reference_scorer(job) as scorer:
        if cache.per_token and isinstance(scorer, PolicyScorer):
            scorer.reads = frozenset({"token_logp"})
        for groups, batches in (
            (job.train, _first_epoch(job, trainer)),
            (job.held_out, [[k] for k in range(len(job.held_out))]),
            (others, [[k] for k in range(len(others))]),
        ):
            computed += fill(cache, scorer, groups, batches, lambda _done: job.pause())
    events.log(f"Reference log-probabilities: {computed} computed, cache {cache.path.name}.")


def _first_epoch(job: Job, trainer: Trainer) -> list[MicroBatch]:
    """The micro-batches of the first epoch: where rounding is that of the steps themselves."""
    plan = epoch_steps(
        [job.scorer.cost(group) for group in job.train],
        budget=job.config.token_budget,
        accumulate=job.config.accumulate,
        seed=trainer.phase.seed,
        epoch=0,
    )
    return [batch for step in plan for batch in step]
