"""What one fit works with, put together from its configuration and its work folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.files import sha256_of
from training.batching.conditioning import for_each_rating, for_the_best
from training.batching.plan import epoch_steps
from training.batching.rows import Need, Row, read_rows
from training.batching.tokenise import Encoder, Limits, TokenGroup, encode_all
from training.errors import RefusalError
from training.fit import events
from training.fit.board import Board
from training.fit.checkpoint import Checkpoints, State
from training.fit.config import FitConfig
from training.fit.heads.settings import HeadSpec, head_spec, read_spec
from training.fit.models.hub import base_folder
from training.fit.models.loading import initial_model, weights_hash
from training.fit.models.lora import add_adapters
from training.fit.models.tokenizer import tokenizer_for
from training.fit.reference.cache import ReferenceCache
from training.fit.samples import Samples
from training.fit.scoring.reward import is_causal, several_prompts
from training.fit.scoring.scorers import Scorer, make_scorer
from training.fit.team import Team
from training.objectives.preference import ranks_by_strength


@dataclass(slots=True)
class Job:
    """Everything one run works with.

    Attributes:
        revision: sha256 of the weights before training; "" where nothing compares with them.
        checkpoint: folder to go on from, until a phase has read it.
    """

    config: FitConfig
    workdir: Path
    team: Team
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
    board: Board
    revision: str = ""
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
            ranks=ranks_by_strength([group.preference for group in self.train], self.config.order),
        )
        return max(round(self.config.epochs * len(steps)), 1)

    @property
    def untrained(self) -> bool:
        """Whether the model is still what the objective starts from."""
        return self.state.step == self.warmup_steps

    def scorer_of(self, model: Any) -> Scorer:
        """A scorer of another model, set up as the run's own."""
        config = self.config
        return make_scorer(
            model, config.kind, self.tokenizer, layout=config.layout, precision=config.precision
        )

    def pause(self) -> None:
        """Raise `StoppedError` where a stop is wanted."""
        if events.stop_wanted():
            raise events.StoppedError(self.state.step)


def prepare(config: FitConfig, workdir: Path, team: Team) -> Job:
    """Rows, tokens, model and state of a run, new or resumed.

    Raises:
        RefusalError: no row is left to train on, or something cannot be read.
    """
    need: Need = "unpaired" if config.objective.unpaired else "labels"
    train_rows = read_rows(Path(config.data.train), need)
    held_rows = read_rows(Path(config.data.eval), need) if config.data.eval else []
    if config.condition_on:
        train_rows, held_rows = _conditioned(config, train_rows, held_rows)
    # The main process keeps the tokenizer in the work folder, where the others find it.
    team.on_main(lambda: _keep_tokenizer(config, train_rows, workdir))
    tokenizer = tokenizer_for(config, train_rows, workdir)
    spec = _head_spec(config, train_rows)
    model = initial_model(config, tokenizer, spec).to(team.device)
    causal = config.kind == "policy" or is_causal(model)
    train, train_counts = _encode(config, tokenizer, train_rows, causal)
    held_out, held_counts = _encode(config, tokenizer, held_rows, causal)
    if not train:
        raise RefusalError(
            "No row is left to train on: all completions are identical or all labels are ties.",
            'Add labelled rows, or use a preset with labels "soft" for ties.',
        )
    hashes = _hashes(config)
    newest = _newest(config, hashes, workdir)
    revision = weights_hash(model) if config.objective.needs_reference else ""
    adapters = add_adapters(model, config.lora, config.kind) if config.lora else None
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    state = newest[1]
    return Job(
        config=config,
        workdir=workdir,
        team=team,
        tokenizer=tokenizer,
        train=train,
        held_out=held_out,
        rows=held_rows or train_rows,
        counts={
            "train": train_counts,
            "eval": held_counts,
        },
        hashes=hashes,
        model=model,
        scorer=make_scorer(
            model, config.kind, tokenizer, layout=config.layout, precision=config.precision
        ),
        state=state,
        checkpoint=newest[0],
        board=Board.open(config, workdir, state, writes=team.main),
        revision=revision,
        adapters=adapters,
    )


def _conditioned(
    config: FitConfig, train: list[Row], held_out: list[Row]
) -> tuple[list[Row], list[Row]]:
    if config.kind != "policy":
        raise RefusalError(
            "`condition_on` is for policies: a reward model is not told what to find.",
            "Leave it out, or choose the head attributes to predict ratings.",
        )
    attribute = config.condition_on
    return for_each_rating(train, attribute), for_the_best(held_out, attribute)


def _keep_tokenizer(config: FitConfig, rows: Sequence[Row], workdir: Path) -> None:
    tokenizer_for(config, rows, workdir)


def _head_spec(config: FitConfig, rows: Sequence[Row]) -> HeadSpec | None:
    """The reward head of the run: what its settings, its rows and the base's head decide.

    Raises:
        RefusalError: no head of that kind can be trained on these rows.
    """
    if config.kind == "policy":
        return None
    folder = base_folder(config.base)
    known = read_spec(folder) if folder else None
    spec = head_spec(config.head, [row.preference for row in rows], known)
    if spec.reads_prompt and any(row.own_prompts for row in rows):
        raise several_prompts()
    return spec


def _hashes(config: FitConfig) -> dict[str, str]:
    """sha256 of the data files by split."""
    paths = {"train": config.data.train, "eval": config.data.eval}
    return {split: sha256_of(Path(path)) for split, path in paths.items() if path}


def _newest(config: FitConfig, hashes: dict[str, str], workdir: Path) -> tuple[Path | None, State]:
    """The newest checkpoint with its state, or the state of a run that begins."""
    together = json.dumps([config.fingerprint(), hashes], sort_keys=True)
    fingerprint = hashlib.sha256(together.encode()).hexdigest()
    newest = Checkpoints(workdir / "checkpoints").newest(fingerprint)
    return newest or (None, State(fingerprint))


def _encode(
    config: FitConfig, tokenizer: Any, rows: list[Row], causal: bool
) -> tuple[list[TokenGroup], dict[str, int]]:
    encoder = Encoder(tokenizer, Limits(config.max_length, config.prompt_limit), causal)
    groups = encode_all(encoder, rows, config.objective)
    return groups, encoder.counts.as_dict()
