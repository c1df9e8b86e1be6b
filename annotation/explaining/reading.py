"""Reading the labels of a project, and of a snapshot, as what is to be explained."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from django.conf import settings
from django.db.models import Prefetch

from accounts.models import Project
from annotation.consensus.posterior import Vote, pair_share
from annotation.consensus.reading import MACHINES, vote_of
from annotation.datasets.labels import groups_of
from annotation.datasets.models import Snapshot
from annotation.instances.content import text_of
from annotation.instances.models import Completion, Instance, InstanceState
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.selectors import criteria_of
from core.exceptions import InvalidInput
from core.hashing import unit_interval

from .factors import measure_all
from .likeness import alike
from .units import PEOPLE, Opinion, Places, Scene, Thing

Json = dict[str, Any]
Progress = Callable[[int, int], object]
# Above so many labels some prompts are left out, with all their labels.
MOST_LABELS = 300_000
# A list of thirty completions has 435 pairs: beyond so many only neighbours in rank count.
MOST_PAIRED = 12
CHUNK = 500


def scene_of_project(project: Project, progress: Progress) -> tuple[Scene, int]:
    """All labels that stand now, and the id of the newest; gold is no data."""
    rows = (
        current(project).exclude(ranking=[], scores=[]).exclude(instance__state=InstanceState.GOLD)
    )
    total = rows.count()
    scene = Scene({row.key: row.name for row in criteria_of(project)}, labels=total)
    groups = groups_of(project)
    newest = 0
    columns = rows.select_related("annotator", "criterion", "instance").order_by("pk")
    for row in columns.only(*_FIELDS).iterator(chunk_size=5000):
        newest = max(newest, row.pk)
        if kept(row.instance.prompt_hash, total):
            _add(scene, _opinion_of(row, groups))
    _measure_rows(project, scene, progress)
    return _only_measured(scene), newest


_FIELDS = (
    *("ranking", "unranked", "scores", "attributes", "shown_order", "instance__prompt_hash"),
    *("annotator__kind", "annotator__pseudonym", "annotator__name", "annotator__cohort"),
    *("criterion__key", "instance_id", "annotator_id"),
)


def kept(prompt_hash: str, total: int) -> bool:
    """Whether a prompt is among those that are explained, where there are too many labels."""
    return total <= MOST_LABELS or unit_interval("explain", prompt_hash) < MOST_LABELS / total


def _opinion_of(row: Annotation, groups: Mapping[int, tuple[int, float]]) -> Json:
    annotator = row.annotator
    machine = annotator.kind in MACHINES
    p = row.attributes.get("verdict", {}).get("p") if machine else None
    group, _ = groups.get(annotator.pk, (None, None))
    return {
        "instance": row.instance_id,
        "criterion": row.criterion.key,
        "annotator": annotator.pseudonym,
        "name": annotator.name,
        "machine": machine,
        "cohort": annotator.cohort,
        "group": group,
        "vote": vote_of(annotator.pk, row.ranking, row.unranked, row.scores, p),
        "shown": row.shown_order,
    }


def _add(scene: Scene, given: Json) -> None:
    """Put a label in, under every source it counts for."""
    shares = shares_of(given["vote"])
    if not shares:
        return
    if given["machine"]:
        names = {f"judge:{given['annotator']}": given["name"]}
    else:
        names = {PEOPLE: ""}
        if given["cohort"]:
            names[f"cohort:{given['cohort']}"] = given["cohort"]
        if given["group"] is not None:
            names[f"group:{given['group']}"] = str(given["group"])
    scene.names.update(names)
    scene.opinions.append(
        Opinion(
            given["instance"],
            given["criterion"],
            given["annotator"],
            tuple(names),
            shares,
            tuple(given["shown"]) if given["shown"] else None,
        )
    )


def shares_of(vote: Vote) -> dict[Places, float]:
    """How much of a label went to the first, per pair that it tells apart.

    >>> shares_of(Vote(1, (1, 2, 2), unranked=frozenset([1, 2])))
    {(0, 1): 1.0, (0, 2): 1.0}
    """
    size = len(vote.ranking)
    pairs: Iterator[Places] = (
        ((i, j) for i in range(size) for j in range(i + 1, size))
        if size <= MOST_PAIRED
        else _neighbours(vote.ranking)
    )
    return {places: share for places in pairs if (share := pair_share(vote, *places)) is not None}


def _neighbours(ranking: Sequence[int]) -> Iterator[Places]:
    order = sorted(range(len(ranking)), key=lambda place: ranking[place])
    return ((min(a, b), max(a, b)) for a, b in pairwise(order))


def _measure_rows(project: Project, scene: Scene, progress: Progress) -> None:
    """Read each labelled instance once; only its numbers stay."""
    wanted = sorted({opinion.instance for opinion in scene.opinions})
    columns = Completion.objects.only("instance_id", "position", "text", "parts", "generator")
    for at in range(0, len(wanted), CHUNK):
        rows = Instance.objects.filter(project=project, pk__in=wanted[at : at + CHUNK])
        rows = rows.prefetch_related(Prefetch("completions", columns.order_by("position")))
        for row in rows.only("pk", "prompt_hash", "messages", "tags", "metadata"):
            completions = list(row.completions.all())
            scene.things[row.pk] = thing_of(
                row.pk,
                row.prompt_hash,
                _asked(row.messages),
                tags_of(row.tags, row.metadata),
                [each.whole_text for each in completions],
                [each.generator for each in completions],
            )
        progress(min(at + CHUNK, len(wanted)), len(wanted))


def thing_of(  # noqa: PLR0917 - a row, by its columns
    instance: int,
    prompt: str,
    asked: str,
    tags: tuple[str, ...],
    texts: Sequence[str],
    generators: Sequence[str],
) -> Thing:
    """An instance as numbers."""
    return Thing(
        instance,
        prompt,
        tags,
        tuple(generators),
        np.array(measure_all(texts, asked), dtype=np.float64),
        tuple(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12] for text in texts),
        alike(texts),
    )


def _asked(messages: Sequence[Mapping[str, Any]]) -> str:
    """The last turn that somebody asked something in."""
    turns = [each for each in messages if each.get("role") == "user"] or list(messages)
    return text_of(turns[-1].get("content")) if turns else ""


def tags_of(tags: Sequence[str], metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Tags, and the domain or category that an import brought."""
    named = [
        f"{name}:{value}"[:80]
        for name in ("domain", "category")
        if isinstance(value := metadata.get(name), str) and value
    ]
    return tuple(dict.fromkeys([*tags, *named]))


def _only_measured(scene: Scene) -> Scene:
    """Without labels whose instance is gone, or has other completions than they rank."""
    scene.opinions = [
        each
        for each in scene.opinions
        if (thing := scene.things.get(each.instance)) is not None
        and max(place for pair in each.shares for place in pair) < len(thing.factors)
    ]
    return scene


def scene_of_snapshot(snapshot: Snapshot, progress: Progress) -> Scene:
    """The labels frozen in a snapshot, of the instances in its splits.

    Raises:
        InvalidInput: its files are gone.
    """
    folder = Path(settings.MEDIA_ROOT) / snapshot.folder
    paths = [folder / "annotations.parquet", folder / "instances.parquet"]
    if not all(path.is_file() for path in paths):
        raise InvalidInput("The files of this snapshot are gone: build it again.")
    labels, instances = (pq.ParquetFile(path) for path in paths)
    total = labels.metadata.num_rows
    scene = Scene({row.key: row.name for row in criteria_of(snapshot.project)}, labels=total)
    numbers = _measure_frozen(snapshot.project, instances, scene, total, progress)
    for batch in labels.iter_batches(batch_size=5000):
        for row in batch.to_pylist():
            if (pk := numbers.get(row["instance_id"])) and row["criterion"] in scene.criteria:
                _frozen(scene, row, pk)
    return _only_measured(scene)


def _measure_frozen(
    project: Project, file: pq.ParquetFile, scene: Scene, total: int, progress: Progress
) -> dict[str, int]:
    """Instances as numbers; their ids by external id. One that is gone since has none."""
    found: dict[str, int] = {}
    done, rows = 0, file.metadata.num_rows
    for batch in file.iter_batches(batch_size=CHUNK):
        mine = [
            row for row in batch.to_pylist() if row["split"] and kept(row["prompt_hash"], total)
        ]
        names = [row["instance_id"] for row in mine]
        ids = dict(
            Instance.objects.filter(project=project, external_id__in=names).values_list(
                "external_id", "pk"
            )
        )
        for row in mine:
            if pk := ids.get(row["instance_id"]):
                found[row["instance_id"]] = pk
                scene.things[pk] = _frozen_thing(pk, row)
        done += len(batch)
        progress(done, rows)
    return found


def _frozen_thing(pk: int, row: Json) -> Thing:
    completions = json.loads(row["completions"])
    return thing_of(
        pk,
        row["prompt_hash"],
        _asked(json.loads(row["messages"])),
        tags_of(row["tags"] or [], json.loads(row["metadata"] or "{}")),
        [text_of([each["text"], *each.get("parts", [])]) for each in completions],
        [each.get("generator", "") for each in completions],
    )


def _frozen(scene: Scene, row: Json, instance: int) -> None:
    if row["purpose"] not in {"label", "review"} or not (row["ranking"] or row["scores"]):
        return
    machine = row["kind"] in MACHINES
    attributes = json.loads(row["attributes"] or "{}")
    p = attributes.get("verdict", {}).get("p") if machine else None
    vote = vote_of(0, row["ranking"], row["unranked"] or [], row["scores"] or [], p)
    given = {**row, "instance": instance, "name": row["annotator"], "machine": machine}
    _add(scene, given | {"vote": vote, "shown": row["shown_order"]})
