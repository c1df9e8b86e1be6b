"""Which labels a snapshot holds, and what is noted of each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import (
    Exists,
    FilteredRelation,
    Func,
    Max,
    OuterRef,
    Q,
    QuerySet,
    TextField,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from accounts.models import Project
from annotation.consensus.groups import strongest
from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality.models import Report
from annotation.queue.purposes import Purpose

from .digests import recoded
from .filters import (
    MACHINES,
    Step,
    annotators_where,
    consensus_steps,
    instance_steps,
    narrows_labels,
)
from .queries import EVERY

# Only these are data; the other purposes measure people.
DATA = frozenset({Purpose.LABEL, Purpose.REVIEW})
FIELDS = (
    *("pk", "instance_id", "annotator_id", "criterion_id", "guideline_id"),
    *("purpose", "ranking", "tie_kind", "strength", "confidence", "rationale", "reasons"),
    *("shown_order", "seconds", "unranked", "scores"),
)

__all__ = ["DATA", "MACHINES", "Labels", "Row", "groups_of"]

Row = dict[str, Any]
# As texts: a driver's objects of them would only be written again.
ATTRIBUTES = Cast("attributes", TextField())
DECISION = Cast("decision_id", TextField())
CREATED = Func(
    "created_at",
    template="to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')",
    output_field=TextField(),
)


class Labels:
    """The labels of one moment: annotators, criteria and guidelines are read once, not per label.

    Labels that come later are ignored, so that every file of a snapshot holds the same.
    """

    def __init__(self, project: Project, query: Mapping[str, Any]) -> None:
        self.project, self.query = project, query
        self.annotators = annotators_where(project, query).in_bulk()
        # Not a join for every label: annotators are few.
        self._counted = [
            pk
            for pk, row in self.annotators.items()
            if query["include_excluded"] or row.excluded_at is None
        ]
        self.guidelines = dict(project.guidelines.values_list("pk", "version"))
        self.protocol, self.criteria = protocol_of(project), criteria_of(project)
        asked = {row.pk: str(row.asks(self.protocol)) for row in self.criteria}
        self.of_criterion = {
            row.pk: {"criterion": row.key, "asks": asked[row.pk]} for row in self.criteria
        }
        groups = groups_of(project)
        self.of_annotator = {
            pk: {
                "annotator": row.pseudonym,
                "kind": row.kind,
                "simulated": row.simulated,
                "cohort": row.cohort,
                "group": groups.get(pk, (None, None))[0],
                "group_p": groups.get(pk, (None, None))[1],
                "excluded": row.excluded_at is not None,
            }
            for pk, row in self.annotators.items()
        }
        names = sorted({row.pseudonym for row in self.annotators.values()})
        places = {name: place for place, name in enumerate(names)}
        self._place = {pk: places[row.pseudonym] for pk, row in self.annotators.items()}
        self._position = {row.pk: row.position for row in self.criteria}
        # What all labels of an annotator on a criterion have in common.
        self._common: dict[tuple[int, int], Row] = {}
        written = Annotation.objects.filter(project=project)
        self.newest = written.aggregate(newest=Max("pk"))["newest"] or 0

    def _standing(self, *, excluded: bool) -> QuerySet[Annotation]:
        return current(self.project, purposes=Purpose.values, excluded=excluded)

    def all(self) -> QuerySet[Annotation]:
        """Every label of the moment that the query takes, whatever its purpose and criterion."""
        rows = self._standing(excluded=True)
        dates = self.query.get("dates", {})
        if "from" in dates:
            rows = rows.filter(created_at__gte=dates["from"])
        if "to" in dates:
            rows = rows.filter(created_at__lt=dates["to"])
        if reasons := self.query.get("reasons"):
            rows = rows.filter(reasons__overlap=reasons)
        return rows.filter(pk__lte=self.newest, annotator__in=self._counted)

    def left_out(self) -> dict[str, int]:
        """How many annotators are excluded, and how many of their labels that leaves out."""
        rows = self._standing(excluded=True).filter(
            pk__lte=self.newest, annotator__excluded_at__isnull=False
        )
        people = rows.values("annotator").distinct().count()
        left = 0 if self.query["include_excluded"] else rows.count()
        return {"annotators": people, "labels": left}

    @property
    def narrowed(self) -> bool:
        """Whether labels are left out on which the stored consensus stands."""
        return narrows_labels(self.query)

    def instances(self) -> QuerySet[Instance]:
        """The labelled instances that the query lets in, in no order.

        `found` is the consensus asked for; one whose labels are gone is let in too.
        """
        labels = Exists(self.all().filter(instance=OuterRef("pk")))
        every = self.query["criterion"] == EVERY
        rows = Instance.objects.all() if every else self.with_consensus()
        rows = rows.filter(project=self.project)
        for step in self.steps():
            rows = rows.filter(step.condition)
        if every:
            return rows.filter(labels)
        return rows.filter(labels if self.narrowed else Q(labels) | Q(found__isnull=False))

    def with_consensus(self) -> QuerySet[Instance]:
        """All instances, each with the consensus asked for as `found`."""
        asked = next(row for row in self.criteria if row.key == self.query["criterion"])
        condition = Q(consensus__criterion=asked.pk, consensus__scope=self.query["scope"])
        return Instance.objects.annotate(found=FilteredRelation("consensus", condition=condition))

    def steps(self) -> list[Step]:
        """The conditions on instances, those of consensus last."""
        found = [*instance_steps(self.project, self.query)]
        if self.query["criterion"] != EVERY:
            found += consensus_steps(self.project, self.query)
        return found

    def of(self, found: Mapping[int, tuple[str, Any]]) -> dict[int, list[Row]]:
        """Labels by instance, in the order of their annotators' pseudonyms and of the criteria.

        Args:
            found: by instance its external id, and (arm or "", propensity, decision) of its
                assignment.
        """
        labels: dict[int, list[tuple[Any, Row]]] = {pk: [] for pk in found}
        rows = self.all().filter(instance__in=one_of(found)).order_by()
        for values in rows.values_list(*FIELDS, DECISION, ATTRIBUTES, CREATED):
            name, assignment = found[values[1]]
            order = (self._place[values[2]], self._position[values[3]], values[0])
            labels[values[1]].append((order, self._row(values, name, assignment)))
        return {pk: [label for _, label in sorted(each)] for pk, each in labels.items()}

    def _row(self, values: Sequence[Any], external_id: str, assignment: Any) -> Row:
        # A copy that is filled costs half of a new dict.
        row = self._of(values[2], values[3]).copy()
        row["instance_id"] = external_id
        row["guideline"] = self.guidelines.get(values[4] or 0)
        row["purpose"], row["ranking"], row["tie_kind"] = values[5:8]
        row["strength"], row["confidence"], row["rationale"], row["reasons"] = values[8:12]
        row["shown_order"], row["seconds"], row["unranked"], row["scores"] = values[12:16]
        row["arm"], row["propensity"], sent = assignment
        row["decision_id"] = values[16] or sent
        row["attributes"], row["created_at"] = recoded(values[17]), moment(values[18])
        return row

    def _of(self, who: int, criterion: int) -> Row:
        if (found := self._common.get((who, criterion))) is None:
            found = self.of_criterion[criterion] | self.of_annotator[who]
            self._common[who, criterion] = found
        return found


def moment(text: str) -> str:
    """A moment as Python writes it in ISO 8601, which leaves out microseconds that are none."""
    return f"{text.removesuffix('.000000')}+00:00"


def one_of(ids: Iterable[int]) -> RawSQL:
    """Ids for `__in` as one parameter, however many they are."""
    return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])


def groups_of(project: Project) -> dict[int, tuple[int, float]]:
    """By annotator the likeliest group, from 1, and its probability; nothing where there is one."""
    report = Report.objects.filter(project=project).order_by("-pk").first()
    found = report.figures.get("groups") if report else None
    if not found or len(found["shares"]) < 2:
        return {}
    return {int(pk): (strongest(chances), max(chances)) for pk, chances in found["members"].items()}
