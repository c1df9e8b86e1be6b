"""Processes that train together: one per GPU, or several on the CPU, as accelerate starts them.

The plan of a run is the same in every process; each takes its share of a step's micro-batches and
the gradients are summed. There is no wrapper around the model, whose hooks would not see the inner
modules that our scorers call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from training.errors import RefusalError
from training.fit import events
from training.fit.models.loading import device_for

T = TypeVar("T")

# The main process may compute reference log-probabilities for hours while the others wait.
PATIENCE = timedelta(days=2)
# Numbers that travel at once.
BUCKET = 2**24


@dataclass(frozen=True, slots=True)
class Team:
    """One process among `size`; alone, every method is trivial.

    Attributes:
        rank: number of this process; 0 is the main one, which writes files and events.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """Every `size`-th part, beginning with this process's own; may be none."""
        return parts[self.rank :: self.size]

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in order of their ranks."""
        if self.size == 1:
            return [value]
        from accelerate.utils import gather_object

        found: list[Any] = gather_object([value])
        return found

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes, in float64."""
        if self.size == 1:
            return list(values)
        return [sum(column) for column in zip(*self.gather(list(values)), strict=True)]

    def any(self, flag: bool) -> bool:
        """Whether one of the processes says so."""
        return any(self.gather(flag))

    def on_main(self, work: Callable[[], T]) -> T:
        """Let the main process do it; what it returns, refuses or stops at is everybody's."""
        if self.size == 1:
            return work()
        from accelerate.utils import broadcast_object_list

        answer: list[Any] = [None, None]
        if self.main:
            try:
                answer[0] = work()
            except (RefusalError, events.StoppedError) as error:
                answer[1] = error
        broadcast_object_list(answer)
        if answer[1] is not None:
            raise answer[1]
        found: T = answer[0]
        return found

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the sum over the processes in the place of every gradient.

        A parameter that another process has used gets a gradient here as well; one that no
        process has used stays without, so the optimiser leaves it alone as it does on one.
        """
        if self.size == 1:
            return
        trained = list(parameters)
        used = self._reduce(
            torch.tensor([float(p.grad is not None) for p in trained], device=self.device)
        )
        gradients: list[Tensor] = []
        for parameter, count in zip(trained, used.tolist(), strict=True):
            if count and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = self._reduce(torch.cat([gradient.flatten() for gradient in bucket]))
            sizes = [gradient.numel() for gradient in bucket]
            for gradient, part in zip(bucket, torch.split(flat, sizes), strict=True):
                gradient.copy_(part.view_as(gradient))

    def _reduce(self, tensor: Tensor) -> Tensor:
        from accelerate.utils import reduce

        found: Tensor = reduce(tensor, reduction="sum")
        return found


def _buckets(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Runs of tensors of one type with at most `BUCKET` numbers; a larger one stands alone."""
    found: list[list[Tensor]] = []
    room = 0
    for tensor in tensors:
        if not found or tensor.numel() > room or tensor.dtype != found[-1][0].dtype:
            found.append([])
            room = BUCKET
        found[-1].append(tensor)
        room -= tensor.numel()
    return found


def join_team(device: str) -> Team:
    """This process alone, or its place among those that a launcher has started.

    Raises:
        RefusalError: CUDA is asked for and absent.
    """
    chosen = device_for(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team(chosen)
    from accelerate import PartialState

    state = PartialState(cpu=chosen.type == "cpu", timeout=PATIENCE)
    if not state.is_main_process:
        events.be_silent()
    return Team(torch.device(state.device), state.process_index, state.num_processes)
