"""Reads about judges: what they gave, what they cost, where they failed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.labels.models import AnnotatorKind
from annotation.labels.selectors import current
from annotation.ledger.models import Budget
from annotation.projects.selectors import guideline_of
from core.exceptions import NotFound

from .mined import MINED
from .models import CallPurpose, CallState, Connection, Judge, JudgeCall, JudgeRun

# Replies that came, and calls that may have been paid.
CHARGED = (CallState.ANSWERED, CallState.UNPARSABLE, CallState.UNKNOWN)
HUMAN = [str(AnnotatorKind.PERSON), str(AnnotatorKind.IMPORT)]
# Labels of a judge, the newest first, that its agreement with people is counted on: a list of
# judges has to come at once. The judge report counts all of them.
NEWEST = 5000
# Pairs of a judge's label and a person's on the same instance and criterion, neither a tie.
AGREEMENT = """
SELECT judge.judge_id,
       count(*) FILTER (WHERE (said.ranking[1] < said.ranking[2])
                            = (given.ranking[1] < given.ranking[2])),
       count(*)
FROM annotation_annotator AS judge
CROSS JOIN LATERAL (
  SELECT label.instance_id, label.criterion_id, label.ranking
  FROM annotation_annotation AS label
  WHERE label.annotator_id = judge.id AND NOT label.retracted AND label.purpose = 'label'
    AND cardinality(label.ranking) = 2 AND label.ranking[1] <> label.ranking[2]
    AND NOT EXISTS (
      SELECT FROM annotation_annotation AS later WHERE later.supersedes_id = label.id)
  ORDER BY label.id DESC LIMIT %(newest)s
) AS said
JOIN annotation_annotation AS given
  ON given.instance_id = said.instance_id AND given.criterion_id = said.criterion_id
JOIN annotation_annotator AS person ON person.id = given.annotator_id
WHERE judge.judge_id = ANY(%(judges)s)
  AND person.kind = ANY(%(human)s) AND person.excluded_at IS NULL
  AND cardinality(given.ranking) = 2 AND given.ranking[1] <> given.ranking[2]
  AND NOT given.retracted AND given.purpose IN ('label', 'review')
  AND NOT EXISTS (SELECT FROM annotation_annotation AS later WHERE later.supersedes_id = given.id)
GROUP BY judge.judge_id
"""


@dataclass(frozen=True)
class Standing:
    """One judge in figures. Money in micros.

    `ordered` labels were asked in more than one order, `flipped` of them changed with it.
    `agreed` of `shared` pairs of one label of the judge, of its newest 5,000, and one of a
    person, neither a tie.
    `stale` labels were made under an older guideline.
    """

    judge: Judge
    labels: int = 0
    ordered: int = 0
    flipped: int = 0
    stale: int = 0
    calls: int = 0
    unparsable: int = 0
    failed: int = 0
    unknown: int = 0
    spent_micros: int = 0
    agreed: int = 0
    shared: int = 0

    @property
    def per_label_micros(self) -> float | None:
        return self.spent_micros / self.labels if self.labels else None

    @property
    def flip_rate(self) -> float | None:
        return self.flipped / self.ordered if self.ordered else None

    @property
    def failures(self) -> int:
        """Calls that gave no verdict."""
        return self.unparsable + self.failed + self.unknown


def judges_of(project: Project) -> QuerySet[Judge]:
    """The project's judges with what they are asked through, oldest first."""
    related = ("project", "connection", "prompt", "annotator")
    return Judge.objects.filter(project=project).select_related(*related).order_by("pk")


def listed_judges(project: Project) -> QuerySet[Judge]:
    """The judges of a project but those of a search for criteria, oldest first."""
    return judges_of(project).exclude(prompt__name__startswith=MINED)


def judge_in(project: Project, judge_id: int) -> Judge:
    """One judge of the project.

    Raises:
        NotFound: there is no such judge in this project.
    """
    judge = judges_of(project).filter(pk=judge_id).first()
    if judge is None:
        raise NotFound(_("There is no such judge in this project."))
    return judge


def standings(judges: Sequence[Judge]) -> list[Standing]:
    """Judges of one project in figures, as things stand now. Four queries."""
    figures: dict[int, dict[str, int]] = defaultdict(dict)
    for read in (_labels, _calls, _agreement):
        for pk, values in (read(judges) if judges else {}).items():
            figures[pk].update(values)
    return [Standing(judge=judge, **figures[judge.pk]) for judge in judges]


def generators_of(project: Project) -> set[str]:
    """The names of whoever wrote the project's completions."""
    rows = Completion.objects.filter(instance__project=project).exclude(generator="")
    return set(rows.order_by().values_list("generator", flat=True).distinct())


def lineage(judge: Judge) -> list[Judge]:
    """The versions of a judge that lead to this one and from it, oldest first."""
    everything = list(judges_of(judge.project))
    family = {judge.pk}
    for row in everything:  # by age: a judge is younger than the one it replaces
        if row.replaces_id in family:
            family.add(row.pk)
    for row in reversed(everything):
        if row.pk in family and row.replaces_id:
            family.add(row.replaces_id)
    return [row for row in everything if row.pk in family]


def calls_of(judge: Judge) -> QuerySet[JudgeCall]:
    """The calls a judge was asked for labels with."""
    return JudgeCall.objects.filter(judge=judge, purpose=CallPurpose.LABEL)


def _labels(judges: Sequence[Judge]) -> dict[int, dict[str, int]]:
    project = judges[0].project
    guideline = guideline_of(project)
    both = Q(attributes__verdict__flipped__in=[True, False])
    old = Q(guideline__isnull=False) & ~Q(guideline=guideline)
    rows = (
        current(project, excluded=True)
        .filter(annotator__judge__in=judges)
        .order_by()
        .values("annotator__judge")
        .annotate(
            labels=Count("pk"),
            ordered=Count("pk", filter=both),
            flipped=Count("pk", filter=Q(attributes__verdict__flipped=True)),
            stale=Count("pk", filter=old),
        )
    )
    return _by("annotator__judge", rows)


def _calls(judges: Sequence[Judge]) -> dict[int, dict[str, int]]:
    rows = (
        JudgeCall.objects.filter(judge__in=judges, copy_of=None)
        .order_by()
        .values("judge")
        .annotate(
            calls=Count("pk"),
            unparsable=Count("pk", filter=Q(state=CallState.UNPARSABLE)),
            failed=Count("pk", filter=Q(state=CallState.FAILED)),
            unknown=Count("pk", filter=Q(state=CallState.UNKNOWN)),
            spent_micros=Coalesce(Sum("price_micros", filter=Q(state__in=CHARGED)), 0),
        )
    )
    return _by("judge", rows)


def _by(name: str, rows: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, int]]:
    """Rows of figures by the judge they are about."""
    return {row[name]: {key: row[key] for key in row if key != name} for row in rows}


def _agreement(judges: Sequence[Judge]) -> dict[int, dict[str, int]]:
    values: dict[str, Any] = {
        "judges": [judge.pk for judge in judges],
        "human": HUMAN,
        "newest": NEWEST,
    }
    with connection.cursor() as cursor:
        cursor.execute(AGREEMENT, values)
        return {pk: {"agreed": agreed, "shared": shared} for pk, agreed, shared in cursor}


def runs_of(judge: Judge) -> QuerySet[JudgeRun]:
    """The judge's runs, newest first."""
    return JudgeRun.objects.filter(judge=judge).select_related("job", "budget").order_by("-pk")


def run_in(project: Project, run_id: int) -> JudgeRun:
    """One run of a judge of the project.

    Raises:
        NotFound: there is no such run in this project.
    """
    related = ("judge", "job", "budget", "guideline", "created_by")
    run = JudgeRun.objects.filter(project=project, pk=run_id).select_related(*related).first()
    if run is None:
        raise NotFound(_("There is no such run of a judge in this project."))
    return run


@dataclass(frozen=True)
class Trouble:
    """Calls without a verdict that failed alike; `newest` is one of them."""

    state: str
    failure: str
    calls: int
    newest: JudgeCall


def troubles(calls: QuerySet[JudgeCall]) -> list[Trouble]:
    """Calls that gave no verdict by how they ended, most first. Two queries."""
    silent = (CallState.FAILED, CallState.UNPARSABLE, CallState.UNKNOWN)
    found = (
        calls.filter(state__in=silent)
        .order_by()
        .values("state", "failure")
        .annotate(calls=Count("pk"), last=Max("pk"))
        .order_by("-calls")
    )
    groups = list(found)
    newest = JudgeCall.objects.in_bulk([row["last"] for row in groups])
    return [
        Trouble(row["state"], row["failure"], row["calls"], newest[row["last"]]) for row in groups
    ]


def call_in(project: Project, call_id: int) -> JudgeCall:
    """One call to a judge of the project.

    Raises:
        NotFound: there is no such call in this project.
    """
    related = ("judge__prompt", "judge__connection", "instance", "criterion", "guideline", "run")
    calls = JudgeCall.objects.filter(judge__project=project, pk=call_id)
    call = calls.select_related(*related).first()
    if call is None:
        raise NotFound(_("There is no such call in this project."))
    return call


def connections_of(project: Project) -> QuerySet[Connection]:
    """The project's connections by name; `used` counts the judges that ask through them."""
    rows = Connection.objects.filter(project=project).annotate(used=Count("judges"))
    return rows.order_by("name")


def connection_in(project: Project, connection_id: int) -> Connection:
    """One connection of the project.

    Raises:
        NotFound: there is no such connection in this project.
    """
    found = connections_of(project).filter(pk=connection_id).first()
    if found is None:
        raise NotFound(_("There is no such connection in this project."))
    return found


def budget_in(project: Project, budget_id: int | None) -> Budget | None:
    """One budget of the project; None where none is named.

    Raises:
        NotFound: there is no such budget in this project.
    """
    if budget_id is None:
        return None
    found = Budget.objects.filter(project=project, pk=budget_id).first()
    if found is None:
        raise NotFound(_("There is no such budget in this project."))
    return found
