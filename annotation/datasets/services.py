"""Snapshots: the same query on the same data gives the same hash and the same row."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts.models import Project, User
from annotation.instances.models import Instance
from annotation.labels.answers import SCORED
from annotation.projects.models import Protocol
from core import artifacts
from core.exceptions import InvalidInput
from core.files import sync
from core.memory import tidy_memory

from . import cards, files, selectors
from .labels import Labels
from .models import Snapshot
from .queries import EVERY, checked_for, split_names
from .splits import TRAIN, split_prompts
from .tally import Tally
from .windows import Case, windows

Progress = Callable[[int, int], object]
WORTH_COUNTING = 2_000
READ = (
    "annotation_annotation",
    "annotation_instance",
    "annotation_completion",
    "annotation_consensus",
    "annotation_assignment",
)


def build_snapshot(
    *,
    project: Project,
    query: Mapping[str, Any],
    created_by: User | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Snapshot:
    """Freeze the consensus a query asks for as Parquet files with a manifest.

    `query`: criterion (or `*`: the labels on all, and no rows for training), scope (mixed, human or
    judge), instances (arms, destinations, external_ids), splits (`{"test": 0.2}` by salted prompt
    hash, or `{"assigned": {prompt hash: split}}`, which leaves other prompts out), exclude_ties,
    include_excluded (labels of excluded annotators), pairs_from_ratings (the least difference of
    mean scores that makes a pair; a criterion that is scored has no rows for training without it),
    band (of those pairs: `at_most`, `least_score`, `least_variance`), and the parts that narrow
    labels, consensus and instances (`annotation.datasets.narrowing`).
    The folder has `<split>.parquet` for training, `annotations.parquet` with every label on every
    criterion, `instances.parquet` with what they are about, and `manifest.json`. The hash covers
    query, rows, splits and labels, not their order; what is there already is returned.

    Raises:
        InvalidInput: the query is wrong, nothing matches it, or there are too few prompts.
    """
    query = checked_for(project, query)
    root = Path(settings.MEDIA_ROOT) / "snapshots"
    _let_planner_count(project)
    with tidy_memory(), files.temporary_folder(root / "new") as folder:
        manifest = _write(project, query, folder, progress)
        target = root / manifest["content_hash"]
        files.publish_folder(folder, target)
    artifacts.publish(target, f"snapshots/{manifest['content_hash']}")
    return _register(project, manifest, created_by, name)


def _let_planner_count(project: Project) -> None:
    """Labels that came a moment ago are not counted yet, and each window would walk their table."""
    if Instance.objects.filter(project=project).count() >= WORTH_COUNTING:
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(READ)}")


def _split_of(labels: Labels, scored: bool) -> dict[str, str]:
    """Split by prompt hash; a prompt that is missing here is left out of the snapshot's rows."""
    query = labels.query
    if "assigned" in query["splits"]:
        return dict(query["splits"]["assigned"])
    hashes = selectors.prompts(labels, scored=scored).iterator()
    if not query["splits"]:
        return dict.fromkeys(hashes, TRAIN)
    salt = Protocol.objects.values_list("salt", flat=True).get(project=labels.project)
    return split_prompts(hashes, salt=salt, shares=query["splits"])


def _write(
    project: Project, query: Mapping[str, Any], folder: Path, progress: Progress | None
) -> dict[str, Any]:
    """Fill the folder; returns the manifest."""
    labels = Labels(project, query)
    scored = _is_scored(labels)
    split_of = _split_of(labels, scored)
    total = labels.instances().count()
    tally = Tally()
    _write_files(windows(labels, split_of, scored=scored), query, folder, tally, progress, total)
    if not (tally.rows or ((scored or query["criterion"] == EVERY) and tally.data_labels)):
        raise InvalidInput(
            "Nothing matches this query: label instances or update the consensus first."
        )
    manifest = tally.manifest(query, _methods(labels))
    manifest |= {"criteria": _criteria(labels), "excluded": labels.left_out()}
    card = cards.markdown(manifest, f"{project.name} ({manifest['content_hash'][:8]})")
    (folder / "README.md").write_text(card, encoding="utf-8")
    sync(folder / "README.md")
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    sync(folder / "manifest.json")
    return manifest


def _is_scored(labels: Labels) -> bool:
    query = labels.query
    if query["criterion"] == EVERY:
        return False
    criterion = next(row for row in labels.criteria if row.key == query["criterion"])
    scored = criterion.asks(labels.protocol) in SCORED
    if query["pairs_from_ratings"] and not scored:
        raise InvalidInput(f"{criterion.name} is not scored: leave pairs_from_ratings out.")
    return scored


def _write_files(  # noqa: PLR0917 - private, one call
    walk: Iterable[tuple[int, list[Case]]],
    query: Mapping[str, Any],
    folder: Path,
    tally: Tally,
    progress: Progress | None,
    total: int,
) -> None:
    """What training reads, a file per split; every label, and the instances they are about."""
    rows = {
        split: files.ParquetFile(folder / f"{split}.parquet", files.ROWS)
        for split in split_names(query["splits"])
    }
    labels = files.ParquetFile(folder / "annotations.parquet", files.LABELS)
    instances = files.ParquetFile(folder / "instances.parquet", files.INSTANCES)
    done = 0
    for read, cases in walk:
        for case in cases:
            tally.add(case)
        made = [row for case in cases for row, _ in case.rows]
        for split, writer in rows.items():
            writer.write([row for row in made if row["split"] == split])
        instances.write([case.instance for case in cases if case.instance is not None])
        labels.write([row for case in cases for row in case.labels])
        done = min(total, done + read)
        if progress is not None:
            progress(done, total)
    for file in (*rows.values(), labels, instances):
        file.close()


def _criteria(labels: Labels) -> list[dict[str, Any]]:
    """What was asked, for whoever reads the labels without this database."""
    fields = ("key", "name", "question", "lowest", "levels", "labels")
    return [
        {name: getattr(row, name) for name in fields} | {"asks": str(row.asks(labels.protocol))}
        for row in labels.criteria
    ]


def _methods(labels: Labels) -> list[str]:
    if labels.query["criterion"] == EVERY:
        return []
    if labels.narrowed:
        return ["majority of these labels"]
    rows = selectors.chosen(labels).order_by()
    return sorted(rows.values_list("method", flat=True).distinct())


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
