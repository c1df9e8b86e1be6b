"""Reading the labels of a snapshot: every label that stands, with all that was noted of it."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet

from accounts.models import Project
from annotation.consensus.groups import strongest
from annotation.consensus.models import Scope
from annotation.instances.models import Completion, Instance
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.labels.selectors import current
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality.models import Report
from annotation.queue.models import Assignment
from annotation.queue.purposes import Purpose
from core.hashing import canonical_json

WINDOW = 500
MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
# Only these are data; the other purposes measure people.
DATA = frozenset({Purpose.LABEL, Purpose.REVIEW})
FILTER_FIELDS = {
    "arms": "assignment__arm__in",
    "destinations": "assignment__destination__in",
    "external_ids": "external_id__in",
}

Row = dict[str, Any]


class Labels:
    """The labels of one moment: annotators, criteria and guidelines are read once, not per label.

    Labels that come later are ignored, so that every file of a snapshot holds the same.
    """

    def __init__(self, project: Project, query: Mapping[str, Any]) -> None:
        self.project, self.query = project, query
        annotators = Annotator.objects.filter(project=project)
        if query["scope"] == Scope.HUMAN:
            annotators = annotators.exclude(kind__in=MACHINES)
        elif query["scope"] == Scope.JUDGE:
            annotators = annotators.filter(kind__in=MACHINES)
        self.annotators = annotators.in_bulk()
        self.guidelines = dict(project.guidelines.values_list("pk", "version"))
        self.protocol, self.criteria = protocol_of(project), criteria_of(project)
        self.by_pk = {criterion.pk: criterion for criterion in self.criteria}
        self.groups = groups_of(project)
        self.newest = self._standing(excluded=True).aggregate(newest=Max("pk"))["newest"] or 0

    def _standing(self, *, excluded: bool) -> QuerySet[Annotation]:
        return current(self.project, purposes=Purpose.values, excluded=excluded)

    def all(self) -> QuerySet[Annotation]:
        """Every label of the moment in the scope, whatever its purpose and criterion."""
        rows = self._standing(excluded=self.query["include_excluded"])
        return rows.filter(pk__lte=self.newest, annotator__in=list(self.annotators))

    def left_out(self) -> dict[str, int]:
        """How many annotators are excluded, and how many of their labels that leaves out."""
        rows = self._standing(excluded=True).filter(
            pk__lte=self.newest, annotator__excluded_at__isnull=False
        )
        people = rows.values("annotator").distinct().count()
        return {"annotators": people, "labels": 0 if self.query["include_excluded"] else len(rows)}

    def instances(self) -> QuerySet[Instance]:
        """The labelled instances that the query's filters let in, by external id."""
        labels = self.all().filter(instance=OuterRef("pk"))
        rows = Instance.objects.filter(Exists(labels), project=self.project)
        for name, values in self.query["instances"].items():
            rows = rows.filter(**{FILTER_FIELDS[name]: values})
        return rows.order_by("external_id")

    def of(self, external_ids: Mapping[int, str], criterion: str = "") -> dict[int, list[Row]]:
        """Labels by instance, in the order of their annotators' pseudonyms.

        With a criterion: the data on that one. Without: everything, in the order of the criteria.
        """
        found: dict[int, list[Row]] = {pk: [] for pk in external_ids}
        rows = self.all().filter(instance__in=list(external_ids)).order_by("pk")
        if criterion:
            rows = rows.filter(criterion__key=criterion, purpose__in=DATA)
        assignments = Assignment.objects.filter(instance__in=list(external_ids))
        by_instance = {row.instance_id: row for row in assignments}
        for label in rows:
            assignment = by_instance.get(label.instance_id)
            name = external_ids[label.instance_id]
            found[label.instance_id].append(self._row(label, name, assignment))
        position = {criterion.key: criterion.position for criterion in self.criteria}
        for labels in found.values():
            labels.sort(key=lambda row: (str(row["annotator"]), position[row["criterion"]]))
        return found

    def _row(self, label: Annotation, external_id: str, assignment: Assignment | None) -> Row:
        annotator, criterion = self.annotators[label.annotator_id], self.by_pk[label.criterion_id]
        group, group_p = self.groups.get(annotator.pk, (None, None))
        decision = label.decision_id or (assignment.decision_id if assignment else None)
        return {
            "instance_id": external_id,
            "criterion": criterion.key,
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
            "asks": str(criterion.asks(self.protocol)),
            "purpose": label.purpose,
            "unranked": label.unranked,
            "scores": label.scores,
            "cohort": annotator.cohort,
            "group": group,
            "group_p": group_p,
            "excluded": annotator.excluded_at is not None,
            "created_at": label.created_at.isoformat(),
            "decision_id": str(decision) if decision else None,
            "arm": assignment.arm if assignment else "",
            "propensity": assignment.propensity if assignment else None,
        }


def groups_of(project: Project) -> dict[int, tuple[int, float]]:
    """By annotator the likeliest group, from 1, and its probability; nothing where there is one."""
    report = Report.objects.filter(project=project).order_by("-pk").first()
    found = report.figures.get("groups") if report else None
    if not found or len(found["shares"]) < 2:
        return {}
    return {int(pk): (strongest(chances), max(chances)) for pk, chances in found["members"].items()}


def windows(labels: Labels, split_of: Mapping[str, str]) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Instances with all their labels, a window at a time.

    An instance that no split names belongs to none: gold, and what only the labels know.
    """
    rows = labels.instances().prefetch_related("completions").iterator(chunk_size=WINDOW)
    while window := list(islice(rows, WINDOW)):
        found = labels.of({row.pk: row.external_id for row in window})
        yield [(_instance(row, split_of), found[row.pk]) for row in window]


def _instance(row: Instance, split_of: Mapping[str, str]) -> Row:
    return {
        "instance_id": row.external_id,
        "split": split_of.get(row.prompt_hash, ""),
        "prompt_hash": row.prompt_hash,
        "messages": canonical_json(row.messages),
        "context": canonical_json(row.context),
        "completions": canonical_json([_completion(each) for each in row.completions.all()]),
        "metadata": canonical_json(row.metadata),
        "tags": row.tags,
    }


def _completion(row: Completion) -> Row:
    return {
        "text": row.text,
        "parts": row.parts,
        "messages": row.messages,
        "generator": row.generator,
        "licence": row.licence,
    }
