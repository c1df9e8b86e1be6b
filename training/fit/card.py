"""The result folder: weights, tokenizer and a card that says where they come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.fit.files import finite, replace_folder


def save_result(
    target: Path,
    *,
    write_model: Callable[[Path], object],
    tokenizer: Any,
    config: dict[str, Any],
    hashes: dict[str, str],
    values: dict[str, Any],
) -> None:
    """Write `target` whole; it loads with plain `from_pretrained` of transformers.

    Args:
        write_model: puts the weights into a folder.
        hashes: sha256 of the data files by split.
        values: figures of the run.
    """
    card = {"config": _portable(config), "data_sha256": hashes, "metrics": values}

    def write(folder: Path) -> None:
        write_model(folder)
        tokenizer.save_pretrained(folder)
        (folder / "card.json").write_text(json.dumps(finite(card), indent=1, ensure_ascii=False))
        (folder / "model_card.md").write_text(_card_text(config, hashes, values))

    replace_folder(target, write)


def _portable(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with names in place of paths: a model folder travels to other machines."""

    def name(path: str | None) -> str | None:
        return None if path is None else Path(path).name

    return config | {
        "data": {split: name(path) for split, path in config["data"].items()},
        "base": config["base"] | {"path": name(config["base"]["path"])},
        "tokenizer": config["tokenizer"] | {"path": name(config["tokenizer"]["path"])},
        "reference_cache": name(config["reference_cache"]),
    }


def _card_text(config: dict[str, Any], hashes: dict[str, str], values: dict[str, Any]) -> str:
    kind = "Reward model" if config["kind"] == "reward" else "Policy"
    lines = [
        f"# {kind} trained with the objective {config['preset']}",
        "",
        f"Base: {_base_text(config['base'])}. Steps: {values['steps']}"
        f" (weights of step {values['selected_step']}).",
        "",
        *_origin_lines(config["notes"]),
        "| Data | sha256 |",
        "|---|---|",
        *[f"| {split} | `{value}` |" for split, value in hashes.items()],
        "",
        *_accuracy_lines(values.get("eval")),
        "The configuration and all figures are in `card.json`.",
    ]
    return "\n".join(lines) + "\n"


def _origin_lines(notes: dict[str, Any]) -> list[str]:
    """The snapshot behind the data files, where the run came from one."""
    if "snapshot" not in notes:
        return []
    lines = [f"Snapshot `{notes['snapshot']}` of the project {notes['project']}."]
    if share := notes.get("simulated_share"):
        lines.append(f"Simulated labels, given by no person, stand behind {share:.0%} of its rows.")
    return [*lines, ""]


def _base_text(base: dict[str, Any]) -> str:
    scratch = base["scratch"]
    if scratch is None:
        return f"the model folder {Path(base['path']).name}"
    return f"random weights ({scratch['architecture']}, {scratch['layers']} layers)"


def _accuracy_lines(held_out: dict[str, Any] | None) -> list[str]:
    if not held_out or not held_out["pairs"]:
        return ["There was no held-out data.", ""]
    low, high = held_out["accuracy_interval"]
    return [
        f"Held-out accuracy {held_out['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f},"
        f" {held_out['pairs']} pairs of {held_out['prompts']} prompts);"
        f" choosing the longer completion: {held_out['longer_baseline']:.3f}.",
        "",
    ]
