"""Reading what goes into a snapshot: one row per instance, and the labels behind it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import Max, QuerySet

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.content import EVEN, text_of
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.labels.selectors import current
from core.hashing import canonical_json

from .models import Export, Snapshot

WINDOW = 500
FILTER_FIELDS = {
    "arms": "instance__assignment__arm__in",
    "destinations": "instance__assignment__destination__in",
    "external_ids": "instance__external_id__in",
}
MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)

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
    project: Project, query: Mapping[str, Any], split_of: Mapping[str, str]
) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Rows with their labels, a window at a time; instances without a split are left out.

    The rows are those of one moment (one cursor), and so are the labels: later ones are ignored.
    No transaction is held, because the job that asks writes its progress in between.
    """
    consensus = chosen(project, query).prefetch_related("instance__completions")
    rows = consensus.iterator(chunk_size=WINDOW)
    labels = _Labels(project, query)
    while window := list(islice(rows, WINDOW)):
        kept = [row for row in window if row.instance.prompt_hash in split_of]
        found = labels.of({row.instance_id: row.instance.external_id for row in kept})
        yield [
            (_row(row, found[row.instance_id], split_of), found[row.instance_id])
            for row in kept
            if not (query["exclude_ties"] and _even(row.worth))
        ]


class _Labels:
    """The labels behind a snapshot; annotators and guidelines are read once, not per label."""

    def __init__(self, project: Project, query: Mapping[str, Any]) -> None:
        self.criterion = query["criterion"]
        annotators = Annotator.objects.filter(project=project)
        if query["scope"] == Scope.HUMAN:
            annotators = annotators.exclude(kind__in=MACHINES)
        elif query["scope"] == Scope.JUDGE:
            annotators = annotators.filter(kind__in=MACHINES)
        self.annotators = annotators.in_bulk()
        self.guidelines = dict(project.guidelines.values_list("pk", "version"))
        criterion = project.criteria.get(key=self.criterion)
        newest = current(project).aggregate(newest=Max("pk"))["newest"] or 0
        self.labels = current(project).filter(criterion=criterion, pk__lte=newest)

    def of(self, external_ids: Mapping[int, str]) -> dict[int, list[Row]]:
        """Labels by instance, in the order of their annotators' pseudonyms."""
        found: dict[int, list[Row]] = {pk: [] for pk in external_ids}
        for label in self.labels.filter(instance__in=list(external_ids)).order_by("pk"):
            if label.annotator_id in self.annotators:
                found[label.instance_id].append(self._row(label, external_ids[label.instance_id]))
        for rows in found.values():
            rows.sort(key=lambda row: str(row["annotator"]))
        return found

    def _row(self, label: Annotation, external_id: str) -> Row:
        annotator = self.annotators[label.annotator_id]
        return {
            "instance_id": external_id,
            "criterion": self.criterion,
            "annotator": annotator.pseudonym,
            "kind": annotator.kind,
            "simulated": annotator.simulated,
            "ranking": label.ranking,
            "tie_kind": label.tie_kind,
            "strength": label.strength,
            "confidence": label.confidence,
            "rationale": label.rationale,
            "reasons": label.reasons,
            "attributes": canonical_json(label.attributes),
            "shown_order": label.shown_order,
            "seconds": label.seconds,
            "guideline": self.guidelines.get(label.guideline_id or 0),
        }


def _row(row: Consensus, labels: Sequence[Row], split_of: Mapping[str, str]) -> Row:
    instance = row.instance
    completions = list(instance.completions.all())
    messages = [{"role": m["role"], "content": text_of(m["content"])} for m in instance.messages]
    assignment = getattr(instance, "assignment", None)
    return {
        "instance_id": instance.external_id,
        "split": split_of[instance.prompt_hash],
        "arm": assignment.arm if assignment else "",
        "prompt": canonical_json(messages),
        "prompt_hash": instance.prompt_hash,
        "completions": [completion.whole_text for completion in completions],
        "score": [float(worth) for worth in row.worth],
        "pair_p": float(row.worth[0]) if len(row.worth) == 2 else None,
        "weight": 1.0,
        "margin": _margin(row, labels),
        "source": source(row),
        "simulated": row.simulated,
        "annotators": row.sources.get("annotators", 0),
        "generators": [completion.generator for completion in completions],
        "licences": [completion.licence for completion in completions],
    }


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
