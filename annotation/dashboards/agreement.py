"""Agreement of people over time: Krippendorff's α of each week, with its interval."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from accounts.models import Project
from annotation.projects.models import Criterion, Kind, Protocol
from annotation.quality.agreement import Estimate, Measure, krippendorff_interval, units_of

from .periods import Period
from .standing import roughly, share_of

# So many instances of a week are looked at: more would not narrow the interval visibly, and a busy
# week has hundreds of thousands. Where there are many labels, instances are drawn by their hash
# before anything is grouped: `MANY` labels of a quarter are read in well under a second.
MOST_INSTANCES = 1000
MANY = 20_000
RESAMPLES = 200

# Instances with two labels or more of different people, in the week of their last label.
SHARED = """
WITH shared AS (
  SELECT a.instance_id,
         date_trunc('week', max(a.created_at) AT TIME ZONE 'UTC') AS week,
         json_agg(json_build_array(a.ranking, a.scores) ORDER BY a.id) AS answers
  FROM annotation_annotation a
  JOIN annotation_annotator who ON who.id = a.annotator_id
  WHERE a.project_id = %(project)s AND a.criterion_id = %(criterion)s AND NOT a.retracted
    AND a.purpose = 'label' AND who.kind IN ('person', 'import') AND who.excluded_at IS NULL
    AND a.created_at >= %(start)s AND a.created_at < %(end)s
    AND hashint8(a.instance_id) %% %(every)s = 0
    AND (cardinality(a.ranking) > 0 OR cardinality(a.scores) > 0)
    AND NOT EXISTS (SELECT 1 FROM annotation_annotation later WHERE later.supersedes_id = a.id)
  GROUP BY a.instance_id
  HAVING count(DISTINCT a.annotator_id) > 1),
drawn AS (
  SELECT *, row_number() OVER (PARTITION BY week ORDER BY hashint8(instance_id)) AS place
  FROM shared)
SELECT drawn.week, instance.prompt_hash, drawn.instance_id, drawn.answers
FROM drawn JOIN annotation_instance instance ON instance.id = drawn.instance_id
WHERE place <= %(most)s
ORDER BY drawn.week, drawn.instance_id
"""


@dataclass(frozen=True)
class Week:
    """α of the instances whose last shared label came in the week that begins at `start`."""

    start: datetime
    estimate: Estimate


def weekly_agreement(
    project: Project, period: Period, criterion: Criterion, protocol: Protocol
) -> list[Week]:
    """The weeks in which an instance got labels of two people, the others left out. Two queries.

    Rankings are compared pair by pair (first, second, tie: nominal), scores completion by
    completion (ordinal). Labels of simulated people count like others.
    """
    measure: Measure = (
        "nominal" if criterion.asks(protocol) in (Kind.PAIRWISE, Kind.LISTWISE) else "ordinal"
    )
    weeks: dict[datetime, tuple[list[list[int]], list[str]]] = defaultdict(lambda: ([], []))
    with connection.cursor() as cursor:
        cursor.execute(
            SHARED,
            {
                "project": project.pk,
                "criterion": criterion.pk,
                "start": period.start,
                "end": period.end,
                "most": MOST_INSTANCES,
                "every": share_of(roughly(project, period, criterion), MANY),
            },
        )
        for week, prompt, _instance, answers in cursor.fetchall():
            for unit in _units(answers):
                weeks[week][0].append(unit)
                weeks[week][1].append(prompt)
    return [
        Week(start, krippendorff_interval(units, prompts, measure=measure, resamples=RESAMPLES))
        for start, (units, prompts) in sorted(weeks.items())
    ]


def _units(answers: list[tuple[list[int], list[int | None]]]) -> list[list[int]]:
    """What several people said about each pair, or about each completion."""
    rankings = [tuple(ranking) for ranking, _ in answers if ranking]
    if rankings:
        sizes = {len(ranking) for ranking in rankings}
        return [unit for _, unit in units_of({"": rankings})] if len(sizes) == 1 else []
    scored = [scores for _, scores in answers if scores]
    return [
        [score for score in column if score is not None] for column in zip(*scored, strict=False)
    ]
