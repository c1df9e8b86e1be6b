"""Reading a project's labels for its quality report, and keeping the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db.models import Max, QuerySet
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.consensus.reading import P, vote_of
from annotation.instances.models import Completion
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from annotation.projects.models import Criterion, Kind
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.queue.purposes import Purpose
from core.exceptions import InvalidInput
from jobs.models import Job

from .agreement import Measure
from .em import MODELS, ONE_COIN
from .figures import Entry, Wanted, agreement_of, annotators_of, clean, matrix_of
from .gold import known_answers
from .grouping import figures_of
from .models import Report


@dataclass(frozen=True)
class Settings:
    """What a report is asked for. Blank: the first criterion, all time."""

    model: str = ONE_COIN
    criterion: str = ""
    since: str = ""
    until: str = ""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InvalidInput(
                _("Choose a model of annotators: one of %(choices)s.")
                % {"choices": ", ".join(MODELS)}
            )
        for given in filter(None, (self.since, self.until)):
            try:
                date.fromisoformat(given)
            except ValueError as error:
                raise InvalidInput(_("A day is written as 2026-01-31.")) from error


def newest_report(project: Project) -> Report | None:
    return Report.objects.filter(project=project).select_related("job").order_by("-pk").first()


def labels_since(report: Report) -> int:
    """How many annotations came after what the report saw."""
    rows = Annotation.objects.filter(project=report.project_id, pk__gt=report.newest_annotation)
    return rows.count()


def measure(project: Project, settings: Settings, job: Job | None = None) -> Report:
    """Compute and keep a report: agreement per criterion, annotators on the chosen one.

    Raises:
        InvalidInput: the project has no such criterion.
    """
    newest = Annotation.objects.filter(project=project).aggregate(newest=Max("pk"))["newest"] or 0
    criteria = criteria_of(project)
    chosen = next((c for c in criteria if c.key == settings.criterion), None)
    if chosen is None and settings.criterion:
        raise InvalidInput(
            _("This project does not ask for %(criterion)r.") % {"criterion": settings.criterion}
        )
    chosen = chosen or criteria[0]
    people = {row.pk: row for row in Annotator.objects.filter(project=project)}
    excluded = {pk for pk, row in people.items() if row.excluded_at}
    agreement = []
    rows: dict[int, dict[str, Any]] = {}
    matrix: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for criterion in criteria:
        wanted = _wanted(project, criterion, settings)
        entries = _entries(_labels(project, criterion, settings, (Purpose.LABEL,)))
        counted = [entry for entry in entries if entry.annotator not in excluded]
        named = {"key": criterion.key, "name": criterion.name, "kind": _kind(project, criterion)}
        agreement.append({**named, **agreement_of(counted, wanted)})
        if criterion.pk == chosen.pk:
            again = _entries(_labels(project, criterion, settings, (Purpose.REPEAT,)))
            lengths = _lengths(entries)
            rows = annotators_of(entries, again, lengths, wanted, excluded)
            matrix = matrix_of(counted)
            more, patterns = figures_of(counted, lengths, people)
            rows = {who: {**row, "patterns": patterns.get(who, [])} for who, row in rows.items()}
    figures = {
        "agreement": agreement,
        "annotators": _with_names(rows, people, known_answers(project)),
        "matrix": matrix,
        **more,
    }
    return Report.objects.create(
        project=project,
        job=job,
        settings=asdict(settings) | {"criterion": chosen.key},
        figures=figures,
        newest_annotation=newest,
    )


def _kind(project: Project, criterion: Criterion) -> str:
    return str(criterion.asks(protocol_of(project)))


def _wanted(project: Project, criterion: Criterion, settings: Settings) -> Wanted:
    protocol = protocol_of(project)
    ordered: Measure = "ordinal" if criterion.asks(protocol) == Kind.RATING else "nominal"
    return Wanted(settings.model, ordered, protocol.least_seconds)


def _labels(
    project: Project, criterion: Criterion, settings: Settings, purposes: tuple[str, ...]
) -> QuerySet[Annotation]:
    rows = current(project, purposes=purposes, excluded=True).filter(criterion=criterion)
    if settings.since:
        rows = rows.filter(created_at__date__gte=settings.since)
    if settings.until:
        rows = rows.filter(created_at__date__lte=settings.until)
    return rows.exclude(ranking=[], scores=[])


def _entries(rows: QuerySet[Annotation]) -> list[Entry]:
    """By values: a hundred thousand objects of three models would cost more than the report."""
    said = ("annotator_id", "ranking", "unranked", "scores")
    shown = ("instance_id", "instance__prompt_hash", "created_at", "shown_order", "seconds")
    return [
        Entry(
            annotator=annotator,
            instance=instance,
            prompt=prompt,
            vote=vote_of(annotator, ranking, unranked, scores, p),
            at=at,
            scores=tuple(scores),
            shown=tuple(order) if order else None,
            seconds=seconds,
            tie=bool(tie),
        )
        for annotator, ranking, unranked, scores, p, instance, prompt, at, order, seconds, tie in (
            rows.order_by("pk").values_list(*said, P, *shown, "tie_kind")
        )
    ]


def _lengths(entries: list[Entry]) -> dict[tuple[int, int], int]:
    """Characters of every completion of these instances."""
    instances = {entry.instance for entry in entries}
    rows = Completion.objects.filter(instance__in=instances).annotate(length=Length("text"))
    return {
        (instance, position): length
        for instance, position, length in rows.values_list("instance", "position", "length")
    }


def _with_names(
    rows: Mapping[int, dict[str, Any]], people: Mapping[int, Annotator], known: Mapping[int, Any]
) -> list[dict[str, Any]]:
    """Rows with pseudonym, kind and gold; those who only answered gold have a row too."""
    return [
        {
            "id": pk,
            "pseudonym": people[pk].pseudonym,
            "kind": people[pk].kind,
            "simulated": people[pk].simulated,
            "labels": 0,
            **rows.get(pk, {}),
            "gold": clean(known[pk]) | {"share": clean(known[pk].share)} if pk in known else None,
        }
        for pk in sorted({*rows, *known} & set(people))
    ]
