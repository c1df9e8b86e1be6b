"""What a policy is compared with: its own start, or policies that the configuration names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from training.batching.plan import MicroBatch, epoch_steps
from training.errors import RefusalError
from training.fit import events
from training.fit.config import Reference
from training.fit.job import Job
from training.fit.models.loading import initial_model, load_model, weights_hash
from training.fit.reference.cache import ReferenceCache, check_step_zero, fill
from training.fit.reference.mismatch import Mismatches
from training.fit.scoring.policy import PolicyScorer
from training.fit.scoring.scorers import Scorer
from training.fit.trainer import Trainer
from training.objectives.preference import ranks_by_strength


def start_model(job: Job) -> Any:
    """What the objective started from, loaded anew: the model after the warm-up, or the base.

    Raises:
        RefusalError: what the warm-up has left is gone; the base would be another reference.
    """
    kept = job.workdir / "reference"
    if job.warmup_steps and not kept.is_dir():
        raise RefusalError(
            "The policy after the warm-up is gone: the run's folder has no `reference`.",
            "Copy that folder back from the machine that began the run, or start a new run.",
        )
    state = torch.get_rng_state()
    if kept.is_dir():
        model = load_model(kept, "policy", job.config.dropout)
    else:
        model = initial_model(job.config, job.tokenizer)
    torch.set_rng_state(state)
    return model.to(job.model.device)


def reference_model(job: Job) -> Any:
    """The reference, loaded anew; of several, the one that counts most."""
    if not job.config.reference:
        return start_model(job)
    return _load(job, max(job.config.reference, key=lambda reference: reference.weight))


def _load(job: Job, reference: Reference) -> Any:
    state = torch.get_rng_state()
    model = load_model(Path(reference.path), "policy", job.config.dropout)
    torch.set_rng_state(state)
    return model.to(job.model.device)


@contextlib.contextmanager
def _start_scorer(job: Job) -> Iterator[Scorer]:
    """The scorer of what the objective started from, while the model may be trained already.

    With adapters that is the model itself with its adapters off: no second model is loaded.
    """
    if job.untrained:
        yield job.scorer
    elif job.adapters is not None and not job.warmup_steps:
        with job.adapters.disable_adapter():
            yield job.scorer
    else:
        yield job.scorer_of(start_model(job))


def reference_of(job: Job, trainer: Trainer) -> ReferenceCache | None:
    """Cached log-probabilities of all groups under the reference.

    Where the reference is the start of the run, the log-ratio is checked to be 0 at step 0.
    """
    if not job.config.objective.needs_reference:
        return None
    if job.config.reference:
        return _of_several(job, trainer)
    # A checkpoint knows what a stopped run has compared with: after a warm-up the weights that
    # this process began with are others.
    job.state.revision = job.state.revision or job.revision
    job.team.on_main(lambda: _fill_start(job, trainer))
    cache = _cache(job, job.state.revision)
    if job.untrained:
        first = next(iter(trainer.plan(0)))
        members = [job.train[k] for k in first[0]]
        difference = check_step_zero(job.scorer, cache, members, job.config.precision)
        job.notes["step_zero_log_ratio"] = difference
    return cache


def _fill_start(job: Job, trainer: Trainer) -> None:
    cache = _cache(job, job.state.revision)
    if _complete(job, cache):
        events.log(f"Reference log-probabilities: all found in the cache {cache.path.name}.")
        return
    with _start_scorer(job) as scorer:
        _fill(job, trainer, cache, scorer)


def _of_several(job: Job, trainer: Trainer) -> ReferenceCache:
    """The weighted mean of the references' log-probabilities."""

    def revisions() -> list[str]:
        return [_fill_one(job, trainer, reference) for reference in job.config.reference]

    caches = [_cache(job, revision) for revision in job.team.on_main(revisions)]
    weights = [reference.weight for reference in job.config.reference]
    return mixed(caches, weights)


def _fill_one(job: Job, trainer: Trainer, reference: Reference) -> str:
    """Fill the cache of one named reference; only one of them is in memory at a time."""
    model = _load(job, reference)
    cache = _cache(job, weights_hash(model))
    if not _complete(job, cache):
        _fill(job, trainer, cache, job.scorer_of(model))
    return cache.path.name.split("-")[0]


def mixed(caches: Sequence[ReferenceCache], weights: Sequence[float]) -> ReferenceCache:
    """log π_ref = Σ w_i log π_i with weights that sum to 1, in memory only.

    That is the reference of the objective with a penalty Σ w_i KL(π || π_i): the geometric mean,
    whose constant of normalisation cancels in every comparison of two answers to one prompt.
    """
    shares = [weight / sum(weights) for weight in weights]
    first = caches[0]
    together = ReferenceCache(
        first.path, per_token=first.per_token, reused=True, mismatches=first.mismatches
    )
    pairs = list(zip(caches, shares, strict=True))
    for key in first.values:
        together.values[key] = sum(share * cache.values[key] for cache, share in pairs)
    for key in first.tokens:
        together.tokens[key] = sum(
            (share * cache.tokens[key] for cache, share in pairs), 0.0 * first.tokens[key]
        )
    return together


def _cache(job: Job, revision: str) -> ReferenceCache:
    folder = job.config.reference_cache or str(job.workdir / "reference_cache")
    reads = job.config.objective.reads
    cache = ReferenceCache.open(
        Path(folder),
        revision,
        job.config.precision,
        per_token="reference_token_logp" in reads,
    )
    if "mismatched" in reads:
        parts = [
            Mismatches.among(part, job.config.max_length) for part in (job.train, job.held_out)
        ]
        cache.mismatches = parts[0] | parts[1]
    return cache


def let_read(job: Job) -> None:
    """Let the scorer say what the objective reads beyond sums per completion."""
    if not isinstance(job.scorer, PolicyScorer):
        return
    job.scorer.reads = job.config.objective.reads
    job.scorer.mismatches = job.reference.mismatches if job.reference else None
    if "token_kl" in job.scorer.reads:
        scorer = job.scorer_of(reference_model(job).eval())
        assert isinstance(scorer, PolicyScorer)
        job.scorer.reference = scorer.backbone


def _complete(job: Job, cache: ReferenceCache) -> bool:
    others = cache.mismatches.of([*job.train, *job.held_out]) if cache.mismatches else []
    return all(cache.holds(group) for group in (*job.train, *job.held_out, *others))


def _fill(job: Job, trainer: Trainer, cache: ReferenceCache, scorer: Scorer) -> None:
    others = cache.mismatches.of([*job.train, *job.held_out]) if cache.mismatches else []
    if cache.per_token and isinstance(scorer, PolicyScorer):
        scorer.reads = frozenset({"token_logp"})
    computed = 0
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
        ranks=ranks_by_strength([group.preference for group in job.train], job.config.order),
    )
    return [batch for step in plan for batch in step]
