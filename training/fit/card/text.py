"""The words of a model card: front matter that Hugging Face reads, then what a reader asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.objectives.presets import PRESETS

Values = Mapping[str, Any]
# arXiv numbers name papers; anything else is told in words.
ARXIV = re.compile(r"\d{4}\.\d{4,5}")
UNKNOWN = "unknown"


def card_text(config: Values, hashes: Values, values: Values, licence: str) -> str:
    """Markdown with YAML front matter.

    Args:
        licence: of the base model, as its own card states it; "" where it does not.
    """
    sections = [
        _front_matter(config, values, licence),
        _title(config, values),
        _data(config["notes"], hashes, values["counts"]),
        _figures(values),
        _licences(config, licence),
        _training(config, values),
        serving_text(config["kind"], causal=values.get("layout") != "padded pairs"),
        "The configuration and all figures are in `card.json`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def without_front_matter(text: str) -> str:
    """The card for a page, where the front matter would stand as a paragraph."""
    return re.sub(r"\A---\n.*?\n---\n+", "", text, count=1, flags=re.DOTALL)


def _front_matter(config: Values, values: Values, licence: str) -> str:
    reward = config["kind"] == "reward"
    fields: dict[str, Any] = {
        "license": licence or UNKNOWN,
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if reward else "text-generation",
        "tags": ["reward-model" if reward else "preference-optimisation", config["preset"]],
        "metrics": ["accuracy"] if values.get("eval") else [],
    }
    if config["base"]["scratch"] is None:
        fields["base_model"] = base_name(config["base"])
    # JSON is YAML: texts are quoted whatever they hold.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def base_name(base: Values) -> str:
    """What the base is called: its hub name, or its folder."""
    return str(base["hub"] or Path(str(base["path"])).name)


def _title(config: Values, values: Values) -> str:
    kind = "Reward model" if config["kind"] == "reward" else "Policy"
    scratch = config["base"]["scratch"]
    base = (
        f"random weights ({scratch['architecture']}, {scratch['layers']} layers)"
        if scratch is not None
        else f"the model `{base_name(config['base'])}`"
    )
    ended = " Training ended early." if values.get("stopped_early") else ""
    return (
        f"# {kind} trained with the objective {config['preset']}\n\n"
        f"Objective: {config['preset']}, {_paper(config['preset'])}. Base: {base}."
        f" Steps: {values['steps']} (weights of step {values['selected_step']}).{ended}"
    )


def _paper(preset: str) -> str:
    paper = PRESETS[preset].paper
    return f"[arXiv {paper}](https://arxiv.org/abs/{paper})" if ARXIV.fullmatch(paper) else paper


def _data(notes: Values, hashes: Values, counts: Values) -> str:
    """Snapshot, mix of labels, and what was cut or left out."""
    lines = ["## Data", ""]
    if "snapshot" in notes:
        lines += [f"Snapshot `{notes['snapshot']}` of the project {notes['project']}.", ""]
    if share := notes.get("simulated_share"):
        lines += [
            f"Simulated labels, given by no person, stand behind {share:.0%} of its rows.",
            "",
        ]
    for name, title in (("labels_by_kind", "Labels by kind"), ("rows_by_source", "Rows by source")):
        if notes.get(name):
            lines += [f"{title}: {_listed(notes[name])}.", ""]
    lines += _selection(notes.get("selection", {}).get("steps", []))
    lines += _table(("Data", "sha256"), [(split, f"`{value}`") for split, value in hashes.items()])
    splits = [split for split in ("train", "eval") if counts.get(split, {}).get("rows")]
    names = [name for name in counts["train"] if any(counts[split].get(name) for split in splits)]
    rows = [(name.replace("_", " "), *(counts[s].get(name, 0) for s in splits)) for name in names]
    return "\n".join([*lines, "", *_table(("Counts", *splits), rows)])


def _selection(steps: Sequence[Values]) -> list[str]:
    """What each filter left of the snapshot; nothing where there was none."""
    if len(steps) < 2:
        return []
    rows = [(step["name"].replace("_", " "), step["left"], step["rows"]) for step in steps]
    return [*_table(("Rows of the snapshot", "Pairs left", "Rows left"), rows), ""]


def _figures(values: Values) -> str:
    held_out = values.get("eval")
    if not held_out or not held_out.get("pairs"):
        return "## Figures\n\nThere was no held-out data."
    low, high = held_out["accuracy_interval"]
    text = (
        f"Held-out accuracy {held_out['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f},"
        f" {held_out['pairs']} pairs of {held_out['prompts']} prompts);"
        f" choosing the longer completion: {held_out['longer_baseline']:.3f}."
    )
    rows = [
        (name.replace("_", " "), _number(value), _interval(held_out.get(f"{name}_interval")))
        for name, value in held_out.items()
        if isinstance(value, float)
    ]
    return "\n".join(["## Figures", "", text, "", *_table(("Figure", "Value", "95 %"), rows)])


def _licences(config: Values, licence: str) -> str:
    stated = config["notes"].get("licences")
    lines = ["## Licences", "", f"Base model: {licence or UNKNOWN}."]
    if stated:
        lines += [f"Completions in the data, by the licence of their generator: {_listed(stated)}."]
    return "\n".join(lines)


SETTINGS = (
    "learning_rate",
    "schedule",
    "warmup",
    "token_budget",
    "accumulate",
    "max_length",
    "precision",
    "seed",
    "weight_decay",
    "max_grad_norm",
    "gradient_checkpointing",
    "preset_options",
    "lora",
)


def _training(config: Values, values: Values) -> str:
    rows: list[tuple[Any, ...]] = [(name, _setting(config.get(name))) for name in SETTINGS]
    rows += [(name, value) for name, value in (values.get("surroundings") or {}).items()]
    rows += [
        ("seconds", values.get("seconds")),
        ("tokens per second", values.get("tokens_per_second")),
    ]
    first, last = values.get("first_loss"), values.get("last_loss")
    if first is not None and last is not None:
        rows += [("loss, first and last step", f"{first:.4f}, {last:.4f}")]
    return "\n".join(["## Training", "", *_table(("Setting", "Value"), rows)])


def serving_text(kind: str, *, causal: bool, scale: Values | None = None) -> str:
    """How to serve the folder elsewhere.

    Args:
        causal: a reward model that reads left to right.
        scale: `{"offset", "factor"}` that makes rewards comparable between versions.
    """
    if kind == "policy":
        return (
            "## Serving\n\n```\nvllm serve <this folder>\n```\n\n"
            "answers the OpenAI-compatible chat interface with the chat template of this folder."
        )
    lines = ["## Serving", "", "```python", *_SNIPPET, "```", ""]
    if not causal:
        lines += ["text-embeddings-inference serves it too: `/predict` with `raw_scores`.", ""]
    if scale:
        lines += [scale_text(scale)]
    else:
        lines += ["A reward has no zero and no unit: compare rewards of one prompt only."]
    return "\n".join(lines)


def scale_text(scale: Values) -> str:
    """How rewards of this version compare with those of others; see `serving_text`."""
    offset, factor = scale["offset"], scale["factor"]
    formula = f"(reward - {offset:.6g}) * {factor:.6g}"
    return f"Comparable between versions of the project is `{formula}`."


_SNIPPET = (
    "tokenizer = AutoTokenizer.from_pretrained(folder)",
    "model = AutoModelForSequenceClassification.from_pretrained(folder).eval()",
    'messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]',
    "text = tokenizer.apply_chat_template(messages, tokenize=False).rstrip()",
    'inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")',
    "reward = model(**inputs).logits[0, 0].item()",
)


def _setting(value: Any) -> str:
    return f"`{json.dumps(value)}`" if isinstance(value, dict) else str(value)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(interval: Any) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else ""


def _listed(counts: Values) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """A table of Markdown; a bar in a cell would be read as its border."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]
