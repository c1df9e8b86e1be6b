"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import RefusalError
from training.fit.benchmarks import judgebench, llmbar, rewardbench, rewardbench2
from training.fit.benchmarks.entries import Entry


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How a benchmark's files are read, and how rewards (one list per entry) are scored."""

    read: Callable[[Path], list[Entry]]
    score: Callable[[Sequence[Entry], Sequence[Sequence[float]]], dict[str, Any]]


_KNOWN = {
    "rewardbench": Benchmark(rewardbench.read, rewardbench.score),
    "rewardbench2": Benchmark(rewardbench2.read, rewardbench2.score),
    "judgebench": Benchmark(judgebench.read, judgebench.score),
    "llmbar": Benchmark(llmbar.read, llmbar.score),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        RefusalError: there is none.
    """
    if name not in _KNOWN:
        raise RefusalError(
            f"There is no benchmark {name!r}.", f"Set it to one of: {', '.join(_KNOWN)}."
        )
    return _KNOWN[name]
