"""The rows a run trains on: made once from its snapshot, filtered, weighted, and then frozen.

Labels come from the snapshot's files alone. Signals (difficulty, margins, trust) are live numbers:
their values at this moment are written beside the rows they decided about.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from accounts.models import Project
from annotation.datasets.files import ParquetFile
from annotation.datasets.models import Snapshot
from annotation.instances.models import Signal
from core import artifacts
from core.exceptions import InvalidInput, NotFound
from training.fit.files import write_json

from .models import Run
from .preparing.candidates import Reading
from .preparing.labels import cases
from .preparing.noise import noise_rates
from .preparing.options import SIGNALS, DataOptions, data_options
from .preparing.selecting import Lookup, Preview, Selection, select

MANIFEST = "manifest.json"
WINDOW = 2000
ROWS = [
    ("prompt", pa.string()),
    ("completions", pa.list_(pa.string())),
    ("score", pa.list_(pa.float64())),
    ("pair_p", pa.float64()),
    ("weight", pa.float64()),
    ("margin", pa.float64()),
    ("source", pa.string()),
    ("prompt_hash", pa.string()),
    ("instance_id", pa.string()),
    ("unranked", pa.list_(pa.int64())),
    ("own_prompts", pa.list_(pa.string())),
    ("annotator", pa.string()),
    ("attributes", pa.string()),
    ("tags", pa.list_(pa.string())),
    ("generators", pa.list_(pa.string())),
    ("licences", pa.list_(pa.string())),
]
Progress = Callable[[int, int, str], object]


def preview(snapshot: Snapshot, options: Mapping[str, Any]) -> Preview:
    """How many rows, pairs and prompts a run on the snapshot would train on, filter by filter.

    `options` are those of a run; only `data_mode`, `weight_by` and `filters` matter here.

    Raises:
        InvalidInput: an option makes no sense, or the snapshot's files are gone.
    """
    asked = data_options(options)
    reading = Reading.of(_folder(snapshot), snapshot.manifest, asked.mode)
    return _select(reading, snapshot.project, asked).preview


def prepare(run: Run, progress: Progress | None = None) -> dict[str, Any]:
    """Write `data/train.parquet` and `data/eval.parquet` below the run's folder, once.

    Filters and weights are for training rows: held-out rows stay, so that figures of runs on one
    snapshot compare. Prepared rows are found again, never made again.

    Returns:
        {"train": path, "eval": path or None, "counts": as `Preview`, "noise": rate by source}.

    Raises:
        InvalidInput: no row survives, or the snapshot's files are gone.
    """
    folder = _prepared(f"{run.folder}/data")
    if not (folder / MANIFEST).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, _write(run, folder, progress))
        artifacts.publish(folder, f"{run.folder}/data")
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    held_out = folder / "eval.parquet" if manifest["eval_rows"] else None
    return {
        "train": str(folder / "train.parquet"),
        "eval": str(held_out) if held_out else None,
        "counts": manifest["counts"],
        "noise": manifest["noise"],
    }


def prepared_config(run: Run, prepared: Mapping[str, Any]) -> dict[str, Any]:
    """The run's configuration with the prepared files and noise rates in it.

    Its notes say as `selection` what each filter left: the model card tells it.
    """
    files = {"train": prepared["train"], "eval": prepared["eval"]}
    notes = run.config.get("notes", {}) | {"selection": prepared["counts"]}
    config: dict[str, Any] = run.config | {"data": files, "notes": notes}
    if prepared["noise"]:
        options = run.config["preset_options"]
        # Rates that a person gave stand.
        config["preset_options"] = options | {"noise": prepared["noise"] | options.get("noise", {})}
    return config


def options_of(run: Run) -> DataOptions:
    """What was asked of the run's rows when it was made."""
    return data_options(run.config.get("notes", {}).get("data_options", {}))


def _write(run: Run, folder: Path, progress: Progress | None) -> dict[str, Any]:
    """Fill the folder; returns its manifest."""
    asked, snapshot = options_of(run), run.snapshot
    source = _folder(snapshot)
    reading = Reading.of(source, snapshot.manifest, asked.mode)
    selection = _select(reading, run.project, asked)
    if not selection.preview.rows:
        raise InvalidInput(_empty(selection.preview))
    train = reading.rows("train", content=True, beside=True)
    _write_rows(folder / "train.parquet", train, selection, progress)
    held_out = 0
    if (source / "test.parquet").is_file():
        test = reading.rows("test", content=True, beside=True)
        held_out = _write_rows(folder / "eval.parquet", test, None, None)
    return {
        "snapshot": snapshot.content_hash,
        "options": asked.as_json(),
        "counts": selection.preview.as_json(),
        "eval_rows": held_out,
        "signals": _versions(run.project, asked),
        "noise": _noise(reading, asked),
    }


def _select(reading: Reading, project: Project, asked: DataOptions) -> Selection:
    filters = asked.filters
    beside = bool(filters.tags or filters.without) or asked.weight_by == "propensity"
    rows = reading.rows("train", content=False, beside=beside)
    return select(rows, asked, signals_in(project))


def signals_in(project: Project) -> Lookup:
    """Finds the newest value of a signal by external id. One query for a window of ids."""

    def lookup(ids: list[str], name: str) -> Mapping[str, float]:
        rows = Signal.objects.filter(
            instance__project=project, instance__external_id__in=ids, name=name
        )
        return dict(rows.order_by("pk").values_list("instance__external_id", "value"))

    return lookup


def _versions(project: Project, asked: DataOptions) -> dict[str, list[str]]:
    """Which versions gave the signals that were read."""
    names = asked.filters.read
    rows = Signal.objects.filter(instance__project=project, name__in=names) if names else None
    pairs = rows.order_by().values_list("name", "version").distinct() if rows is not None else ()
    return {name: sorted(v for n, v in pairs if n == name) for name in names}


def _noise(reading: Reading, asked: DataOptions) -> dict[str, float]:
    if asked.noise == "none":
        return {}
    rates = noise_rates(cases(reading.folder, content=False), reading.criterion)
    if not rates:
        raise InvalidInput(
            "Noise rates cannot be estimated: too few instances have labels of several people. "
            "Give `preset_options.noise`, or leave `noise` out."
        )
    return rates


def _write_rows(
    path: Path,
    rows: Iterator[dict[str, Any]],
    selection: Selection | None,
    progress: Progress | None,
) -> int:
    """The rows that are kept, a window at a time, with the signals that decided about them."""
    names = tuple(selection.signals) if selection else ()
    schema = pa.schema([*ROWS, *((f"signal_{name}", pa.float64()) for name in names)])
    file = ParquetFile(path, schema)
    waiting: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        if selection is not None:
            if not selection.kept[number]:
                continue
            row["weight"] = float(selection.weight[number])
            row |= {f"signal_{n}": float(selection.signals[n][number]) for n in names}
        waiting.append({name: row.get(name) for name in schema.names})
        if len(waiting) == WINDOW:
            file.write(waiting)
            waiting = []
            if progress is not None and selection is not None:
                progress(file.rows, selection.preview.rows, "rows prepared")
    file.write(waiting)
    file.close()
    return file.rows


def _prepared(name: str) -> Path:
    """Where the prepared rows lie, fetched where another machine has made them."""
    try:
        return artifacts.fetch(name)
    except NotFound:
        return artifacts.local_path(name)


def _folder(snapshot: Snapshot) -> Path:
    folder = artifacts.fetch(snapshot.folder)
    if not (folder / "train.parquet").is_file():
        raise InvalidInput(f"The files of {snapshot} are gone: build the snapshot again.")
    return folder


def _empty(found: Preview) -> str:
    if not found.steps[0].rows:
        return "The snapshot has no rows to train on: label instances, and build it again."
    last = next(step.name for step in found.steps if not step.rows)
    return f"No row survives the filters: after {last!r} none is left. Widen that filter."


__all__ = ["SIGNALS", "Preview", "options_of", "prepare", "prepared_config", "preview"]
