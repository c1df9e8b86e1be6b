"""The end of a fit: choose the weights, measure them, save the model and its card."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from training.fit.card.writing import licence_of, save_result
from training.fit.checkpoint import load_weights
from training.fit.figures.metrics import Outcome, by_source, by_tag, report
from training.fit.files import write_json
from training.fit.heads.modules import attached
from training.fit.heads.report import head_report
from training.fit.job import Job
from training.fit.models.hub import base_folder
from training.fit.reference.models import reference_model
from training.fit.samples import compare_samples
from training.fit.saving import save_model
from training.fit.surroundings import surroundings
from training.fit.throughput import Size, throughput
from training.fit.trainer import score_groups


def conclude(job: Job) -> dict[str, Any]:
    """Figures of the run; the main process writes the model folder and the history."""
    chosen = _choose_weights(job)
    outcomes = _outcomes(job)
    return job.team.on_main(lambda: _written(job, _values(job, chosen, outcomes)))


def _choose_weights(job: Job) -> bool:
    """Load the weights of the best evaluation, where there was one and it counts."""
    best = job.workdir / "best" / "weights.safetensors"
    # The main process has written the file, or not, before it comes here.
    there = job.team.on_main(best.is_file)
    chosen = job.config.keep == "best" and bool(job.state.best) and there
    if chosen:
        load_weights(job.model, best)
    return chosen


def _outcomes(job: Job) -> list[Outcome]:
    if not job.held_out:
        return []
    return score_groups(
        job.scorer,
        job.held_out,
        job.config.objective,
        budget=job.config.token_budget,
        reference=job.reference,
        team=job.team,
    )


def _values(job: Job, chosen: bool, outcomes: list[Outcome]) -> dict[str, Any]:
    state, kind = job.state, job.config.kind
    losses = [entry["loss"] for entry in state.history if "loss" in entry]
    values: dict[str, Any] = {
        "steps": state.step,
        "selected_step": state.best["step"] if chosen else state.step,
        "selected_on_eval": chosen,
        "stopped_early": state.ended,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "parameters": sum(p.numel() for p in job.model.parameters()),
        "trained_parameters": sum(p.numel() for p in job.model.parameters() if p.requires_grad),
        "seconds": round(state.seconds, 3),
        "seconds_per_step": round(state.seconds / max(state.step, 1), 5),
        "tokens": state.tokens,
        "tokens_per_second": round(state.tokens / max(state.seconds, 1e-9), 1),
        "layout": getattr(getattr(job.scorer, "backbone", None), "layout", "padded pairs"),
        "throughput": throughput(
            Size.of(job.model),
            job.train,
            tokens=state.tokens,
            seconds=state.seconds,
            lora=job.config.lora is not None,
            device=_device_name(job.model.device),
        ),
        "counts": job.counts,
        "surroundings": surroundings(job.team),
        "final_step": state.history[-1] if state.history else {},
        **job.notes,
    }
    if outcomes:
        values["eval"] = report(outcomes, kind)
        values["eval_by_source"] = by_source(outcomes, kind)
        values["eval_by_tag"] = by_tag(outcomes)
        values |= head_report(attached(job.model), outcomes)
    if job.samples is not None:
        # Both models are asked in turn, so adapters switched off would not do here.
        reference = job.scorer_of(reference_model(job))
        values |= compare_samples(job.samples, job.scorer, reference, job.tokenizer)
    return values


def _written(job: Job, values: dict[str, Any]) -> dict[str, Any]:
    """Write model, card and history; the weights end up merged, so this comes last."""
    save_result(
        job.workdir / "model",
        write_model=lambda folder: save_model(job.model, job.adapters, job.config, folder),
        tokenizer=job.tokenizer,
        config=dataclasses.asdict(job.config),
        hashes=job.hashes,
        values=values,
        licence=licence_of(base_folder(job.config.base)),
    )
    write_json(job.workdir / "history.json", job.state.history)
    return values


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""
