"""Snapshots: the same query on the same data gives the same hash and the same row."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Project, User
from annotation.projects.models import Criterion, Protocol
from core.exceptions import InvalidInput
from core.files import sync

from . import files, selectors
from .models import Snapshot
from .queries import normalise, split_names
from .splits import TRAIN, split_prompts
from .tally import Tally

Progress = Callable[[int, int], object]


def build_snapshot(
    *,
    project: Project,
    query: Mapping[str, Any],
    created_by: User | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Snapshot:
    """Freeze the consensus a query asks for as Parquet files with a manifest.

    `query`: criterion, scope (mixed, human or judge), instances (arms, destinations,
    external_ids), splits (`{"test": 0.2}` by salted prompt hash, or `{"assigned": {prompt hash:
    split}}`, which leaves other prompts out), exclude_ties; see algorithms.md §1 on splits.
    The folder has `<split>.parquet`, `annotations.parquet` and `manifest.json`. The hash covers
    query, rows, splits and labels, not their order or time; what is there already is returned.

    Raises:
        InvalidInput: the query is wrong, nothing matches it, or there are too few prompts.
    """
    query = _checked(project, query)
    root = Path(settings.MEDIA_ROOT) / "snapshots"
    with files.temporary_folder(root / "new") as folder:
        manifest = _write(project, query, folder, progress)
        files.publish_folder(folder, root / manifest["content_hash"])
    return _register(project, manifest, created_by, name)


def _checked(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    keys = list(Criterion.objects.filter(project=project).values_list("key", flat=True))
    checked = normalise(query, default_criterion=keys[0] if keys else "overall")
    if checked["criterion"] not in keys:
        raise InvalidInput(
            f"The project has no criterion {checked['criterion']!r}: use {', '.join(keys)}."
        )
    return checked


def _split_of(project: Project, query: Mapping[str, Any]) -> dict[str, str]:
    """Split by prompt hash; a prompt that is missing here is left out of the snapshot."""
    if "assigned" in query["splits"]:
        return dict(query["splits"]["assigned"])
    prompts = selectors.chosen(project, query).order_by()
    hashes = set(prompts.values_list("instance__prompt_hash", flat=True))
    if not query["splits"]:
        return dict.fromkeys(hashes, TRAIN)
    salt = Protocol.objects.values_list("salt", flat=True).get(project=project)
    return split_prompts(hashes, salt=salt, shares=query["splits"])


def _write(
    project: Project, query: Mapping[str, Any], folder: Path, progress: Progress | None
) -> dict[str, Any]:
    """Fill the folder; returns the manifest."""
    split_of = _split_of(project, query)
    tally = _write_rows(project, query, split_of, folder, progress)
    if not tally.rows:
        raise InvalidInput(
            "Nothing matches this query: label instances or update the consensus first."
        )
    manifest = tally.manifest(query, _methods(project, query))
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    sync(folder / "manifest.json")
    return manifest


def _write_rows(
    project: Project,
    query: Mapping[str, Any],
    split_of: Mapping[str, str],
    folder: Path,
    progress: Progress | None,
) -> Tally:
    writers = {
        split: files.ParquetFile(folder / f"{split}.parquet", files.ROWS)
        for split in split_names(query["splits"])
    }
    annotations = files.ParquetFile(folder / "annotations.parquet", files.LABELS)
    tally = Tally()
    done, total = 0, selectors.chosen(project, query).count()
    for window in selectors.windows(project, query, split_of):
        for row, labels in window:
            tally.add(row, labels)
        for split, writer in writers.items():
            writer.write([row for row, _ in window if row["split"] == split])
        annotations.write([label for _, labels in window for label in labels])
        done = min(total, done + selectors.WINDOW)
        if progress is not None:
            progress(done, total)
    for writer in [*writers.values(), annotations]:
        writer.close()
    return tally


def _methods(project: Project, query: Mapping[str, Any]) -> list[str]:
    rows = selectors.chosen(project, query).order_by()
    return sorted(set(rows.values_list("method", flat=True)))


def _register(
    project: Project, manifest: dict[str, Any], created_by: User | None, name: str
) -> Snapshot:
    """The snapshot's row; of two that build the same at once, both get the one row."""
    key = {"project": project, "content_hash": manifest["content_hash"]}
    if found := Snapshot.objects.filter(**key).first():
        return found
    try:
        with transaction.atomic():
            return Snapshot.objects.create(
                **key,
                name=name,
                query=manifest["query"],
                manifest=manifest,
                folder=f"snapshots/{manifest['content_hash']}",
                created_by=created_by,
            )
    except IntegrityError:
        return Snapshot.objects.get(**key)
