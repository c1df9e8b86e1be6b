"""The data card of a snapshot: what is in it, how it came about and what it cannot say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.quality.agreement import FEW_PROMPTS

LANGUAGE = "lang:"
# A share this far from one half is told as a bias, where its interval leaves one half out.
NOTICEABLE = 0.02
# Of a manifest that is older than its card.
UNKNOWN: Mapping[str, Any] = {"value": None, "low": None, "high": None, "prompts": 0}
# Hugging Face's size_categories, by the number of rows below which each counts.
SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))
BIASES = {
    "position_people": "People chose the completion shown first",
    "position_judges": "Judges chose the completion shown first",
    "length_people": "People chose the longer completion",
    "length_judges": "Judges chose the longer completion",
}


@dataclass(frozen=True)
class Bias:
    """A share that would be one half without it, with its 95 % interval and Cohen's h."""

    name: str
    words: str
    value: float
    low: float
    high: float
    labels: int
    h: float

    @property
    def stands_out(self) -> bool:
        apart = self.low > 0.5 or self.high < 0.5
        return apart and abs(self.value - 0.5) >= NOTICEABLE


def biases_of(manifest: Mapping[str, Any]) -> list[Bias]:
    """What swayed people and judges, where enough labels tell."""
    # Here, not above: the report of judges is a large package.
    from annotation.judges.report.biases import cohen_h  # noqa: PLC0415

    found = manifest.get("described", {}).get("biases", {})
    return [
        Bias(name, words, h=cohen_h(found[name]["value"]), **found[name])
        for name, words in BIASES.items()
        if name in found
    ]


def limits_of(manifest: Mapping[str, Any]) -> list[str]:
    """What the figures say that this data cannot tell, a sentence each."""
    return [*_about_labels(manifest), *_about_biases(manifest), *_about_rights(manifest)]


def _about_labels(manifest: Mapping[str, Any]) -> Iterator[str]:
    described, agreement = manifest.get("described", {}), manifest.get("agreement", UNKNOWN)
    if share := manifest.get("simulated_share"):
        yield f"{share:.0%} of the rows stand on simulated labels: nobody gave them."
    people = {
        int(n): count for n, count in described.get("labels_of_people_per_instance", {}).items()
    }
    total = sum(people.values())
    if total and (once := people.get(1, 0) / total) > 0.5:
        yield f"{once:.0%} of the instances have one label of a person: nobody checked it."
    if total and (none := people.get(0, 0) / total) > 0:
        yield f"{none:.0%} of the instances have no label of a person."
    if agreement["value"] is None:
        yield "No instance has labels of two people: how far they agree is not known."
    elif agreement["prompts"] < FEW_PROMPTS:
        yield f"Agreement stands on {agreement['prompts']} prompts: its interval is rough."
    elif agreement["high"] is not None and agreement["high"] < 0.667:
        yield (
            f"People agree little (α = {agreement['value']:.2f}): treat single labels as opinions."
        )
    arms = described.get("instances_by_arm", {})
    if arms.get("routed"):
        yield (
            "A router chose which instances people saw: means over all rows are not those of the "
            "whole pool unless they are weighted by propensity."
        )


def _about_biases(manifest: Mapping[str, Any]) -> Iterator[str]:
    for bias in biases_of(manifest):
        if bias.stands_out:
            yield (
                f"{bias.words} in {bias.value:.1%} of {bias.labels:,} labels (95 % interval "
                f"{bias.low:.1%} to {bias.high:.1%}, Cohen's h {bias.h:+.2f})."
            )


def _about_rights(manifest: Mapping[str, Any]) -> Iterator[str]:
    licences = manifest.get("described", {}).get("licences", manifest.get("licences", {}))
    if unstated := licences.get("unstated"):
        yield f"{unstated:,} of {sum(licences.values()):,} completions state no licence."
    generators = manifest.get("described", {}).get("generators", {})
    if unknown := generators.get("unknown"):
        yield f"Of {unknown:,} completions nobody noted which generator wrote them."


def markdown(manifest: Mapping[str, Any], name: str) -> str:
    """The card as README.md with the header that the Hugging Face hub reads."""
    parts = [_header(manifest, name), f"# {_line(name)}", _counts(manifest), _labelled(manifest)]
    parts += [_collected(manifest), _swayed(manifest), _listed("Limits", limits_of(manifest))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(manifest: Mapping[str, Any], name: str) -> str:
    """YAML whose values are JSON: texts of others cannot break out of their line."""
    described = manifest.get("described", {})
    splits = manifest.get("rows", {})
    total = sum(splits.values())
    tags = described.get("tags", {})
    fields: dict[str, Any] = {
        "pretty_name": name,
        "size_categories": [next((word for most, word in SIZES if total < most), "n>1M")],
        "tags": ["preference", "human-feedback", "tandem"],
        "language": [tag.removeprefix(LANGUAGE) for tag in tags if tag.startswith(LANGUAGE)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"{split}.parquet"}
                    for split in manifest.get("rows", {})
                ],
            }
        ],
    }
    licences = [each for each in described.get("licences", {}) if each != "unstated"]
    if len(licences) == 1:
        fields["license"] = licences[0].lower()
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items() if value]
    return "\n".join(["---", *lines, "---"])


def _counts(manifest: Mapping[str, Any]) -> str:
    rows = [
        f"| {split} | {count:,} | {manifest.get('prompts', {}).get(split, 0):,} |"
        for split, count in manifest.get("rows", {}).items()
    ]
    labels = sum(manifest.get("labels_by_purpose", {}).values())
    return "\n".join(
        [
            f"{manifest.get('instances', 0):,} instances with {labels:,} labels. "
            f"Snapshot `{manifest.get('content_hash', '')}`.",
            "",
            "| Split | Rows | Prompts |",
            "|---|---:|---:|",
            *rows,
        ]
    )


def _labelled(manifest: Mapping[str, Any]) -> str:
    described, agreement = manifest.get("described", {}), manifest.get("agreement", UNKNOWN)
    lines = [
        f"{_line(kind)}: {count:,} labels"
        for kind, count in described.get(
            "labels_by_kind", manifest.get("labels_by_kind", {})
        ).items()
    ]
    lines += [
        f"cohort {_line(name)}: {count:,} labels"
        for name, count in described.get("labels_by_cohort", {}).items()
    ]
    if agreement["value"] is not None:
        low, high = agreement["low"], agreement["high"]
        interval = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"
        lines.append(f"{agreement['measure']}: {agreement['value']:.2f}{interval}")
    return _listed("Labels", lines)


def _collected(manifest: Mapping[str, Any]) -> str:
    described = manifest.get("described", {})
    lines = [
        f"{_line(row['criterion'])}, guideline version {row['version'] or 'none'}: "
        f"{row['labels']:,} labels"
        for row in described.get("guidelines", ())
    ]
    if arms := described.get("instances_by_arm"):
        lines.append(_shares("Arms", arms))
    if bounds := described.get("propensity"):
        lines.append(f"Propensity of a person's label: {bounds[0]:g} to {bounds[1]:g}")
    if methods := manifest.get("consensus_methods"):
        lines.append(f"Consensus: {', '.join(methods)}")
    for title, name in (("Generators", "generators"), ("Licences", "licences"), ("Tags", "tags")):
        if found := described.get(name):
            total = manifest.get("instances", 0) if name == "tags" else 0
            lines.append(_shares(title, found, total))
    if described.get("first_label"):
        first, last = described["first_label"][:10], described["last_label"][:10]
        lines.append(f"Labelled from {first} to {last}")
    query = json.dumps(manifest.get("query", {}), sort_keys=True, ensure_ascii=False)
    return f"{_listed('How it was collected', lines)}\n\nQuery:\n\n    {_line(query)[:2000]}"


def _shares(title: str, counts: Mapping[str, int], total: int = 0) -> str:
    """Shares of a total, or of their sum."""
    total = total or sum(counts.values()) or 1
    return f"{title}: " + ", ".join(f"{_line(k)} {n / total:.0%}" for k, n in counts.items())


def _swayed(manifest: Mapping[str, Any]) -> str:
    rows = [
        f"| {bias.words} | {bias.value:.1%} | {bias.low:.1%} to {bias.high:.1%} | {bias.h:+.2f} | "
        f"{bias.labels:,} |"
        for bias in biases_of(manifest)
    ]
    if not rows:
        return ""
    head = ["## Biases", "", "| | Share | 95 % interval | Cohen's h | Labels |"]
    return "\n".join([*head, "|---|---:|---:|---:|---:|", *rows])


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) if lines else ""


def _line(text: str) -> str:
    """A text of others on one line, where it starts no heading and no table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
