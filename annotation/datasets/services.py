"""Snapshots: the same query on the same data gives the same hash and the same row."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Project, User
from annotation.labels.answers import SCORED
from annotation.projects.models import Criterion, Protocol
from core import artifacts
from core.exceptions import InvalidInput
from core.files import sync

from . import files, selectors
from .labels import DATA, WINDOW, Labels
from .labels import windows as label_windows
from .models import Snapshot
from .queries import normalise, split_names
from .splits import TRAIN, split_prompts
from .tally import Tally

Progress = Callable[[int, int], object]
Window = list[tuple[dict[str, Any], list[dict[str, Any]]]]


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
    split}}`, which leaves other prompts out), exclude_ties, include_excluded (labels of excluded
    annotators), pairs_from_ratings (the least difference of mean scores that makes a pair; a
    criterion that is scored has no rows for training without it), band (of those pairs: `at_most`,
    `least_score`, `least_variance`).
    The folder has `<split>.parquet` for training, `annotations.parquet` with every label on every
    criterion, `instances.parquet` with what they are about, and `manifest.json`. The hash covers
    query, rows, splits and labels, not their order; what is there already is returned.

    Raises:
        InvalidInput: the query is wrong, nothing matches it, or there are too few prompts.
    """
    query = _checked(project, query)
    root = Path(settings.MEDIA_ROOT) / "snapshots"
    with files.temporary_folder(root / "new") as folder:
        manifest = _write(project, query, folder, progress)
        target = root / manifest["content_hash"]
        files.publish_folder(folder, target)
    artifacts.publish(target, f"snapshots/{manifest['content_hash']}")
    return _register(project, manifest, created_by, name)


def _checked(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    keys = list(Criterion.objects.filter(project=project).values_list("key", flat=True))
    checked = normalise(query, default_criterion=keys[0] if keys else "overall")
    if checked["criterion"] not in keys:
        raise InvalidInput(
            f"The project has no criterion {checked['criterion']!r}: use {', '.join(keys)}."
        )
    return checked


def _split_of(
    project: Project, query: Mapping[str, Any], labels: Labels, scored: bool
) -> dict[str, str]:
    """Split by prompt hash; a prompt that is missing here is left out of the snapshot's rows."""
    if "assigned" in query["splits"]:
        return dict(query["splits"]["assigned"])
    hashes = _prompts(project, query, labels, scored)
    if not query["splits"]:
        return dict.fromkeys(hashes, TRAIN)
    salt = Protocol.objects.values_list("salt", flat=True).get(project=project)
    return split_prompts(hashes, salt=salt, shares=query["splits"])


def _prompts(project: Project, query: Mapping[str, Any], labels: Labels, scored: bool) -> set[str]:
    """The prompts that are drawn: those of consensus rows, or of scores, which have none."""
    if not scored:
        rows = selectors.chosen(project, query).order_by()
        return set(rows.values_list("instance__prompt_hash", flat=True))
    answers = labels.all().filter(criterion__key=query["criterion"], purpose__in=DATA)
    rated = labels.instances().filter(pk__in=answers.values("instance")).order_by()
    return set(rated.values_list("prompt_hash", flat=True))


def _write(
    project: Project, query: Mapping[str, Any], folder: Path, progress: Progress | None
) -> dict[str, Any]:
    """Fill the folder; returns the manifest."""
    labels = Labels(project, query)
    criterion = next(row for row in labels.criteria if row.key == query["criterion"])
    scored = criterion.asks(labels.protocol) in SCORED
    if query["pairs_from_ratings"] and not scored:
        raise InvalidInput(f"{criterion.name} is not scored: leave pairs_from_ratings out.")
    split_of = _split_of(project, query, labels, scored)
    total = 2 * labels.instances().count()
    step = _steps(progress, total)
    tally = Tally()
    _write_rows(_windows(project, query, split_of, labels, scored), query, folder, tally, step)
    _write_labels(label_windows(labels, split_of), folder, tally, step)
    if not (tally.rows or (scored and tally.data_labels)):
        raise InvalidInput(
            "Nothing matches this query: label instances or update the consensus first."
        )
    manifest = tally.manifest(query, _methods(project, query))
    manifest |= {"criteria": _criteria(labels), "excluded": labels.left_out()}
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    sync(folder / "manifest.json")
    return manifest


def _windows(
    project: Project,
    query: Mapping[str, Any],
    split_of: Mapping[str, str],
    labels: Labels,
    scored: bool,
) -> Iterable[Window]:
    if not scored:
        return selectors.windows(project, query, split_of, labels)
    if query["pairs_from_ratings"] is None:
        return ()
    return selectors.rated_windows(project, query, split_of, labels)


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    """Counts a window each time it is called."""
    done = 0

    def step() -> None:
        nonlocal done
        done = min(total, done + WINDOW)
        if progress is not None:
            progress(done, total)

    return step


def _write_rows(
    windows: Iterable[Window],
    query: Mapping[str, Any],
    folder: Path,
    tally: Tally,
    step: Callable[[], None],
) -> None:
    """What training reads: one file per split."""
    writers = {
        split: files.ParquetFile(folder / f"{split}.parquet", files.ROWS)
        for split in split_names(query["splits"])
    }
    for window in windows:
        for row, labels in window:
            tally.add(row, labels)
        for split, writer in writers.items():
            writer.write([row for row, _ in window if row["split"] == split])
        step()
    for writer in writers.values():
        writer.close()


def _write_labels(
    windows: Iterable[Window], folder: Path, tally: Tally, step: Callable[[], None]
) -> None:
    """Every label on every criterion, and the instances they are about, in one order."""
    labels = files.ParquetFile(folder / "annotations.parquet", files.LABELS)
    instances = files.ParquetFile(folder / "instances.parquet", files.INSTANCES)
    for window in windows:
        for instance, found in window:
            tally.add_labels(instance, found)
        instances.write([instance for instance, _ in window])
        labels.write([label for _, found in window for label in found])
        step()
    for writer in (labels, instances):
        writer.close()


def _criteria(labels: Labels) -> list[dict[str, Any]]:
    """What was asked, for whoever reads the labels without this database."""
    fields = ("key", "name", "question", "lowest", "levels", "labels")
    return [
        {name: getattr(row, name) for name in fields} | {"asks": str(row.asks(labels.protocol))}
        for row in labels.criteria
    ]


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
