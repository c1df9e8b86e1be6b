"""Reading what goes into a snapshot: one row per instance, and the labels behind it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from annotation.consensus.models import Consensus
from annotation.instances.content import EVEN, text_of
from annotation.instances.models import Instance
from core.hashing import canonical_json

from .labels import FILTER_FIELDS as INSTANCE_FIELDS
from .labels import MACHINES, WINDOW, Labels
from .models import Export, Snapshot
from .ratings import deciding, means, pairs

FILTER_FIELDS = {name: f"instance__{field}" for name, field in INSTANCE_FIELDS.items()}

Row = dict[str, Any]


def chosen(project: Project, query: Mapping[str, Any]) -> QuerySet[Consensus]:
    """The consensus rows a normalised query asks for, in the order of their instances' ids."""
    rows = Consensus.objects.filter(
        instance__project=project, criterion__key=query["criterion"], scope=query["scope"]
    )
    for name, values in query["instances"].items():
        rows = rows.filter(**{FILTER_FIELDS[name]: values})
    return rows.select_related("instance", "instance__assignment").order_by("instance__external_id")


def windows(
    project: Project, query: Mapping[str, Any], split_of: Mapping[str, str], labels: Labels
) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Rows with their labels, a window at a time; instances without a split are left out.

    The rows are those of one moment (one cursor), and so are the labels: later ones are ignored.
    No transaction is held, because the job that asks writes its progress in between.
    """
    consensus = chosen(project, query).prefetch_related("instance__completions")
    rows = consensus.iterator(chunk_size=WINDOW)
    while window := list(islice(rows, WINDOW)):
        kept = [row for row in window if row.instance.prompt_hash in split_of]
        names = {row.instance_id: row.instance.external_id for row in kept}
        found = labels.of(names, query["criterion"])
        yield [
            (_row(row, found[row.instance_id], split_of), found[row.instance_id])
            for row in kept
            if not (query["exclude_ties"] and _even(row.worth))
        ]


def rated_windows(
    project: Project, query: Mapping[str, Any], split_of: Mapping[str, str], labels: Labels
) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Pairs of the completions whose mean scores differ by the query's gap, with their labels."""
    criterion = project.criteria.get(key=query["criterion"])
    steps = max(1, criterion.levels - 1)
    rows = labels.instances().prefetch_related("completions").iterator(chunk_size=WINDOW)
    while window := list(islice(rows, WINDOW)):
        kept = [row for row in window if row.prompt_hash in split_of]
        found = labels.of({row.pk: row.external_id for row in kept}, query["criterion"])
        yield [
            (row, found[instance.pk])
            for instance in kept
            for row in _rated(instance, found[instance.pk], split_of, query, steps)
        ]


def _rated(
    instance: Instance,
    labels: Sequence[Row],
    split_of: Mapping[str, str],
    query: Mapping[str, Any],
    steps: int,
) -> Iterator[Row]:
    counted = deciding(labels)
    score = means(counted, instance.completions.count())
    shared = {
        "source": _source_of(counted),
        "simulated": any(label["simulated"] for label in counted),
        "annotators": len({label["annotator"] for label in counted}),
        "unranked": [],
    }
    for pair in pairs(score, query["pairs_from_ratings"], steps, query.get("band")):
        content = _content(instance, split_of, pair.pop("places"))
        yield content | shared | pair


def _source_of(labels: Sequence[Mapping[str, Any]]) -> str:
    machines = sum(label["kind"] in MACHINES for label in labels)
    name = "human" if not machines else "judge" if machines == len(labels) else "both"
    return f"simulated-{name}" if any(label["simulated"] for label in labels) else name


def _row(row: Consensus, labels: Sequence[Row], split_of: Mapping[str, str]) -> Row:
    return _content(row.instance, split_of) | {
        "score": [float(worth) for worth in row.worth],
        "pair_p": float(row.worth[0]) if len(row.worth) == 2 else None,
        "margin": _margin(row, labels),
        "source": source(row),
        "simulated": row.simulated,
        "annotators": row.sources.get("annotators", 0),
        "unranked": _unranked(labels),
    }


def _content(
    instance: Instance, split_of: Mapping[str, str], places: Sequence[int] | None = None
) -> Row:
    """What a row says of its instance, with all its completions or those at `places`."""
    whole = list(instance.completions.all())
    completions = whole if places is None else [whole[place] for place in places]
    assignment = getattr(instance, "assignment", None)
    rich = any(not isinstance(message["content"], str) for message in instance.messages)
    words = [{"role": m["role"], "content": text_of(m["content"])} for m in instance.messages]
    return {
        "instance_id": instance.external_id,
        "split": split_of[instance.prompt_hash],
        "arm": assignment.arm if assignment else "",
        "prompt": canonical_json(words),
        "prompt_hash": instance.prompt_hash,
        "completions": [completion.whole_text for completion in completions],
        "weight": 1.0,
        "generators": [completion.generator for completion in completions],
        "licences": [completion.licence for completion in completions],
        "messages": canonical_json(instance.messages) if rich else None,
        "context": canonical_json(instance.context) if instance.context else None,
        "parts": [_json(completion.parts) for completion in completions],
        "own_prompts": [_json(completion.messages) for completion in completions],
    }


def _json(value: Any) -> str | None:
    return canonical_json(value) if value else None


def _unranked(labels: Sequence[Row]) -> list[int]:
    """The positions that every label which ranks left unranked."""
    ranking = [set(label["unranked"]) for label in labels if label["ranking"]]
    return sorted(set.intersection(*ranking)) if ranking else []


def source(row: Consensus) -> str:
    """human, judge or both, with `simulated-` before it where any label behind it is simulated."""
    human, judge = row.sources.get("human", 0), row.sources.get("judge", 0)
    name = "both" if human and judge else "human" if human else "judge"
    return f"simulated-{name}" if row.simulated else name


def _margin(row: Consensus, labels: Sequence[Row]) -> float:
    """Mean strength of a pair's labels towards the consensus, those against it negative; ≥ 0."""
    if len(row.worth) != 2 or _even(row.worth):
        return 0.0
    winner = 0 if row.worth[0] > row.worth[1] else 1
    signed = [
        label["strength"] if label["ranking"][winner] == 1 else -label["strength"]
        for label in labels
        if label["strength"] is not None and len(set(label["ranking"])) == 2
    ]
    return max(0.0, sum(signed) / len(signed)) if signed else 0.0


def _even(worth: Sequence[float]) -> bool:
    return max(worth) - min(worth) < EVEN


def snapshots_of(project: Project) -> QuerySet[Snapshot]:
    """Newest first."""
    return Snapshot.objects.filter(project=project).order_by("-pk")


def exports_of(project: Project) -> QuerySet[Export]:
    """Newest first, with their snapshots."""
    exports = Export.objects.filter(snapshot__project=project)
    return exports.select_related("snapshot").order_by("-pk")
