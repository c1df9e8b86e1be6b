"""How much a query would hold, while somebody is still writing it. Nothing is built."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    Count,
    Exists,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.lookups import GreaterThan
from django.db.utils import OperationalError

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.answers import SCORED
from core.exceptions import InvalidInput

from .filters import MACHINES, Step
from .labels import DATA, Labels
from .queries import EVERY, checked_for
from .splits import TRAIN, sizes

# Whoever types does not wait longer; the database is spared a forgotten page.
MOST_MILLISECONDS = 5000
# Of more instances a share of the prompts is counted, and multiplied.
MOST_COUNTED = 10_000
# Compiling a statement takes longer than these take; few instances are best found by index.
PLANS = (f"statement_timeout = {MOST_MILLISECONDS}", "jit = off")
BY_INDEX = ("enable_hashjoin = off", "enable_mergejoin = off", "enable_seqscan = off")


@dataclass(frozen=True)
class Left:
    """After a part of the query: so many instances are left, and so many it took away."""

    name: str
    left: int
    removed: int


@dataclass(frozen=True)
class Counts:
    """What a query would hold. `rows` are instances with a row for training.

    `prompts` by split; `labels` by who gave them: human, judge, simulated-human, simulated-judge.
    """

    instances: int
    rows: int
    pairs: int
    prompts: dict[str, int]
    labels: dict[str, int]
    steps: list[Left]
    # Whether these are counts of a share of the prompts, multiplied.
    about: bool = False
    # Why nothing can be built of it, in words; empty where it can.
    problem: str = ""

    @property
    def all_labels(self) -> int:
        return sum(self.labels.values())

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"all_labels": self.all_labels}


def count(project: Project, query: Mapping[str, Any], *, exact: bool = False) -> Counts:
    """Counts for a query as a person gave it: four statements, of bounded time.

    Of a large project only so many instances are counted, those of a random share of the prompts
    (their hashes are random), unless `exact` asks for all.

    Raises:
        InvalidInput: the query is wrong, or counting takes too long.
    """
    labels = Labels(project, checked_for(project, query))
    parts = 1 if exact else _parts(project)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for setting in (*PLANS, *(BY_INDEX if parts > 1 else ())):
                cursor.execute(f"SET LOCAL {setting}")
            found = _count(labels, parts)
            for setting in (*PLANS, *BY_INDEX):
                cursor.execute(f"SET LOCAL {setting.split(' = ')[0]} = DEFAULT")
            return found
    except OperationalError as error:
        raise InvalidInput(
            "Counting takes too long with these filters: build the snapshot to see its counts."
        ) from error


def _parts(project: Project) -> int:
    """Into how many parts the prompts are divided, of which one is counted."""
    return -(-Instance.objects.filter(project=project).count() // MOST_COUNTED) or 1


def _count(labels: Labels, parts: int) -> Counts:
    query, steps = labels.query, labels.steps()
    every = query["criterion"] == EVERY
    instances = Instance.objects.all() if every else labels.with_consensus()
    instances = instances.filter(project=labels.project)
    if parts > 1:
        instances = instances.filter(prompt_hash__lt=f"{16**8 // parts:08x}")
    totals = _totals(labels, instances, steps)
    mix = {name: found * parts for name, found in _mix(labels, instances, steps).items()}
    totals = {name: found * parts for name, found in totals.items()}
    split, problem = _split(totals["prompts"], query["splits"])
    return Counts(
        instances=totals[f"step{len(steps)}"],
        rows=totals["rows"],
        pairs=totals["pairs"],
        prompts=split,
        labels=mix,
        steps=_steps(totals, steps),
        about=parts > 1,
        problem=problem or ("" if totals["prompts"] else "Nothing matches this query."),
    )


def _totals(labels: Labels, instances: QuerySet[Instance], steps: list[Step]) -> dict[str, int]:
    """How many instances each step leaves, and of those left the rows, pairs and prompts."""
    standing = Exists(labels.all().filter(instance=OuterRef("pk")))
    instances = instances.filter(standing)
    wanted: dict[str, Any] = {"step0": Count("pk")}
    so_far = Q()
    for number, step in enumerate(steps, 1):
        so_far &= Q(step.condition)
        wanted[f"step{number}"] = Count("pk", filter=so_far)
    has_row, size = _row(labels)
    wanted["rows"] = Count("pk", filter=so_far & has_row)
    wanted["prompts"] = Count("prompt_hash", filter=so_far & has_row, distinct=True)
    two = Sum(size * (size - 1) / 2, filter=so_far & has_row, output_field=IntegerField())
    found: dict[str, int | None] = instances.aggregate(**wanted, pairs=two)
    return {name: value or 0 for name, value in found.items()}


def _row(labels: Labels) -> tuple[Q, Any]:
    """Whether an instance gives a row for training, and of how many completions."""
    query = labels.query
    if query["criterion"] == EVERY:
        return Q(), Value(0, output_field=IntegerField())
    criterion = next(row for row in labels.criteria if row.key == query["criterion"])
    if criterion.asks(labels.protocol) in SCORED or labels.narrowed:
        answers = labels.all().filter(
            instance=OuterRef("pk"), criterion=criterion.pk, purpose__in=DATA
        )
        return Q(Exists(answers)), Value(2, output_field=IntegerField())
    told = Q(found__isnull=False)
    if query["exclude_ties"]:
        told &= Q(GreaterThan(SPREAD, 1e-9))
    return told, Func(F("found__worth"), function="jsonb_array_length", output_field=IntegerField())


SPREAD = Func(
    F("found__worth"),
    template="(SELECT max(v::float8) - min(v::float8) "
    "FROM jsonb_array_elements_text(%(expressions)s) AS t(v))",
    output_field=FloatField(),
)


def _split(prompts: int, splits: Mapping[str, Any]) -> tuple[dict[str, int], str]:
    if "assigned" in splits or not splits:
        return {TRAIN: prompts}, ""
    try:
        return sizes(prompts, splits), ""
    except InvalidInput as error:
        return {TRAIN: prompts}, str(error)


def _mix(labels: Labels, instances: QuerySet[Instance], steps: list[Step]) -> dict[str, int]:
    """Labels by who gave them, of the instances that are left."""
    for step in steps:
        instances = instances.filter(step.condition)
    rows = labels.all().filter(instance__in=instances.order_by().values("pk"))
    counts: Counter[str] = Counter()
    for row in rows.order_by().values("annotator_id").annotate(n=Count("pk")):
        who = labels.annotators[row["annotator_id"]]
        name = "judge" if who.kind in MACHINES else "human"
        counts[f"simulated-{name}" if who.simulated else name] += row["n"]
    return dict(sorted(counts.items()))


def _steps(totals: Mapping[str, int], steps: list[Step]) -> list[Left]:
    found = [Left("labelled", totals["step0"], 0)]
    for number, step in enumerate(steps, 1):
        left = totals[f"step{number}"]
        found.append(Left(step.name, left, totals[f"step{number - 1}"] - left))
    return found
