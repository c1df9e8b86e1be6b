"""Reads that only a page needs, across the rooms below."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.consensus.models import Consensus
from annotation.dashboards.answers import WORD
from annotation.datasets.models import Export, Snapshot
from annotation.datasets.selectors import exports_of, snapshots_of
from annotation.instances.models import Instance, InstanceState, RecordedLabel
from annotation.instances.selectors import instances_of
from annotation.judges.models import CallPurpose, JudgeCall
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.labels.selectors import current
from annotation.queue.models import Arm, Destination, Slot
from annotation.queue.purposes import Purpose
from core.exceptions import NotFound
from jobs.models import Job, State
from jobs.selectors import health
from routing.decisions.models import Decision
from routing.decisions.selectors import decisions_of

FILTERS = {
    "state": ("state", list(InstanceState.values)),
    "destination": ("assignment__destination", list(Destination.values)),
    "arm": ("assignment__arm", list(Arm.values)),
}


def is_stuck(job: Job | None) -> bool:
    """The job waits, and nobody is there to take it."""
    if job is None or job.state != State.QUEUED:
        return False
    return not any(queue.alive for queue in health() if queue.name == job.queue)


def labelled_instances(project: Project) -> int:
    """Instances with at least one label that stands."""
    return current(project).aggregate(n=Count("instance", distinct=True))["n"] or 0


def has_simulated(project: Project) -> bool:
    """Some label here, revealed or recorded, was given by nobody."""
    rows = RecordedLabel.objects.filter(instance__project=project, simulated=True)
    return Annotator.objects.filter(project=project, simulated=True).exists() or rows.exists()


# Filters that pages link to: by a tag, and by the labels that stand on an instance.
LINKED = (
    "tag",
    "without",
    "slot",
    "annotator",
    "criterion",
    "answer",
    "day",
    "until",
    "timed",
    "shared",
    "ranked",
)
OF_INSTANCES = ("tag", "without", "slot")


def filtered_instances(project: Project, chosen: Mapping[str, str]) -> QuerySet[Instance]:
    """Instances with where they went; values that a filter does not know are ignored."""
    rows = (
        instances_of(project)
        .select_related("assignment")
        .annotate(labels=Count("annotations", distinct=True))
    )
    for name, (field, values) in FILTERS.items():
        if chosen.get(name) in values:
            rows = rows.filter(**{field: chosen[name]})
    if tag := chosen.get("tag"):
        rows = rows.filter(tags__contains=[tag])
    if without := chosen.get("without"):
        rows = rows.exclude(tags__contains=[without])
    if slot := chosen.get("slot"):
        rows = rows.filter(Exists(Slot.objects.filter(instance=OuterRef("pk"), state=slot)))
    labels = _linked_labels(project, chosen)
    return rows if labels is None else rows.filter(Exists(_one_by_one(labels)))


def _one_by_one(labels: QuerySet[Annotation]) -> QuerySet[Annotation]:
    """The same labels, grouped: PostgreSQL looks at each instance of the page by the index.

    Without that it joins every label of the project first, which takes seconds of a million.
    """
    counted = labels.order_by().values("instance").annotate(found=Count("pk"))
    return counted.filter(found__gte=1)  # type: ignore[return-value]


def _linked_labels(project: Project, chosen: Mapping[str, str]) -> QuerySet[Annotation] | None:
    """The labels one of which an instance must have; None where no filter asks for any."""
    if not any(chosen.get(name) for name in LINKED if name not in OF_INSTANCES):
        return None
    labels = current(project).filter(instance=OuterRef("pk"))
    if pseudonym := chosen.get("annotator"):
        labels = labels.filter(annotator__pseudonym=pseudonym)
    if criterion := chosen.get("criterion"):
        labels = labels.filter(criterion__key=criterion)
    labels = _of_time(labels, chosen)
    if chosen.get("timed"):
        labels = labels.filter(annotator__kind=AnnotatorKind.PERSON, seconds__isnull=False)
    if chosen.get("ranked"):
        labels = labels.exclude(ranking=[])
    if chosen.get("shared"):
        return _shared(labels)
    answer = chosen.get("answer", "")
    if answer.lstrip("-").isdigit() and len(answer) < 5:
        return labels.filter(scores__contains=[int(answer)])
    return labels.annotate(word=WORD).filter(word=answer) if answer else labels


def _of_time(labels: QuerySet[Annotation], chosen: Mapping[str, str]) -> QuerySet[Annotation]:
    """Of the days from `day` to `until`, or from a moment on."""
    start = _moment(chosen.get("day", ""))
    if start is None:
        return labels
    labels = labels.filter(created_at__gte=start)
    if len(chosen["day"]) > len("2001-01-01"):
        return labels
    last = _moment(chosen.get("until", "")) or start
    return labels.filter(created_at__lt=last + timedelta(days=1))


def _moment(raw: str) -> datetime | None:
    try:
        return datetime.fromisoformat(raw).replace(tzinfo=UTC)
    except ValueError:
        return None


def _shared(labels: QuerySet[Annotation]) -> QuerySet[Annotation]:
    """Labels that two people or more gave an instance: what agreement is counted on."""
    people = labels.filter(
        annotator__kind__in=(AnnotatorKind.PERSON, AnnotatorKind.IMPORT), purpose=Purpose.LABEL
    ).exclude(ranking=[], scores=[])
    counted = people.order_by().values("instance").annotate(n=Count("annotator", distinct=True))
    return counted.filter(n__gte=2)  # type: ignore[return-value]


@dataclass(frozen=True)
class InstanceView:
    """An instance with everything that is known about it; for staff only."""

    instance: Instance
    # All that were made about it, newest first.
    decisions: list[Decision]
    labels: list[Annotation]
    consensus: list[Consensus]
    calls: list[JudgeCall]
    recorded: list[RecordedLabel]

    @property
    def decision(self) -> Decision | None:
        """The newest one."""
        return self.decisions[0] if self.decisions else None


def instance_view(project: Project, instance_id: int) -> InstanceView:
    """One instance with its decision and the labels behind it. A constant number of queries.

    Raises:
        NotFound: there is no such instance in this project.
    """
    rows = instances_of(project).select_related("assignment").prefetch_related("signals")
    instance = rows.filter(pk=instance_id).first()
    if instance is None:
        raise NotFound(_("There is no such instance in this project."))
    labels = current(project, purposes=Purpose.values, excluded=True).filter(instance=instance)
    # What a judge said of the prompt's tags is no opinion on the completions.
    calls = JudgeCall.objects.filter(instance=instance, purpose=CallPurpose.LABEL).select_related(
        "judge", "criterion"
    )
    return InstanceView(
        instance=instance,
        decisions=list(decisions_of(project).filter(instance=instance).order_by("-created_at")),
        labels=list(labels.select_related("annotator", "criterion", "guideline").order_by("pk")),
        consensus=list(
            Consensus.objects.filter(instance=instance)
            .select_related("criterion")
            .order_by("criterion__position", "scope")
        ),
        calls=list(calls.order_by("pk")),
        recorded=list(RecordedLabel.objects.filter(instance=instance).order_by("origin", "pk")),
    )


def snapshot_in(project: Project, snapshot_id: int) -> Snapshot:
    """One snapshot of the project.

    Raises:
        NotFound: there is no such snapshot in this project.
    """
    snapshot = snapshots_of(project).filter(pk=snapshot_id).first()
    if snapshot is None:
        raise NotFound(_("There is no such snapshot in this project."))
    return snapshot


def export_in(project: Project, export_id: int) -> Export:
    """One export of the project.

    Raises:
        NotFound: there is no such export in this project.
    """
    export = exports_of(project).filter(pk=export_id).first()
    if export is None:
        raise NotFound(_("There is no such export in this project."))
    return export
