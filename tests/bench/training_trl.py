"""TRL's trainers on the same batches, in a process of their own.

python -m tests.bench.training_trl FOLDER KIND STEPS

prints seconds and processor seconds of each step, the losses and the peak of resident memory as a
JSON line.
TRL has its best set-up on a CPU: examples grouped by length, reference log-probabilities computed
before the clock starts, tokens made before it starts, the fused optimiser, no dropout.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

from tests.bench.training_data import MOST_TOKENS, Example, batches_of
from tests.bench.training_ours import LEARNING_RATE, THREADS, between


class Tokenised:
    """A trainer that takes examples of token ids as they are."""

    def _prepare_dataset(self, dataset: Any, *_others: Any) -> Any:
        return dataset


class Policy(Tokenised, DPOTrainer):  # type: ignore[misc]
    """DPO on token ids."""


class Reward(Tokenised, RewardTrainer):  # type: ignore[misc]
    """Bradley-Terry on token ids."""


class Clock(TrainerCallback):  # type: ignore[misc]
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.cpu_ends: list[float] = []

    def _note(self) -> None:
        self.ends.append(time.perf_counter())
        self.cpu_ends.append(time.process_time())

    def on_train_begin(self, *_arguments: Any, **_more: Any) -> None:
        """Start."""
        self._note()

    def on_step_end(self, *_arguments: Any, **_more: Any) -> None:
        """One step more."""
        self._note()


def main(arguments: list[str]) -> None:
    """Train and print the figures."""
    folder, kind, count = Path(arguments[0]), arguments[1], int(arguments[2])
    torch.set_num_threads(THREADS)
    batches = list(islice(batches_of(folder / "pairs.json"), count))
    clock = Clock()
    trainer = prepared(folder, kind, batches, clock)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    seconds = {"seconds": between(clock.ends), "cpu_seconds": between(clock.cpu_ends)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(seconds | {"losses": losses, "peak_mb": peak}))


def prepared(folder: Path, kind: str, batches: list[list[Example]], clock: Clock) -> Any:
    """The trainer; its reference is computed while it is made."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    common: dict[str, Any] = {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": len(batches[0]),
        "max_steps": len(batches),
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        # The examples come grouped by length already, in the order of transformers' own sampler.
        "train_sampling_strategy": "sequential",
        "max_length": MOST_TOKENS,
        "disable_dropout": True,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }
    examples = [example for batch in batches for example in batch]
    shared = {"callbacks": [clock], "processing_class": tokenizer}
    if kind == "reward":
        model = AutoModelForSequenceClassification.from_pretrained(folder / kind, num_labels=1)
        data = Dataset.from_list([whole(example) for example in examples])
        return Reward(model=model, args=RewardConfig(**common), train_dataset=data, **shared)
    arguments = DPOConfig(**common, precompute_ref_log_probs=True, beta=0.1)
    model = AutoModelForCausalLM.from_pretrained(folder / kind)
    data = Dataset.from_list([sides(example) for example in examples])
    return Policy(model=model, args=arguments, train_dataset=data, **shared)


def sides(example: Example) -> dict[str, list[int]]:
    """The columns of DPOTrainer."""
    chosen, rejected = map(list, example.completions)
    return {"prompt_ids": list(example.prompt), "chosen_ids": chosen, "rejected_ids": rejected}


def whole(example: Example) -> dict[str, list[int]]:
    """The columns of RewardTrainer."""
    chosen, rejected = ([*example.prompt, *answer] for answer in example.completions)
    return {"chosen_ids": chosen, "rejected_ids": rejected}


if __name__ == "__main__":
    main(sys.argv[1:])
