"""What a run is asked to do: options of a person turned into the configuration of a fit."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import Project
from annotation.datasets.models import Snapshot
from core import artifacts
from core.exceptions import InvalidInput
from training.errors import RefusalError
from training.fit import config as core
from training.registry.models import ModelVersion, Stage

from .commands import threads
from .folders import allowed_folder
from .models import RunKind
from .preparing import options as rows

# Fields of the configuration that follow from the run and cannot be chosen.
DERIVED = frozenset({"kind", "data", "threads", "reference_cache", "notes"})
DEFAULT_PRESET = {RunKind.REWARD.value: "bt", RunKind.POLICY.value: "dpo"}
# A policy from random weights has to learn the language of the data before preferences.
SCRATCH_WARMUP_STEPS = 100
ADAPTERS_ALONE = (
    "`lora.merge` is false, but adapters without their base are no model that can be scored or "
    "served. Set it to true: the adapters are kept in `adapter/` beside the model."
)
MOST_TOLD = 2000
# What a snapshot's manifest says of the labels behind it.
COUNTED = (
    "rows",
    "prompts",
    "rows_by_source",
    "rows_by_arm",
    "labels_by_kind",
    "simulated_share",
    "consensus_methods",
    "agreement",
    "licences",
)


def fit_config(kind: str, snapshot: Snapshot, options: dict[str, Any]) -> dict[str, Any]:
    """The configuration that `python -m training fit` reads, complete and checked.

    `options` are fields of `training.fit.config.FitConfig`, and those of the rows it trains on
    (`training.runs.preparing.options`: data_mode, weight_by, weight_cap, noise, filters). `base`
    is one of `{"scratch": {…}}` (a size; random weights), `{"path": …}` (a folder below
    MODEL_ROOTS) and `{"version": id}` (a model version of the project); without it a small model
    starts from random weights. `continue_from` goes before `base`; see `continued`. A policy in
    `reference` is named as a base is.

    Raises:
        InvalidInput: an unknown kind, preset, field or model, or a snapshot without rows.
    """
    _check_kind(kind)
    given = _values(snapshot.project, kind, options)
    return checked(given | {"data": data_of(snapshot), "notes": _notes(snapshot) | given["notes"]})


def check_options(project: Project, kind: str, options: dict[str, Any]) -> None:
    """Refuse what `fit_config` would refuse on any snapshot.

    Raises:
        InvalidInput: an unknown kind, preset, field or model.
    """
    _check_kind(kind)
    checked(_values(project, kind, options) | {"data": {"train": ""}})


def continued(project: Project, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with `base` as `continue_from` says.

    "base" (or nothing) keeps the base; "production" and "last" take the version in production or
    the newest one that is not archived, and the base where there is none yet; a number is the id
    of a version of the project.

    Raises:
        InvalidInput: there is no such choice or version.
    """
    options = dict(options)
    choice = options.pop("continue_from", None) or "base"
    if choice == "base":
        return options
    if isinstance(choice, int) and not isinstance(choice, bool):
        return options | {"base": {"version": choice}}
    versions = ModelVersion.objects.filter(project=project, kind=kind).order_by("-version")
    if choice == "production":
        found = versions.filter(stage=Stage.PRODUCTION).first()
    elif choice == "last":
        found = versions.exclude(stage=Stage.ARCHIVED).first()
    else:
        raise InvalidInput(
            f"`continue_from` is {choice!r}: choose base, production, last or the id of a version."
        )
    return options | ({"base": {"version": found.pk}} if found else {})


def _check_kind(kind: str) -> None:
    if kind not in RunKind.values:
        raise InvalidInput(f"`kind` is {kind!r}: choose {' or '.join(RunKind.values)}.")


def _values(project: Project, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Everything of the configuration that does not follow from the snapshot."""
    if isinstance(options.get("lora"), dict) and options["lora"].get("merge") is False:
        raise InvalidInput(ADAPTERS_ALONE)
    chosen = sorted(DERIVED & options.keys())
    if chosen:
        raise InvalidInput(f"`{chosen[0]}` follows from the run: leave it out of the options.")
    options = continued(project, kind, options)
    asked = rows.data_options(options).as_json()
    values = {name: value for name, value in options.items() if name not in rows.KEYS} | {
        "kind": kind,
        "preset": options.get("preset", DEFAULT_PRESET[kind]),
        "base": base_of(project, options.get("base") or {"scratch": {}}),
        "tokenizer": _tokenizer(options),
        "threads": threads(),
        "reference_cache": str(Path(settings.MEDIA_ROOT) / "reference"),
        "notes": {"data_options": asked} if asked else {},
    }
    if isinstance(options.get("reference"), list):
        values["reference"] = [base_of(project, named) for named in options["reference"]]
    if kind == RunKind.POLICY and values["base"].get("scratch") is not None:
        values.setdefault("sft_warmup_steps", SCRATCH_WARMUP_STEPS)
    return values


def local_config(project: Project, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the model folders of this machine, fetched where they are elsewhere.

    Raises:
        InvalidInput, NotFound: a model is not on this machine, and nobody shares it.
    """
    versions = ModelVersion.objects.filter(project=project).values_list("folder", flat=True)
    located: dict[str, Any] = _located(config, list(versions))
    here = {
        "reference_cache": str(Path(settings.MEDIA_ROOT) / "reference"),
        "threads": threads(),
    }
    return located | here | {"data": config["data"], "notes": config["notes"]}


def local_folder(project: Project, path: str) -> Path:
    """The folder of this machine that a model's path in a run's configuration means.

    Raises:
        InvalidInput, NotFound: as in `local_config`.
    """
    versions = ModelVersion.objects.filter(project=project).values_list("folder", flat=True)
    return Path(_located_path(path, list(versions)))


def _located(value: Any, versions: Sequence[str]) -> Any:
    """Every `path` of a model as it is on this machine: a version's, or below MODEL_ROOTS."""
    if isinstance(value, list):
        return [_located(inner, versions) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _located_path(inner, versions)
        if name == "path" and isinstance(inner, str)
        else _located(inner, versions)
        for name, inner in value.items()
    }


def _located_path(path: str, versions: Sequence[str]) -> str:
    version = next((folder for folder in versions if path.endswith(f"/{folder}")), None)
    if version is not None:
        return str(artifacts.fetch(version))
    if Path(path).is_dir():
        return path
    return str(allowed_folder(Path(path).name, holds="config.json"))


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """All fields with their defaults, as the core reads them.

    Raises:
        InvalidInput: the core refuses them; its message names the field and the remedy.
    """
    try:
        return dataclasses.asdict(core.fit_config(values))
    except RefusalError as refusal:
        told = f"{refusal.message} {refusal.hint}".strip()
        raise InvalidInput(told[:MOST_TOLD]) from None  # it repeats what was sent


def data_of(snapshot: Snapshot) -> dict[str, str | None]:
    """Paths of the snapshot's files; `eval` is None where it has no test split.

    Raises:
        InvalidInput: the training file is gone.
    """
    folder = artifacts.fetch(snapshot.folder)
    train, test = folder / "train.parquet", folder / "test.parquet"
    if not train.is_file():
        raise InvalidInput(f"The files of {snapshot} are gone: build the snapshot again.")
    return {"train": str(train), "eval": str(test) if test.is_file() else None}


def base_of(project: Project, base: object) -> dict[str, Any]:
    """`base` with a path that may be read.

    Raises:
        InvalidInput: the folder is outside MODEL_ROOTS, or the version is not the project's.
    """
    if not isinstance(base, dict):
        raise InvalidInput('`base` must be an object such as {"path": "name of a folder"}.')
    if "version" in base:
        rest = {name: value for name, value in base.items() if name != "version"}
        return rest | {"path": str(_version_folder(project, base["version"]))}
    if base.get("path") is not None:
        return base | {"path": str(allowed_folder(base["path"], holds="config.json"))}
    return base


def _version_folder(project: Project, version: object) -> Path:
    found = (
        ModelVersion.objects.filter(project=project, pk=version).first()
        if isinstance(version, int) and not isinstance(version, bool)
        else None
    )
    if found is None:
        raise InvalidInput(f"There is no model version {version!r} in this project.")
    return artifacts.local_path(found.folder)


def _tokenizer(options: dict[str, Any]) -> object:
    """The tokenizer asked for; a model from random weights gets one trained on the data."""
    asked = options.get("tokenizer")
    if asked is None:
        base = options.get("base")
        given = base if isinstance(base, dict) else {}
        trained = any(given.get(name) is not None for name in ("version", "path", "hub"))
        return {"train_on_data": not trained}
    if isinstance(asked, dict) and asked.get("path") is not None:
        return asked | {"path": str(allowed_folder(asked["path"], holds="tokenizer.json"))}
    return asked


def _notes(snapshot: Snapshot) -> dict[str, Any]:
    """Provenance for the model card: the snapshot and what it counted."""
    counted = {name: snapshot.manifest[name] for name in COUNTED if name in snapshot.manifest}
    return {"project": snapshot.project.slug, "snapshot": snapshot.content_hash} | counted
