"""What a query lets in, as conditions of SQL: never rows read to be thrown away."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    Exists,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Signal
from annotation.labels.models import Annotator, AnnotatorKind
from core.exceptions import InvalidInput

from .narrowing import OF_LABELS

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
FILTER_FIELDS = {
    "arms": "assignment__arm__in",
    "destinations": "assignment__destination__in",
    "external_ids": "external_id__in",
}
# Ids of the decisions that were made by one of these strategies or routers (versions).
Decided = Callable[[Project, list[str], list[int]], QuerySet[Any]]
_decided: list[Decided] = []


class Step(NamedTuple):
    """One condition on instances, by the part of the query that asks for it."""

    name: str
    condition: Q | Exists


def register(decided: Decided) -> None:
    """The upper room that decides says which decisions a query means."""
    _decided[:] = [decided]


def annotators_where(project: Project, query: Mapping[str, Any]) -> QuerySet[Annotator]:
    """Whose labels a normalised query takes, the excluded ones among them."""
    rows = Annotator.objects.filter(project=project)
    if query["scope"] == Scope.HUMAN:
        rows = rows.exclude(kind__in=MACHINES)
    elif query["scope"] == Scope.JUDGE:
        rows = rows.filter(kind__in=MACHINES)
    if kinds := query.get("kinds"):
        rows = rows.filter(kind__in=kinds)
    if cohorts := query.get("cohorts"):
        rows = rows.filter(cohort__in=cohorts)
    if simulated := query.get("simulated"):
        rows = rows.filter(simulated=simulated == "only")
    named = query.get("annotators", {})
    if inside := named.get("in"):
        rows = rows.filter(_named(inside))
    return rows.exclude(_named(named["out"])) if "out" in named else rows


def strangers(project: Project, query: Mapping[str, Any]) -> list[str]:
    """The annotators that a normalised query names and the project has not."""
    asked = {name for names in query.get("annotators", {}).values() for name in names}
    if not asked:
        return []
    rows = Annotator.objects.filter(_named(asked), project=project)
    # The names of people lead nobody to their pseudonyms.
    others = rows.exclude(kind=AnnotatorKind.PERSON).values_list("name", flat=True)
    return sorted(asked.difference(rows.values_list("pseudonym", flat=True), others))


def _named(names: Iterable[str]) -> Q:
    """By pseudonym; those who are no person here also by the name that they came with."""
    names = list(names)
    return Q(pseudonym__in=names) | Q(name__in=names) & ~Q(kind=AnnotatorKind.PERSON)


def instance_steps(project: Project, query: Mapping[str, Any]) -> Iterator[Step]:
    """The conditions on instances, in the order in which they are counted."""
    for name, values in query["instances"].items():
        yield Step(f"instances.{name}", Q(**{FILTER_FIELDS[name]: values}))
    if states := query.get("states"):
        yield Step("states", Q(state__in=states))
    tags = query.get("tags", {})
    if wanted := tags.get("any"):
        yield Step("tags.any", Q(tags__overlap=wanted))
    if without := tags.get("without"):
        yield Step("tags.without", ~Q(tags__overlap=without))
    for name, value in query.get("decisions", {}).items():
        if name != "routers" or "strategies" not in query["decisions"]:
            yield Step(f"decisions.{name}", _decision(project, name, value, query["decisions"]))
    for name, band in query.get("signals", {}).items():
        yield Step(f"signals.{name}", _signal(name, band, query.get("unknown") == "keep"))


def _decision(project: Project, name: str, value: Any, asked: Mapping[str, Any]) -> Q:
    if name == "arms":
        return Q(assignment__arm__in=value)
    if name == "destinations":
        return Q(assignment__destination__in=value)
    if name == "propensity_known":
        known = Q(assignment__propensity__gt=0)
        return known if value else ~known
    if not _decided:
        raise InvalidInput("No room of this installation makes decisions: leave them out.")
    found = _decided[0](project, asked.get("strategies", []), asked.get("routers", []))
    return Q(assignment__decision_id__in=found)


def _signal(name: str, band: list[float | None], keep: bool) -> Q:
    """The newest value of a signal lies in the band; `keep` takes instances without any too."""
    newest = Signal.objects.filter(instance=OuterRef("pk"), name=name).order_by("-pk")
    value: Any = Subquery(newest.values("value")[:1], output_field=FloatField())
    low, high = band
    if keep:
        value = Coalesce(value, Value(low if low is not None else high))
    found = Q()
    if low is not None:
        found &= Q(GreaterThanOrEqual(value, low))
    if high is not None:
        found &= Q(LessThanOrEqual(value, high))
    return found


def consensus_where(
    project: Project, query: Mapping[str, Any], parts: tuple[str, ...] | None = None
) -> QuerySet[Consensus]:
    """The consensus rows of the query's criterion and scope that its parts let in."""
    rows = Consensus.objects.filter(
        instance__project=project, criterion__key=query["criterion"], scope=query["scope"]
    )
    conditions = _of_consensus(query)
    for name in conditions if parts is None else parts:
        rows = rows.alias(**ALIASES).filter(conditions[name])
    return rows


def consensus_steps(project: Project, query: Mapping[str, Any]) -> Iterator[Step]:
    """The same as conditions on instances."""
    for name in _of_consensus(query):
        rows = consensus_where(project, query, (name,)).filter(instance=OuterRef("pk"))
        yield Step(name, Exists(rows))


class _Most(Func):
    """The greatest number of a JSON list."""

    template = "(SELECT max(value::float8) FROM jsonb_array_elements_text(%(expressions)s))"
    output_field = FloatField()


def _count(name: str) -> Coalesce:
    return Coalesce(Cast(KT(f"sources__{name}"), IntegerField()), 0)


ALIASES: dict[str, Any] = {
    "most_worth": _Most(F("worth")),
    "by_people": _count("human"),
    "by_judges": _count("judge"),
    "source": Case(
        When(Q(by_people__gt=0, by_judges__gt=0), then=Value("both")),
        When(Q(by_people__gt=0), then=Value("human")),
        default=Value("judge"),
    ),
}


def _of_consensus(query: Mapping[str, Any]) -> dict[str, Q]:
    found: dict[str, Q] = {}
    if sources := query.get("sources"):
        found["sources"] = Q()
        for name in sources:
            simulated = name.startswith("simulated-")
            plain = name.removeprefix("simulated-")
            found["sources"] |= Q(source=plain, simulated=simulated)
    consensus = query.get("consensus", {})
    for key, field in (("methods", "method__in"), ("versions", "version__in")):
        if key in consensus:
            found[f"consensus.{key}"] = Q(**{field: consensus[key]})
    agreement = query.get("agreement", {})
    for key, field in (("least", "most_worth__gte"), ("most", "most_worth__lte")):
        if key in agreement:
            found[f"agreement.{key}"] = Q(**{field: agreement[key]})
    return found


def narrows_labels(query: Mapping[str, Any]) -> bool:
    """Whether labels are left out that the stored consensus stands on."""
    return any(name in query for name in OF_LABELS)
