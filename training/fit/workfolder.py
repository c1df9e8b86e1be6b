"""A work folder from a configuration file: the beginning of `fit config.yaml`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from training.errors import RefusalError
from training.fit import events
from training.fit.config import fit_config
from training.fit.files import replace_file, write_json
from training.fit.jsonl import read_jsonl
from training.fit.team import join_team

LINES = (".jsonl", ".ndjson")
# YAML 1.1 takes 1e-4 for a text because it has no point.
NUMBER = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+")


def work_folder(path: Path) -> Path:
    """The folder of the run that a YAML or JSON file describes, with its configuration and data.

    The file holds the fields of `FitConfig` and `output`, a folder; by default it is named like
    the file and lies beside it. Paths are relative to the file. Data in lines of JSON is turned
    into the parquet files that a fit reads.

    Raises:
        RefusalError: the file, one of its fields, or a line of its data is wrong.
    """
    values = _read(path)
    output = values.pop("output", None) or f"{path.stem}-run"
    if not isinstance(output, str):
        raise RefusalError("`output` must be the name of a folder.", "Write it as text.")
    folder = (path.parent / output).resolve()
    _make_absolute(values, path.parent)
    config = fit_config(values)
    team = join_team(config.device)
    if config.processes > team.size:
        events.log(
            f"`processes` is {config.processes}, and {team.size} started: use accelerate launch."
        )
    team.on_main(lambda: _write(folder, values))
    return folder


def _read(path: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain data only."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+0123456789"))
    try:
        # JSON is YAML, so one reader serves both.
        values = yaml.load(path.read_text(), Loader=Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        text = " ".join(str(error).split())
        raise RefusalError(f"{path.name} is not YAML: {text}", "Mend the file.") from error
    if not isinstance(values, dict):
        raise RefusalError(f"{path.name} holds no fields.", "Write `name: value` lines.")
    return {str(name): value for name, value in values.items()}


def _make_absolute(values: dict[str, Any], beside: Path) -> None:
    """Put absolute paths in the place of those that are relative to the file."""
    places = [(values.get("base"), "path"), (values.get("tokenizer"), "path")]
    places += [(values.get("data"), "train"), (values.get("data"), "eval")]
    references = values.get("reference")
    places += [(r, "path") for r in references] if isinstance(references, list) else []
    for holder, name in [*places, (values, "reference_cache")]:
        if isinstance(holder, dict) and isinstance(holder.get(name), str):
            holder[name] = str((beside / holder[name]).resolve())


def _write(folder: Path, values: dict[str, Any]) -> None:
    for split, name in values["data"].items():
        if name is not None and Path(name).suffix in LINES:
            values["data"][split] = str(_parquet(Path(name), folder / "data" / f"{split}.parquet"))
    write_json(folder / "config.json", json.loads(json.dumps(values)))


def _parquet(source: Path, target: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(read_jsonl(source))
    replace_file(target, lambda path: pq.write_table(table, path))
    return target
