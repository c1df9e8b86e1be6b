"""The command `fit`: a reward model or a policy from labelled rows, resumable at any step."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.files import sha256_of
from training.batching.plan import epoch_steps
from training.batching.rows import Row, read_rows, with_one_prompt
from training.batching.tokenise import Encoder, Limits, TokenGroup, best_only, encode_all
from training.errors import RefusalError
from training.fit import events
from training.fit.card import save_result
from training.fit.checkpoint import Checkpoints, State, load_weights, restore
from training.fit.config import FitConfig, load_config
from training.fit.files import replace_folder, write_json
from training.fit.lora import add_adapters, merged
from training.fit.metrics import by_source, by_tag, report
from training.fit.models import device_for, initial_model, load_model, weights_hash
from training.fit.optimiser import make_optimiser
from training.fit.reference import ReferenceCache, check_step_zero, fill
from training.fit.reward_scorer import is_causal
from training.fit.samples import Samples, compare_samples
from training.fit.scorers import Scorer, make_scorer
from training.fit.tokenizer import tokenizer_for
from training.fit.trainer import Phase, Trainer, score_groups
from training.objectives.presets import resolve


def run(workdir: Path) -> dict[str, Any]:
    """Train as `<workdir>/config.json` says and write `<workdir>/model/` and `report.json`.

    Started again in the same folder it goes on from the newest checkpoint, and a finished run
    only repeats its result.
    """
    config = load_config(workdir / "config.json")
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    job = _prepare(config, workdir)
    finished = _finished(job)
    if finished is not None:
        return finished
    began = time.perf_counter()
    _warm_up(job)
    _train(job)
    values = _conclude(job)
    values["wall_seconds_this_process"] = round(time.perf_counter() - began, 3)
    write_json(workdir / "report.json", {"fingerprint": job.state.fingerprint, "values": values})
    return values


@dataclass(slots=True)
class Job:
    """Everything one run works with."""

    config: FitConfig
    workdir: Path
    tokenizer: Any
    train: list[TokenGroup]
    held_out: list[TokenGroup]
    rows: list[Row]
    counts: dict[str, Any]
    hashes: dict[str, str]
    model: Any
    scorer: Scorer
    state: State
    checkpoint: Path | None
    adapters: Any = None
    reference: ReferenceCache | None = None
    samples: Samples | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def warmup_steps(self) -> int:
        """Likelihood steps before the objective."""
        return self.config.sft_warmup_steps

    @property
    def main_steps(self) -> int:
        """Steps of the objective."""
        if self.config.steps is not None:
            return self.config.steps
        steps = epoch_steps(
            [self.scorer.cost(group) for group in self.train],
            budget=self.config.token_budget,
            accumulate=self.config.accumulate,
            seed=self.config.seed,
            epoch=0,
        )
        return max(round(self.config.epochs * len(steps)), 1)


def _prepare(config: FitConfig, workdir: Path) -> Job:
    train_rows, left_train = _read(Path(config.data.train))
    held_rows, left_held = _read(Path(config.data.eval)) if config.data.eval else ([], 0)
    if not train_rows:
        raise RefusalError(
            "Every row compares answers to different prompts: training needs one prompt per row.",
            "Export the pairs, which have the prompt of each side.",
        )
    tokenizer = tokenizer_for(config, train_rows, workdir)
    model = initial_model(config, tokenizer).to(device_for(config.device))
    causal = config.kind == "policy" or is_causal(model)
    train, train_counts = _encode(config, tokenizer, train_rows, causal)
    held_out, held_counts = _encode(config, tokenizer, held_rows, causal)
    if not train:
        raise RefusalError(
            "No row is left to train on: all completions are identical or all labels are ties.",
            'Add labelled rows, or use a preset with labels "soft" for ties.',
        )
    hashes = {"train": sha256_of(Path(config.data.train))}
    if config.data.eval:
        hashes["eval"] = sha256_of(Path(config.data.eval))
    together = json.dumps([config.fingerprint(), hashes], sort_keys=True)
    fingerprint = hashlib.sha256(together.encode()).hexdigest()
    newest = Checkpoints(workdir / "checkpoints").newest(fingerprint)
    adapters = add_adapters(model, config.lora, config.kind) if config.lora else None
    return Job(
        config=config,
        workdir=workdir,
        tokenizer=tokenizer,
        train=train,
        held_out=held_out,
        rows=held_rows or train_rows,
        counts={
            "train": train_counts | {"dropped_own_prompts": left_train},
            "eval": held_counts | {"dropped_own_prompts": left_held},
        },
        hashes=hashes,
        model=model,
        scorer=make_scorer(
            model, config.kind, tokenizer, layout=config.layout, precision=config.precision
        ),
        state=newest[1] if newest else State(fingerprint),
        checkpoint=newest[0] if newest else None,
        adapters=adapters,
    )


def _read(path: Path) -> tuple[list[Row], int]:
    """Rows to train or measure on, and how many were left out; says so in the log."""
    rows, left = with_one_prompt(read_rows(path))
    if left:
        events.log(f"{path.name}: {left} rows left out, their answers have prompts of their own.")
    return rows, left


def _encode(
    config: FitConfig, tokenizer: Any, rows: list[Row], causal: bool
) -> tuple[list[TokenGroup], dict[str, int]]:
    encoder = Encoder(tokenizer, Limits(config.max_length, config.prompt_limit), causal)
    groups = encode_all(encoder, rows, config.objective)
    return groups, encoder.counts.as_dict()


def _finished(job: Job) -> dict[str, Any] | None:
    path = job.workdir / "report.json"
    if not path.is_file():
        return None
    stored = json.loads(path.read_text())
    if stored["fingerprint"] != job.state.fingerprint:
        raise RefusalError(
            "The work folder holds the result of another configuration or other data.",
            "Use an empty work folder.",
        )
    values: dict[str, Any] = stored["values"]
    return values


def _trainer(job: Job, phase: Phase) -> Trainer:
    optimiser = make_optimiser(job.model, job.config.weight_decay)
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
        reference=job.reference,
    )


def _warm_up(job: Job) -> None:
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
    if not (job.workdir / "reference").is_dir():
        replace_folder(job.workdir / "reference", job.model.save_pretrained)


def _train(job: Job) -> None:
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
    if job.config.kind == "policy" and job.config.sample_prompts:
        job.samples = Samples.prepare(job.config, job.tokenizer, job.rows, job.workdir)
        job.samples.before(lambda: job.model if _untrained(job) else reference_model(job))
    trainer.run()


def _untrained(job: Job) -> bool:
    return job.state.step == job.warmup_steps


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


def _reference(job: Job, trainer: Trainer) -> ReferenceCache | None:
    """Cached log-probabilities of all groups under the reference, checked at step 0."""
    if not job.config.objective.needs_reference:
        return None
    untrained = _untrained(job)
    scorer = job.scorer if untrained else _scorer_of(job, reference_model(job))
    folder = job.config.reference_cache or str(job.workdir / "reference_cache")
    cache = ReferenceCache.open(Path(folder), weights_hash(scorer.model), job.config.precision)
    first = next(iter(trainer.plan(0)))
    costs = [job.scorer.cost(group) for group in job.train]
    plan = epoch_steps(
        costs,
        budget=job.config.token_budget,
        accumulate=job.config.accumulate,
        seed=trainer.phase.seed,
        epoch=0,
    )
    computed = 0
    for groups, batches in (
        (job.train, [batch for step in plan for batch in step]),
        (job.held_out, [[k] for k in range(len(job.held_out))]),
    ):
        computed += fill(cache, scorer, groups, batches, lambda _done: _pause(job))
    events.log(f"Reference log-probabilities: {computed} computed, cache {cache.path.name}.")
    if untrained:
        members = [job.train[k] for k in first[0]]
        difference = check_step_zero(job.scorer, cache, members, job.config.precision)
        job.notes["step_zero_log_ratio"] = difference
    return cache


def _scorer_of(job: Job, model: Any) -> Scorer:
    return make_scorer(
        model,
        job.config.kind,
        job.tokenizer,
        layout=job.config.layout,
        precision=job.config.precision,
    )


def _pause(job: Job) -> None:
    if events.stop_wanted():
        raise events.StoppedError(job.state.step)


def _conclude(job: Job) -> dict[str, Any]:
    """Choose the weights, measure them, save the model and its card."""
    config = job.config
    best = job.workdir / "best" / "weights.safetensors"
    chosen = config.keep == "best" and bool(job.state.best) and best.is_file()
    if chosen:
        load_weights(job.model, best)
    objective = config.objective
    outcomes = (
        score_groups(
            job.scorer,
            job.held_out,
            objective,
            budget=config.token_budget,
            reference=job.reference,
        )
        if job.held_out
        else []
    )
    values: dict[str, Any] = {
        "steps": job.state.step,
        "selected_step": job.state.best["step"] if chosen else job.state.step,
        "selected_on_eval": chosen,
        "parameters": sum(p.numel() for p in job.model.parameters()),
        "seconds": round(job.state.seconds, 3),
        "seconds_per_step": round(job.state.seconds / max(job.state.step, 1), 5),
        "tokens": job.state.tokens,
        "tokens_per_second": round(job.state.tokens / max(job.state.seconds, 1e-9), 1),
        "layout": getattr(getattr(job.scorer, "backbone", None), "layout", "padded pairs"),
        "counts": job.counts,
        "final_step": job.state.history[-1] if job.state.history else {},
        **job.notes,
    }
    if outcomes:
        values["eval"] = report(outcomes, objective.kind)
        values["eval_by_source"] = by_source(outcomes, objective.kind)
        values["eval_by_tag"] = by_tag(outcomes)
    if job.samples is not None:
        values |= compare_samples(
            job.samples, job.scorer, _scorer_of(job, reference_model(job)), job.tokenizer
        )
    model = merged(job.adapters) if job.adapters is not None else job.model
    save_result(
        job.workdir / "model",
        model=model,
        tokenizer=job.tokenizer,
        config=dataclasses.asdict(config),
        hashes=job.hashes,
        values=values,
    )
    write_json(job.workdir / "history.json", job.state.history)
    return values
