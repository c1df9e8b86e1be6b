"""Writing rows of consensus: one statement, and only what has changed."""

import json
from collections.abc import Iterable, Sequence

from django.db import connection

from .rows import Row


def store(rows: Iterable[Row], instances: Sequence[int]) -> int:
    """Make these the rows of these instances; the number of rows given.

    What is stored as it should be is left alone, and what has no labels any more is removed.
    """
    given = [row._asdict() for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(STORE, [json.dumps(given), list(instances)])
    return len(given)


STORE = """
WITH given AS (
    SELECT * FROM json_to_recordset(%s) AS row (instance bigint, criterion bigint, scope varchar,
        method varchar, version integer, worth jsonb, scores jsonb, entropy float8,
        labels integer, sources jsonb, simulated boolean)
), stored AS (
    SELECT * FROM annotation_consensus WHERE instance_id = ANY(%s)
), gone AS (
    DELETE FROM annotation_consensus WHERE id IN (
        SELECT stored.id FROM stored LEFT JOIN given ON given.instance = stored.instance_id
            AND given.criterion = stored.criterion_id AND given.scope = stored.scope
        WHERE given.instance IS NULL
    )
)
INSERT INTO annotation_consensus (instance_id, criterion_id, scope, method, version, worth, scores,
    entropy, labels, sources, simulated, created_at, updated_at)
SELECT given.*, statement_timestamp(), statement_timestamp()
FROM given LEFT JOIN stored ON given.instance = stored.instance_id
    AND given.criterion = stored.criterion_id AND given.scope = stored.scope
WHERE (given.method, given.version, given.worth, given.scores, given.entropy, given.labels,
        given.sources, given.simulated)
    IS DISTINCT FROM (stored.method, stored.version, stored.worth, stored.scores, stored.entropy,
        stored.labels, stored.sources, stored.simulated)
ON CONFLICT (instance_id, criterion_id, scope) DO UPDATE SET method = excluded.method,
    version = excluded.version, worth = excluded.worth, scores = excluded.scores,
    entropy = excluded.entropy, labels = excluded.labels, sources = excluded.sources,
    simulated = excluded.simulated, updated_at = excluded.updated_at
"""
