"""Figures of a project, each one aggregate over a bounded time. No label is fetched by itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import (
    Aggregate,
    Case,
    Count,
    FloatField,
    Func,
    IntegerField,
    Max,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Trunc

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.projects.models import Criterion
from annotation.queue.models import Slot, SlotState

from .answers import SCORED, WORD
from .periods import Period
from .standing import labels_in

ACTIVE_FOR = timedelta(days=7)
MOST_PEOPLE = 50
# Upper bounds of the bins of time on an instance, in seconds; a last bin holds what is longer.
BINS = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
KINDS = {
    AnnotatorKind.PERSON.value: "people",
    AnnotatorKind.JUDGE.value: "judges",
    AnnotatorKind.VERIFIER.value: "judges",
}
PEOPLE = Q(annotator__kind=AnnotatorKind.PERSON)


class Median(Aggregate):
    """The median of a column, by PostgreSQL."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Bucket:
    """Labels of an hour, a day or a week by who gave them."""

    start: datetime
    people: int
    judges: int
    other: int

    @property
    def total(self) -> int:
        return self.people + self.judges + self.other


def throughput(project: Project, labels: QuerySet[Annotation], period: Period) -> list[Bucket]:
    """One row per bucket of the period, empty ones included. Two queries.

    Counted by annotator and added up here: what kind they are is known by few rows.
    """
    rows = labels.annotate(start=Trunc("created_at", period.unit, tzinfo=UTC))
    counted = rows.values_list("start", "annotator").annotate(n=Count("pk")).order_by()
    counts: Counter[tuple[datetime, str]] = Counter()
    kinds = dict(Annotator.objects.filter(project=project).values_list("pk", "kind"))
    for start, annotator, number in counted:
        counts[start, KINDS.get(kinds[annotator], "other")] += number
    return [
        Bucket(start, *(counts[start, name] for name in ("people", "judges", "other")))
        for start in period.buckets()
    ]


@dataclass(frozen=True)
class Share:
    """How often an answer was given to a criterion, and its share of all answers to it."""

    word: str
    count: int
    share: float


@dataclass(frozen=True)
class Distribution:
    """The answers to one criterion; ratings are counted completion by completion."""

    criterion: Criterion
    answers: list[Share]
    total: int


def distributions(
    labels: QuerySet[Annotation], criteria: Sequence[Criterion]
) -> list[Distribution]:
    """One per criterion that was answered, in the order they are asked. Two queries."""
    words = labels.annotate(word=WORD).values_list("criterion", "word").annotate(number=Count("pk"))
    counts: dict[int, dict[str, int]] = {criterion.pk: {} for criterion in criteria}
    for criterion, word, number in words.order_by():
        if word != SCORED:
            counts[criterion][word] = number
    for criterion, score, number in _scores(labels):
        counts[criterion][str(score)] = number
    return [
        Distribution(criterion, _shares(counts[criterion.pk]), sum(counts[criterion.pk].values()))
        for criterion in criteria
        if counts[criterion.pk]
    ]


class Unnest(Func):
    """The elements of an array, each as a row."""

    function = "UNNEST"
    set_returning = True
    output_field = IntegerField()


def _scores(labels: QuerySet[Annotation]) -> Iterable[tuple[int, int, int]]:
    """(criterion, score, how often) of the completions that were given a score."""
    rows = labels.exclude(scores=[]).annotate(score=Unnest("scores"))
    counted = rows.values_list("criterion", "score").annotate(number=Count("pk")).order_by()
    return [row for row in counted if row[1] is not None]


def _shares(counts: dict[str, int]) -> list[Share]:
    total = sum(counts.values())
    ordered = sorted(counts, key=_place)
    return [Share(word, counts[word], counts[word] / total) for word in ordered]


# Scores before words, in order; of words the sides first.
WORDS = ("first", "second", "ranked", "tie", "both good", "both bad", "cannot judge")


def _place(word: str) -> tuple[int, int, str]:
    if word.lstrip("-").isdigit():
        return (0, int(word), "")
    return (1, WORDS.index(word) if word in WORDS else len(WORDS), word)


@dataclass(frozen=True)
class Stage:
    """How many instances are at a stage; the list filters them by `state`, or else by `slot`."""

    name: str
    count: int
    state: str
    slot: str = ""


def funnel(project: Project) -> list[Stage]:
    """Where the instances are now, and what was set aside. Two queries."""
    rows = Instance.objects.filter(project=project).values_list("state").annotate(n=Count("pk"))
    states = dict(rows.order_by())
    slots = Slot.objects.filter(project=project, state__in=[SlotState.LEASED, SlotState.SUBMITTED])
    at = dict(slots.values_list("state").annotate(n=Count("instance", distinct=True)).order_by())
    return [
        Stage("new", states.get(InstanceState.NEW, 0), InstanceState.NEW),
        Stage("routed", states.get(InstanceState.ROUTED, 0), InstanceState.ROUTED),
        Stage("leased", at.get(SlotState.LEASED, 0), "", SlotState.LEASED),
        Stage("submitted", at.get(SlotState.SUBMITTED, 0), "", SlotState.SUBMITTED),
        Stage("settled", states.get(InstanceState.SETTLED, 0), InstanceState.SETTLED),
        Stage("dropped", states.get(InstanceState.DROPPED, 0), InstanceState.DROPPED),
        Stage("flagged", states.get(InstanceState.FLAGGED, 0), InstanceState.FLAGGED),
    ]


@dataclass(frozen=True)
class Bin:
    """Submits whose time lies in [low, high) seconds; `high` is None in the last one."""

    low: int
    high: int | None
    count: int


@dataclass(frozen=True)
class Times:
    """Time on the instance, of people. `hasty` counts those below the protocol's minimum."""

    bins: list[Bin]
    total: int
    median: float | None
    hasty: int


def times(labels: QuerySet[Annotation], least: float | None) -> Times:
    """A histogram of the seconds of people's labels that were measured. Two queries."""
    timed = labels.filter(PEOPLE, seconds__isnull=False)
    binned = Case(
        *(When(seconds__lt=high, then=Value(place)) for place, high in enumerate(BINS)),
        default=Value(len(BINS)),
        output_field=IntegerField(),
    )
    found = dict(timed.annotate(bin=binned).values_list("bin").annotate(n=Count("pk")).order_by())
    whole = timed.aggregate(median=Median("seconds"), hasty=Count("pk", filter=_under(least)))
    edges = [(0, BINS[0]), *zip(BINS, (*BINS[1:], None), strict=True)]
    bins = [Bin(low, high, found.get(place, 0)) for place, (low, high) in enumerate(edges)]
    return Times(bins, sum(found.values()), whole["median"], whole["hasty"])


def _under(least: float | None) -> Q:
    return Q(pk__in=[]) if least is None else Q(seconds__lt=least)


@dataclass(frozen=True)
class Person:
    """What one person did of late."""

    pseudonym: str
    labels: int
    median_seconds: float | None
    last_seen: datetime
    excluded: bool


def active_people(project: Project, now: datetime) -> list[Person]:
    """People with labels in the last seven days, the busiest first. Two queries.

    Those of excluded annotators are counted too: they were at work.
    """
    # A period ends before its end, and what came this moment counts.
    week = Period("week", now - ACTIVE_FOR, now + timedelta(minutes=1), "day")
    rows = (
        labels_in(project, week, excluded=True)
        .filter(PEOPLE)
        .values_list("annotator")
        .annotate(
            labels=Count("instance", distinct=True),
            median=Median("seconds"),
            last=Max("created_at"),
        )
        .order_by("-labels", "annotator")[:MOST_PEOPLE]
    )
    found = list(rows)
    names = Annotator.objects.in_bulk([annotator for annotator, *_ in found])
    return [
        Person(names[pk].pseudonym, number, median, last, names[pk].excluded_at is not None)
        for pk, number, median, last in found
    ]


def newest_label(project: Project) -> int:
    """The id of the newest label, 0 without any: what figures of labels are cached by."""
    newest = Annotation.objects.filter(project=project).order_by("-pk").values_list("pk").first()
    return newest[0] if newest else 0


def excluded_people(project: Project) -> int:
    """How many annotators are excluded: excluding one changes figures without a new label."""
    return Annotator.objects.filter(project=project, excluded_at__isnull=False).count()
