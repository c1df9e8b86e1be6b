"""Projects to measure: ten thousand pairs through the services, a million of them by SQL.

Import it after `django.setup()`.
"""

from __future__ import annotations

import random
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.models import Model

from accounts.models import Membership, Project, Role, User
from accounts.services import create_user
from annotation.instances.content import CompletionContent, InstanceContent
from annotation.instances.models import Completion, Instance
from annotation.labels.models import Annotation
from annotation.projects.services import create_project
from annotation.queue.models import Assignment, Slot
from annotation.queue.services import AssignmentItem, assign

from .client import PASSWORD

# The words and lengths of the texts that the shared script gives to the peers.
VOCABULARY = (
    "the model answer shows how a careful reader would compare two replies when one is longer "
    "and the other is clearer with code table list proof step because error memory cache thread "
    "queue index vector"
)
WORDS = VOCABULARY.split()
PROMPT_WORDS, COMPLETION_WORDS = 50, 140
SEED = 7


def make_texts(number: int) -> list[tuple[str, str, str]]:
    """(prompt, completion, completion), the same every time: 50, 140 and 140 words."""
    chance = random.Random(SEED)

    def text(words: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(words))

    return [
        (f"[{n}] {text(PROMPT_WORDS)}", text(COMPLETION_WORDS), text(COMPLETION_WORDS))
        for n in range(number)
    ]


def make_people(number: int) -> list[User]:
    """Users `annot0`, `annot1`, …; one hash serves all, but each login checks it."""
    hashed = make_password(PASSWORD)
    return User.objects.bulk_create(
        [User(username=f"annot{index}", password=hashed) for index in range(number)]
    )


def make_project(slug: str, people: list[User], *, overlap: int) -> Project:
    """A pairwise project with one criterion, and the people as its annotators."""
    owner = create_user(username=f"owner-{slug}", password=PASSWORD)
    project = create_project(name=slug, slug=slug, owner=owner, overlap=overlap)
    Membership.objects.bulk_create(
        [Membership(project=project, user=user, role=Role.ANNOTATOR) for user in people]
    )
    return project


def make_pairs(project: Project, number: int, *, overlap: int) -> None:
    """Instances from the common texts, assigned to people."""
    contents = [
        InstanceContent(
            external_id=f"pair-{index}",
            messages=[{"role": "user", "content": prompt}],
            completions=[CompletionContent(first, "m1"), CompletionContent(second, "m2")],
        )
        for index, (prompt, first, second) in enumerate(make_texts(number))
    ]
    rows = Instance.objects.bulk_create(
        [
            Instance(
                project=project,
                external_id=content.external_id,
                content_hash=content.content_hash(),
                prompt_hash=content.prompt_hash(),
                messages=content.messages,
            )
            for content in contents
        ],
        batch_size=1000,
    )
    Completion.objects.bulk_create(
        [
            Completion(instance=row, position=position, text=each.text, generator=each.generator)
            for row, content in zip(rows, contents, strict=True)
            for position, each in enumerate(content.completions)
        ],
        batch_size=1000,
    )
    items = [AssignmentItem(row.pk, "human", "routed", 1, overlap) for row in rows]
    assign(project=project, items=items)
    analyse()


def multiply_pairs(source: Project, target: Project, number: int, *, overlap: int) -> None:
    """`number` instances with the texts of `source` in turn, a slot per overlap, random priorities.

    The first goes through the services; the others copy its rows by SQL, as superuser without the
    checks of foreign keys, which hold by construction: two minutes for a million.
    """
    make_pairs(target, 1, overlap=overlap)
    pattern = Instance.objects.get(project=target).pk
    origin = Instance.objects.filter(project=source).order_by("pk")
    low, count = origin[0].pk, origin.count()
    every = f"FROM generate_series(1, {number - 1}) AS n JOIN {{table}} AS row"
    texts = f"{every} ON row.{{on}} = {low} + n % {count}"
    copies = f"{every} ON row.{{on}} = {pattern}"
    instance = f"{pattern} + n"
    with psycopg.connect(superuser_url(), autocommit=True) as link:
        for setting in FAST:
            link.execute(setting)
        clone(
            link,
            Instance,
            texts,
            on="id",
            id=instance,
            project_id=str(target.pk),
            external_id="'pair-' || n",
            content_hash="md5(n::text)",
            state="'routed'",
        )
        clone(
            link,
            Completion,
            texts,
            id="{last} + 2 * n - 1 + row.position",
            instance_id=instance,
        )
        clone(link, Assignment, copies, id="{last} + n", instance_id=instance)
        clone(
            link,
            Slot,
            copies,
            id=f"{{last}} + 1 + {overlap} * (n - 1) + row.ordinal",
            key="gen_random_uuid()",
            instance_id=instance,
            # The same for all places of an instance, in no order of the rows.
            priority="(n * 7919::bigint % 1000003) / 1000003.0",
        )
        link.execute("VACUUM (ANALYZE)")
        link.execute("CHECKPOINT")


FAST = (
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
    "SET maintenance_work_mem = '512MB'",
)


def clone(
    link: psycopg.Connection[Any],
    model: type[Model],
    rows: str,
    *,
    on: str = "instance_id",
    **columns: str,
) -> None:
    """Insert copies of `row`, which the FROM clause `rows` names, with some columns replaced."""
    table = model._meta.db_table
    names = [field.column for field in model._meta.concrete_fields if field.column]
    row = link.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608
    values = ", ".join(columns.get(name, f'row."{name}"') for name in names)
    values = values.format(last=row[0] if row else 0)
    into = ", ".join(f'"{name}"' for name in names)
    source = rows.format(table=table, on=on)
    link.execute(f"INSERT INTO {table} ({into}) SELECT {values} {source}")
    link.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608


def superuser_url() -> str:
    """The embedded server's own superuser, in the application's database."""
    options = settings.DATABASES["default"]
    return f"postgres:///{options['NAME']}?host={options['HOST']}&user=postgres"


def analyse() -> None:
    """Statistics as they are in a database that has been running for a while."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def given_twice(project: Project, overlap: int) -> int:
    """Labels beyond the overlap of their instance; 0 is the promise."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(labels - %s), 0) FROM (SELECT count(*) AS labels FROM "
            "annotation_annotation WHERE project_id = %s GROUP BY instance_id) AS each "
            "WHERE labels > %s",
            [overlap, project.pk, overlap],
        )
        return int(cursor.fetchone()[0])


def lost(project: Project, acknowledged: list[str]) -> int:
    """Submits that the server acknowledged and that are not in the database exactly once."""
    rows = Annotation.objects.filter(project=project).values_list("client_id", flat=True)
    stored = list(map(str, rows))
    return len(set(acknowledged) - set(stored)) + len(stored) - len(set(stored))
