"""A project with very many labels for the benchmarks of data, made by PostgreSQL itself."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from accounts.models import Project, User
from accounts.services import create_user
from annotation.labels.models import Annotator
from annotation.projects.services import create_project

# Three people and a judge label every instance; two instances share a prompt.
PEOPLE = 3
PER_INSTANCE = PEOPLE + 1

INSTANCES = """
INSERT INTO annotation_instance (created_at, external_id, content_hash, prompt_hash, messages,
    context, metadata, tags, state, priority, project_id)
SELECT now(), 'case-' || lpad(n::text, 8, '0'),
    encode(sha256(('content ' || n)::bytea), 'hex'),
    encode(sha256(('[{"content":' || to_json(q)::text || ',"role":"user"}]')::bytea), 'hex'),
    jsonb_build_array(jsonb_build_object('role', 'user', 'content', q)),
    '[]', jsonb_build_object('row', n, 'from', 'bench'), ARRAY['lang:en', 'topic-' || n %% 7],
    'settled', 0, %(project)s
FROM (SELECT n, 'Question ' || n / 2 || ': how would you go about this, and why so? '
         || repeat('Say what matters. ', n / 2 %% 5) AS q
      FROM generate_series(0, %(instances)s - 1) AS n) AS made
"""
COMPLETIONS = """
INSERT INTO annotation_completion (position, text, parts, generator, checkpoint, sampling, licence,
    instance_id)
SELECT p, 'Answer ' || p || ' to ' || i.external_id || '. '
      || repeat('It depends on your need — and on “when”. ', (2 + (i.id * 7 + p * 3) %% 9)::int),
    '[]', 'model-' || (i.id + p) %% 5, '', '{}', CASE p WHEN 0 THEN 'apache-2.0' ELSE 'mit' END,
    i.id
FROM annotation_instance AS i CROSS JOIN generate_series(0, 1) AS p
WHERE i.project_id = %(project)s ORDER BY i.id, p
"""
ASSIGNMENTS = """
INSERT INTO annotation_assignment (created_at, destination, arm, propensity, overlap, criteria,
    instance_id)
SELECT now(), 'both', CASE WHEN id %% 10 = 0 THEN 'audit' ELSE 'routed' END, 0.25, %(people)s, '{}',
    id
FROM annotation_instance WHERE project_id = %(project)s
"""
# Four labels in five of a person are for the better one; the better one is first in two of three.
LABELS = """
INSERT INTO annotation_annotation (created_at, project_id, instance_id, annotator_id, criterion_id,
    guideline_id, purpose, ranking, unranked, scores, tie_kind, strength, confidence, rationale,
    reasons, attributes, shown_order, seconds, client_id, payload_hash, retracted)
SELECT timestamptz '2026-01-01' + i.row * interval '1 second', %(project)s, i.id, a.id,
    %(criterion)s, %(guideline)s, 'label',
    CASE WHEN tie THEN '{1,1}' WHEN first THEN '{1,2}' ELSE '{2,1}' END::smallint[], '{}', '{}',
    CASE WHEN tie THEN 'tie' ELSE '' END, CASE WHEN tie THEN NULL ELSE (1 + h %% 3) / 3.0 END,
    1 + h %% 5, CASE WHEN h %% 4 = 0 THEN 'It answers what was asked, and says why.' ELSE '' END,
    CASE WHEN h %% 3 = 0 THEN ARRAY['clearer'] ELSE '{}'::varchar[] END, '{}',
    CASE WHEN h %% 2 = 0 THEN '{0,1}' ELSE '{1,0}' END::smallint[], 3 + h %% 4000 / 100.0,
    gen_random_uuid(), repeat('0', 64), false
FROM (SELECT id, (id - min(id) OVER ()) AS row FROM annotation_instance
      WHERE project_id = %(project)s) AS i
CROSS JOIN (SELECT unnest(%(annotators)s::bigint[]) AS id) AS a
CROSS JOIN LATERAL (SELECT abs(hashint8(i.id * 31 + a.id)) AS h) AS hash
CROSS JOIN LATERAL (SELECT h %% 20 = 0 AS tie, (i.id %% 3 < 2) = (h %% 5 < 4) AS first) AS says
ORDER BY i.id, a.id
"""
CONSENSUS = """
INSERT INTO annotation_consensus (created_at, updated_at, instance_id, criterion_id, scope, method,
    version, worth, entropy, labels, sources, simulated)
SELECT now(), now(), instance_id, %(criterion)s, scope, 'majority', 0,
    jsonb_build_array(p, 1 - p),
    CASE WHEN p IN (0, 1) THEN 0 ELSE -(p * ln(p) + (1 - p) * ln(1 - p)) / ln(2) END, labels,
    jsonb_build_object('annotators', labels, source, labels), false
FROM (SELECT a.instance_id, scope, source, count(*) AS labels,
          avg(CASE WHEN ranking[1] = ranking[2] THEN 0.5 WHEN ranking[1] = 1 THEN 1 ELSE 0 END)
              ::float8 AS p
      FROM annotation_annotation AS a JOIN annotation_annotator AS r ON r.id = a.annotator_id
      JOIN (VALUES ('human', 'human', false), ('mixed', 'human', false), ('judge', 'judge', true))
          AS s (scope, source, machine) ON s.machine = (r.kind = 'judge')
      WHERE a.project_id = %(project)s GROUP BY 1, 2, 3) AS counted
ORDER BY instance_id
"""


@transaction.atomic
def fill(labels: int = 1_000_000, name: str = "Bench") -> Project:
    """A pairwise project with so many labels on a quarter as many instances, and its consensus.

    Half a minute for a million. Every call makes another project.
    """
    owner = User.objects.filter(username="bench").first()
    owner = owner or create_user(username="bench", password="")
    project = create_project(name=name, owner=owner)
    annotators = [
        Annotator.objects.create(
            project=project, kind=kind, name=f"{kind} {number}", pseudonym=f"{kind[0]}-{number}"
        ).pk
        for kind, number in [*(("import", each) for each in range(PEOPLE)), ("judge", 0)]
    ]
    values: dict[str, Any] = {
        "project": project.pk,
        "instances": labels // PER_INSTANCE,
        "people": PEOPLE,
        "annotators": annotators,
        "criterion": project.criteria.get().pk,
        "guideline": project.guidelines.values_list("pk", flat=True).first(),
    }
    with connection.cursor() as cursor:
        for statement in (INSTANCES, COMPLETIONS, ASSIGNMENTS, LABELS, CONSENSUS):
            cursor.execute(statement, values)
    return project


def analyse() -> None:
    """Tell PostgreSQL how large the tables are; autovacuum would, a minute later."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
