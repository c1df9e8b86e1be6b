"""The training loop: steps of micro-batches, evaluations and checkpoints, stoppable anywhere."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from training.batching.plan import Step, all_steps, sorted_batches
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit import events
from training.fit.board import Board
from training.fit.checkpoint import Checkpoints, State, save_weights
from training.fit.config import FitConfig
from training.fit.figures.metrics import Outcome, numbers_only, report, step_figures
from training.fit.files import replace_file
from training.fit.optimiser import learning_rate, set_learning_rate
from training.fit.reference.cache import ReferenceCache, with_reference
from training.fit.scoring.scorers import Scorer
from training.fit.team import Team
from training.objectives.core import Signals, comparisons, scores, total_loss
from training.objectives.preference import ranks_by_strength
from training.objectives.presets import Objective
from training.objectives.running import Running, added

EVALUATIONS = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of steps with one objective: the likelihood warm-up, or the run proper.

    Attributes:
        first: steps of the run before this phase.
        steps: steps of this phase.
    """

    name: str
    objective: Objective
    first: int
    steps: int
    learning_rate: float
    seed: int

    @property
    def end(self) -> int:
        """Steps of the run when this phase is over."""
        return self.first + self.steps


@dataclass(slots=True)
class Trainer:
    """One phase of one run.

    Attributes:
        groups: training groups; their order never changes, batches refer to them by number.
        total: steps of the whole run, for the progress bar.
    """

    config: FitConfig
    phase: Phase
    scorer: Scorer
    optimiser: torch.optim.Optimizer
    groups: Sequence[TokenGroup]
    held_out: Sequence[TokenGroup]
    state: State
    checkpoints: Checkpoints
    best_weights: Path
    total: int
    team: Team
    board: Board
    reference: ReferenceCache | None = None

    def run(self) -> None:
        """Train to the end of the phase.

        Raises:
            StoppedError: after SIGTERM, with a checkpoint of the finished step on disk.
            RefusalError: the loss, its gradient or a held-out score is no longer a number.
        """
        self.scorer.model.train()
        for step in self._remaining_steps():
            if self.state.ended or self.state.step >= self.phase.end:
                break
            self._train_step(step)
            self._after_step()

    def plan(self, start: int) -> Any:
        """Steps of the phase from its step number `start` on."""
        return all_steps(
            [self.scorer.cost(group) for group in self.groups],
            budget=self.config.token_budget,
            accumulate=self.config.accumulate,
            seed=self.phase.seed,
            start=start,
            ranks=self._ranks(),
        )

    def _ranks(self) -> list[float] | None:
        """What the order of the rows follows; the likelihood warm-up has no order."""
        order = "random" if self.phase.name == "warmup" else self.config.order
        return ranks_by_strength([group.preference for group in self.groups], order)

    def _remaining_steps(self) -> Any:
        return self.plan(self.state.step - self.phase.first)

    def _train_step(self, step: Step) -> None:
        began = time.perf_counter()
        done = self.state.step - self.phase.first
        rate = learning_rate(self.config, self.phase.learning_rate, done, self.phase.steps)
        set_learning_rate(self.optimiser, rate)
        self.optimiser.zero_grad(set_to_none=True)
        loss, outcomes = self._backward(step)
        self._check("loss", loss)
        trained = [p for p in self.scorer.model.parameters() if p.requires_grad]
        self.team.sum_gradients(trained)
        norm = torch.nn.utils.clip_grad_norm_(trained, self.config.max_grad_norm)
        self._check("norm of the gradient", float(norm))
        self.optimiser.step()
        self.state.step += 1
        self.state.seconds += time.perf_counter() - began
        self.state.tokens += sum(self.scorer.cost(self.groups[k]) for batch in step for k in batch)
        figures = {"loss": loss, **step_figures(outcomes, self.phase.objective.kind)}
        self._note(figures | {"gradient_norm": float(norm), "learning_rate": rate})

    def _check(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise RefusalError(
                f"The {what} is {value} at step {self.state.step + 1}.",
                "Lower `learning_rate`, or use precision fp32.",
            )

    def _backward(self, step: Step) -> tuple[float, list[Outcome]]:
        """Gradients of the mean loss over the step's prompts, however they are batched.

        Each process computes its share of the micro-batches; loss and outcomes are everybody's.
        """
        prompts = sum(len(batch) for batch in step)
        parts: dict[int, tuple[float, list[Outcome]]] = {}
        running = Running(self.state.running)
        for number, batch in self.team.share(list(enumerate(step))):
            self._seed(number)
            members = [self.groups[k] for k in batch]
            signals = with_reference(self.scorer.signals(members), self.reference, members)
            part = self._loss(signals, members, running) / prompts
            part.backward()  # type: ignore[no-untyped-call]
            outcomes = outcomes_of(signals, members, self.phase.objective)
            parts[number] = float(part.detach()), outcomes
        if self.phase.objective.stateful:
            running.commit(self.phase.objective, lambda sums: added(self.team.gather(sums)))
        together = [part for _, part in sorted(merged(self.team.gather(parts)).items())]
        return sum(loss for loss, _ in together), [o for _, found in together for o in found]

    def _seed(self, number: int) -> None:
        """Random numbers of a micro-batch follow from run, step and number alone.

        So dropout is the same however often the run was resumed and whichever process computes
        the micro-batch.
        """
        named = f"{self.config.seed}/{self.state.step}/{number}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(named.encode()).digest()[:7], "little"))

    def _loss(
        self, signals: Signals, members: Sequence[TokenGroup], running: Running
    ) -> torch.Tensor:
        device = signals.tokens.device
        preferences = [group.preference for group in members]
        labels = comparisons(preferences, self.phase.objective, device)
        return total_loss(signals, labels, self.phase.objective, running)

    def _note(self, figures: dict[str, float]) -> None:
        figures = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._record(self.phase.name, figures)
        events.progress(self.state.step, self.total, self.phase.name)

    def _record(self, name: str, figures: dict[str, float]) -> None:
        self.state.history.append({"step": self.state.step, "phase": name, **figures})
        self.board.add(name, self.state.step, figures)
        events.metric(self.state.step, figures)

    def _after_step(self) -> None:
        if self._evaluation_due():
            self.evaluate()
        stop = self.team.any(events.stop_wanted())
        last = self.state.ended or self.state.step == self.phase.end
        if stop or last or self.state.step % self.config.checkpoint_every == 0:
            self.team.on_main(self._save)
        if stop:
            raise events.StoppedError(self.state.step)

    def _save(self) -> None:
        self.checkpoints.save(self.scorer.model, self.optimiser, self.state)
        self.board.flush()

    def _evaluation_due(self) -> bool:
        if not self.held_out or self.phase.name == "warmup":
            return False
        done = self.state.step - self.phase.first
        every = self.config.eval_every or max(self.phase.steps // EVALUATIONS, 1)
        return done % every == 0 or self.state.step == self.phase.end

    def evaluate(self) -> None:
        """Held-out figures now; the weights are kept where they are the best so far."""
        outcomes, loss = self._held_out()
        figures = {"eval_loss": loss}
        report_now = report(outcomes, self.phase.objective.kind)
        if (accuracy := report_now.get("accuracy")) is not None:
            low, high = report_now["accuracy_interval"]
            figures |= {"eval_accuracy": accuracy}
            figures |= {"eval_accuracy_low": low, "eval_accuracy_high": high}
        self._record("eval", figures)
        self._judge(loss, accuracy)

    def _held_out(self) -> tuple[list[Outcome], float]:
        """Outcomes of the held-out groups and their mean loss."""
        losses: list[float] = []
        # Held-out data are seen in passing: what the objective carries stays as it is.
        running = Running(self.state.running)
        outcomes = score_groups(
            self.scorer,
            self.held_out,
            self.phase.objective,
            budget=self.config.token_budget,
            reference=self.reference,
            team=self.team,
            each=lambda signals, members: losses.append(
                float(self._loss(signals, members, running))
            ),
        )
        return outcomes, self.team.sum([sum(losses)])[0] / len(self.held_out)

    def _judge(self, loss: float, accuracy: float | None) -> None:
        """Keep the best weights, and end the run where they have been the best for long."""
        best = self.state.best
        if self.config.select == "loss" or accuracy is None:
            gain = best.get("loss", math.inf) - loss
        else:
            gain = accuracy - best.get("accuracy", -1.0)
        if gain > (self.config.early_stop_delta if best else 0.0):
            self.state.stale = 0
            self.state.best = {"step": self.state.step, "loss": loss}
            self.state.best |= {} if accuracy is None else {"accuracy": accuracy}
            self.team.on_main(self._keep_best)
        else:
            self.state.stale += 1
        if self.config.early_stop and self.state.stale >= self.config.early_stop:
            self.state.ended = True
            events.log(
                f"Ended early: no gain on held-out data since step {self.state.best['step']}."
            )

    def _keep_best(self) -> None:
        replace_file(self.best_weights, lambda path: save_weights(self.scorer.model, path))


@torch.no_grad()
def score_groups(
    scorer: Scorer,
    groups: Sequence[TokenGroup],
    objective: Objective,
    *,
    budget: int,
    reference: ReferenceCache | None = None,
    team: Team | None = None,
    each: Callable[[Signals, Sequence[TokenGroup]], object] | None = None,
) -> list[Outcome]:
    """Outcomes of all groups, in their order, without gradients and without dropout.

    Args:
        team: processes that share the work; every one gets all outcomes.
        each: called with the signals of every micro-batch of this process.

    Raises:
        RefusalError: a score is not a finite number.
    """
    training = scorer.model.training
    scorer.model.eval()
    found: dict[int, Outcome] = {}
    batches = sorted_batches([scorer.cost(group) for group in groups], budget)
    for batch in team.share(batches) if team else batches:
        members = [groups[k] for k in batch]
        signals = with_reference(scorer.signals(members), reference, members)
        found |= dict(zip(batch, outcomes_of(signals, members, objective), strict=True))
        if each is not None:
            each(signals, members)
    scorer.model.train(training)
    if team is not None:
        found = merged(team.gather(found))
    return numbers_only([found[k] for k in range(len(groups))])


def merged(parts: Sequence[dict[int, T]]) -> dict[int, T]:
    """What the processes have found, together."""
    return {number: value for part in parts for number, value in part.items()}


def _said_by_head(signals: Signals) -> dict[str, list[Any]]:
    head = signals.head
    if head is None:
        return {}
    variance = [] if head.variance is None else head.variance.tolist()
    ratings = [] if head.attributes is None else [tuple(row) for row in head.attributes.tolist()]
    return {"variance": variance, "ratings": ratings}


def outcomes_of(
    signals: Signals, groups: Sequence[TokenGroup], objective: Objective
) -> list[Outcome]:
    """One outcome per group; scores are the objective's, the squared link's without beta."""
    columns: dict[str, list[Any]] = {
        "scores": scores(signals.detached(), objective).tolist(),
        "tokens": signals.tokens.tolist(),
        "logps": [] if signals.logp is None else signals.logp.tolist(),
        "log_ratios": [],
    }
    if signals.logp is not None and signals.reference_logp is not None:
        columns["log_ratios"] = (signals.logp - signals.reference_logp).tolist()
    columns |= _said_by_head(signals)
    outcomes, start = [], 0
    for group in groups:
        end = start + len(group.completions)
        cut = {name: tuple(values[start:end]) for name, values in columns.items()}
        outcomes.append(Outcome(group.preference, group.prompt_hash, **cut))
        start = end
    return outcomes
