"""The README of a folder for the Hub: its header tells readers where the splits are. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .shards import NO_SPLIT

# What the Hub calls the licences that it knows.
LICENCES = {
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc0-1.0",
    "apache-2.0",
    "mit",
    "odc-by",
    "openrail",
}
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def card(manifest: Mapping[str, Any], snapshot: Mapping[str, Any], folder: Path) -> str:
    """A data card: a YAML header, and what is known of the snapshot.

    `folder` is the snapshot's: its own card comes along where there is one.
    """
    splits = manifest["rows_by_split"] or {"train": manifest["rows"]}
    header = ["---", *_licence(manifest["licences"]), f"size_categories:\n- {_size(manifest)}"]
    header += ["tags:", "- preference", "- rlhf", "- tandem", "configs:", "- config_name: default"]
    header.append("  data_files:")
    for split in splits:
        name = split or NO_SPLIT
        header += [f"  - split: {name}", f"    path: data/{name}-*.parquet"]
    own = folder / "README.md"
    # A card counts annotators and cohorts by name; an anonymised release says less.
    whole = own.is_file() and not manifest["options"]["anonymised"]
    body = _body(own) if whole else _facts(manifest, snapshot)
    return "\n".join([*header, "---", "", _title(manifest), "", body, "", _done(manifest), ""])


def _licence(licences: Mapping[str, int]) -> list[str]:
    """The one licence of all completions, by the Hub's name; else `other`, said by name."""
    stated = {name.lower() for name in licences}
    if len(stated) == 1 and stated <= LICENCES:
        return [f"license: {stated.pop()}"]
    named = ", ".join(sorted(licences)) or "unstated"
    return ["license: other", f"license_name: {json.dumps(named, ensure_ascii=False)}"]


def _size(manifest: Mapping[str, Any]) -> str:
    """The Hub's word for so many rows.

    >>> _size({"rows": 12}), _size({"rows": 5000})
    ('n<1K', '1K<n<10K')
    """
    words = ["1K", "10K", "100K", "1M", "10M"]
    place = sum(manifest["rows"] >= size for size in SIZES)
    if place == 0:
        return "n<1K"
    return f"{words[place - 1]}<n<{words[place]}" if place < len(words) else "n>10M"


def _title(manifest: Mapping[str, Any]) -> str:
    return f"# {manifest['project']}: {manifest['shape']}"


def _body(card: Path) -> str:
    """A snapshot's own card without its header and title: those are of other files."""
    text = card.read_text(encoding="utf-8")
    rest = text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text
    lines = rest.strip().splitlines()
    return "\n".join(lines[1:] if lines and lines[0].startswith("# ") else lines).strip()


def _facts(manifest: Mapping[str, Any], snapshot: Mapping[str, Any]) -> str:
    rows = [f"- {split or NO_SPLIT}: {n:,} rows" for split, n in manifest["rows_by_split"].items()]
    labels = [f"- {kind}: {n:,}" for kind, n in snapshot.get("labels_by_kind", {}).items()]
    return "\n".join(["## Rows", *rows, "", "## Labels by kind", *labels])


def _done(manifest: Mapping[str, Any]) -> str:
    """What was done to make it, where it comes from, and what is simulated."""
    lines = [f"- {sentence}" for sentence in manifest["done"]]
    if share := manifest["simulated_share"]:
        lines.append(f"- {share:.0%} of the rows are simulated: no person gave their labels.")
    source = f"Made from the snapshot `{manifest['snapshot']}`."
    return "\n".join(["## How this was made", source, "", *lines])
