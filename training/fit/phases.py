"""The phases of a fit: the likelihood warm-up and the objective itself."""

from __future__ import annotations

import copy

from training.batching.tokenise import best_only
from training.fit.checkpoint import Checkpoints, restore
from training.fit.files import replace_folder
from training.fit.job import Job
from training.fit.models.loading import weights_hash
from training.fit.models.lora import merged
from training.fit.optimiser import make_optimiser
from training.fit.reference.models import let_read, reference_of, start_model
from training.fit.samples import Samples
from training.fit.trainer import Phase, Trainer
from training.objectives.preference import is_informative
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
    liked = [g for g in job.train if is_informative(g.preference, phase.objective)]
    trainer.groups = [best_only(group) for group in liked or job.train]
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
    trainer.reference = job.reference = reference_of(job, trainer)
    let_read(job)
    if job.config.kind == "policy" and job.config.sample_prompts:
        job.samples = Samples.prepare(job.config, job.tokenizer, job.rows, job.workdir)
        job.team.on_main(lambda: _samples_before(job))
    trainer.run()


def _samples_before(job: Job) -> None:
    assert job.samples is not None
    job.samples.before(lambda: job.model if job.untrained else start_model(job))


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
