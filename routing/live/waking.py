"""Which projects may have something to do: one statement over all of them.

A look at a project costs a dozen queries. All that can give it something to do leaves a trace
in the first or last row of an index: the newest label, job, decision, report or event, the newest
instance of each state, limits, rules, judges, settings. The traces together are the project's
`mark`. Where a look finds nothing, the mark is kept, and nobody looks again until it is another.

Rows are numbered before they are committed, so a label may be seen after one with a higher number:
a minute after the newest label the mark changes once more. So it does every hour, for what leaves
no trace (a place that was closed by hand), and at midnight UTC, when periods of budgets begin.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from annotation.instances.models import InstanceState
from jobs.models import ACTIVE, State
from routing.features.jobs import FEATURES_KIND

from .loop import KIND
from .models import LiveRouting, Mode, Stall

# What stalls is tried again so often, beside at once when an allowance changes.
AGAIN = timedelta(minutes=5)
# No label takes longer to be committed.
LATE = timedelta(minutes=1)
# The newest row of a project is the first one at or beside it in the order of an index. `max(id)`
# says the same, but where the planner takes the project for a large one it walks the whole table.
AWAKE = """
WITH active AS (
  SELECT project_id, string_agg(id::text, ',' ORDER BY id) AS jobs,
         bool_or(kind = %(live)s) AS routing, bool_or(kind = %(features)s) AS computing
  FROM jobs_job WHERE state = ANY(%(active)s) GROUP BY project_id
)
SELECT live.id, live.stall <> '', seen.mark
FROM routing_liverouting AS live
JOIN accounts_project AS project ON project.id = live.project_id
LEFT JOIN active ON active.project_id = live.project_id
CROSS JOIN LATERAL (SELECT EXISTS (
  SELECT 1 FROM jobs_job AS job WHERE job.project_id = live.project_id
    AND job.kind = %(live)s AND job.created_at > now() - %(again)s::interval) AS lately
) AS rung
CROSS JOIN LATERAL (SELECT md5(concat_ws('|',
  to_jsonb(live) - 'idle_for',
  (now() AT TIME ZONE 'utc')::date,
  floor((extract(epoch FROM now()) + 37 * live.id) / 3600),
  (SELECT CASE WHEN project_id = live.project_id
     THEN row(id, created_at > now() - %(late)s::interval) END
   FROM annotation_annotation WHERE project_id <= live.project_id
   ORDER BY project_id DESC, id DESC LIMIT 1),
  (SELECT string_agg(state.name || coalesce((
     SELECT CASE WHEN project_id = live.project_id AND instance.state = state.name THEN id END
     FROM annotation_instance AS instance
     WHERE (project_id, instance.state) <= (live.project_id, state.name)
     ORDER BY project_id DESC, instance.state DESC, id DESC LIMIT 1)::text, ''), ','
     ORDER BY state.name)
   FROM unnest(%(states)s::varchar[]) AS state(name)),
  (SELECT row(CASE WHEN project_id = live.project_id THEN id END) FROM jobs_job
   WHERE project_id >= live.project_id ORDER BY project_id, id DESC LIMIT 1),
  row(active.jobs),
  (SELECT row(CASE WHEN project_id = live.project_id THEN created_at END) FROM routing_decision
   WHERE project_id >= live.project_id ORDER BY project_id, created_at DESC LIMIT 1),
  (SELECT row(CASE WHEN project_id = live.project_id THEN id END) FROM audit_event
   WHERE project_id >= live.project_id ORDER BY project_id, id DESC LIMIT 1),
  (SELECT row(max(id)) FROM annotation_judgereport WHERE project_id = live.project_id),
  (SELECT row(max(version)) FROM routing_ruleset WHERE project_id = live.project_id),
  (SELECT row(string_agg(row(id, stage, version)::text, ',' ORDER BY id))
   FROM annotation_judge WHERE project_id = live.project_id),
  (SELECT row(string_agg(row(id, position)::text, ',' ORDER BY id))
   FROM annotation_criterion WHERE project_id = live.project_id),
  (SELECT row(string_agg(row(id, version, "limit", ended_at)::text, ',' ORDER BY id))
   FROM routing_allowance WHERE project_id = live.project_id)
)) AS mark) AS seen
WHERE live.mode <> %(off)s AND live.judge_id IS NOT NULL AND project.archived_at IS NULL
  AND active.routing IS NOT TRUE
  AND CASE
    WHEN live.stall = %(waits)s THEN active.computing IS NOT TRUE AND NOT (rung.lately AND (
      SELECT job.state = %(failed)s FROM jobs_job AS job
      WHERE job.project_id = live.project_id AND job.kind = %(features)s
      ORDER BY job.id DESC LIMIT 1) IS TRUE)
    WHEN live.stall <> '' THEN NOT rung.lately
    ELSE seen.mark <> live.idle_for
  END
ORDER BY live.id
"""


@dataclass(frozen=True)
class Awake:
    """A project's settings by id; `stalled`: to be tried again, else to be looked at."""

    live_id: int
    stalled: bool
    mark: str


def awake() -> list[Awake]:
    """The projects to try again or to look at; one whose job is under way is not among them."""
    values: dict[str, Any] = {
        "live": KIND,
        "features": FEATURES_KIND,
        "active": list(ACTIVE),
        "again": AGAIN,
        "late": LATE,
        "states": InstanceState.values,
        "off": Mode.OFF,
        "waits": Stall.FEATURES,
        "failed": State.FAILED,
    }
    with connection.cursor() as cursor:
        cursor.execute(AWAKE, values)
        return [Awake(*row) for row in cursor.fetchall()]


def sleep(found: Awake) -> None:
    """There is nothing to do as long as the mark stays this one."""
    LiveRouting.objects.filter(pk=found.live_id).update(idle_for=found.mark)
