"""A project with as many labels of pairs as asked for, made inside PostgreSQL."""

from uuid import uuid4

from django.db import connection

from accounts.models import Project
from annotation.labels.models import Annotator, AnnotatorKind
from annotation.projects.selectors import criteria_of
from tests.factories import make_project, make_user

# Labels of one instance; one in five is a judge's, one in thirty a tie.
OVERLAP = 5
PEOPLE, JUDGES, GENERATORS = 200, 4, 20
TEXT = "## Title\n\n- one **thing**\n- another\n\nA paragraph that says something. "


def make_crowd(labels: int) -> Project:
    """Pairs of two generators, two of each prompt; people and judges of different skill."""
    owner = make_user(f"crowd-{uuid4().hex[:8]}")
    project = make_project(f"{labels} labels", owner)
    Annotator.objects.bulk_create(
        Annotator(project=project, kind=kind, name=f"{kind} {k}", pseudonym=f"{kind} {k}")
        for kind, number in ((AnnotatorKind.IMPORT, PEOPLE), (AnnotatorKind.JUDGE, JUDGES))
        for k in range(number)
    )
    values: dict[str, str | int] = {
        "project": project.pk,
        "criterion": criteria_of(project)[0].pk,
        "instances": labels // OVERLAP,
        "overlap": OVERLAP,
        "people": PEOPLE,
        "judges": JUDGES,
        "generators": GENERATORS,
        "text": TEXT,
    }
    with connection.cursor() as cursor:
        for statement in (INSTANCES, COMPLETIONS, LABELS):
            cursor.execute(statement, values)
        cursor.execute("ANALYZE annotation_instance, annotation_completion, annotation_annotation")
    return project


INSTANCES = """
INSERT INTO annotation_instance (created_at, project_id, external_id, content_hash, prompt_hash,
    messages, context, metadata, tags, state, priority)
SELECT now(), %(project)s, k, md5('content ' || k), md5('prompt ' || k / 2),
    '[{"role": "user", "content": "A question?"}]', '[]', '{}', '{}', 'routed', 0
FROM generate_series(1, %(instances)s) AS k
"""

COMPLETIONS = """
INSERT INTO annotation_completion (instance_id, position, text, parts, generator, checkpoint,
    sampling, licence)
SELECT id, position, repeat(%(text)s, 3 + abs(hashint8(id + position)) %% 10), '[]',
    'model ' || (abs(hashint8(id)) %% %(generators)s
        + position * (1 + abs(hashint8(id + 7)) %% (%(generators)s - 1))) %% %(generators)s,
    '', '{}', ''
FROM annotation_instance, generate_series(0, 1) AS position
WHERE project_id = %(project)s
"""

# u: drawn by the label; who errs how often follows from the annotator.
LABELS = """
WITH crowd AS (
    SELECT id, kind, row_number() OVER (PARTITION BY kind ORDER BY id) - 1 AS k
    FROM annotation_annotator WHERE project_id = %(project)s
), drawn AS (
    SELECT i.id AS instance, n, n = 0 AS judged,
        CASE WHEN n = 0 THEN abs(hashint8(i.id)) %% %(judges)s
            ELSE (abs(hashint8(i.id)) + n * 13) %% %(people)s END AS k,
        abs(hashint8(i.id * 8 + n)) %% 1000 / 1000.0 AS u
    FROM annotation_instance AS i, generate_series(0, %(overlap)s - 1) AS n
    WHERE i.project_id = %(project)s
), said AS (
    SELECT drawn.*, crowd.id AS annotator, u < 0.6 + crowd.k %% 10 * 0.03 AS able,
        hashint8(instance * 3) %% 2 = 0 AS leads
    FROM drawn JOIN crowd
        ON crowd.k = drawn.k AND crowd.kind = CASE WHEN judged THEN 'judge' ELSE 'import' END
)
INSERT INTO annotation_annotation (created_at, project_id, instance_id, annotator_id, criterion_id,
    purpose, ranking, unranked, scores, tie_kind, rationale, reasons, attributes, shown_order,
    seconds, client_id, payload_hash, retracted)
SELECT now() - interval '90 days' * (1 - u), %(project)s, instance, annotator, %(criterion)s,
    'label',
    CASE WHEN u > 0.967 THEN '{1,1}' WHEN able = leads THEN '{1,2}' ELSE '{2,1}' END::smallint[],
    '{}', '{}', CASE WHEN u > 0.967 THEN 'tie' ELSE '' END, 'Because it says more.', '{}',
    CASE WHEN judged THEN jsonb_build_object('verdict', jsonb_build_object('p',
        CASE WHEN able = leads THEN 0.5 + u / 2.1 ELSE 0.5 - u / 2.1 END)) ELSE '{}' END,
    CASE WHEN hashint8(instance + n) %% 2 = 0 THEN '{0,1}' ELSE '{1,0}' END::smallint[],
    5 + u * 60, gen_random_uuid(), '', false
FROM said ORDER BY instance, n
"""
