"""Every migration can be taken back, and its name says what it does."""

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from core.append_only import append_only

# Django's own apps keep their tables; ours are taken back around them.
THEIRS = {"auth", "contenttypes", "sessions"}


def our_migrations() -> list[tuple[str, str]]:
    keys = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return sorted(key for key in keys if key[0] not in THEIRS)


def tables() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


@pytest.mark.parametrize("key", our_migrations(), ids=".".join)
def test_every_operation_is_reversible(key: tuple[str, str]) -> None:
    migration = MigrationLoader(None, ignore_no_migrations=True).disk_migrations[key]
    assert all(operation.reversible for operation in migration.operations)


@pytest.mark.parametrize("key", our_migrations(), ids=".".join)
def test_its_name_says_what_it_does(key: tuple[str, str]) -> None:
    number, _, words = key[1].partition("_")
    assert number.isdigit()
    assert words
    assert not words.startswith("auto_")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_whole_schema_goes_back_and_comes_again() -> None:
    """Back to nothing and forward again; whatever happens, later tests find a whole schema."""
    ours = {model._meta.db_table for model in apps.get_models() if model._meta.managed}
    ours -= {t for t in ours if t.startswith(("auth_", "django_"))}
    labels = sorted({label for label, _ in our_migrations()})
    before = tables()
    assert ours <= before
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
        MigrationExecutor(connection).migrate([(label, None) for label in labels])
        assert not ours & tables()
    finally:
        newest = MigrationExecutor(connection)
        newest.migrate(newest.loader.graph.leaf_nodes())
    assert tables() == before


@pytest.mark.django_db
def test_an_append_only_table_can_be_opened_again() -> None:
    """The SQL behind `append_only` is undone by its own reverse."""
    operation = append_only("audit_event")
    state = ProjectState.from_apps(apps)
    with connection.schema_editor() as editor:
        operation.database_backwards("audit", editor, state, state)
    assert triggers("audit_event") == set()
    with connection.schema_editor() as editor:
        operation.database_forwards("audit", editor, state, state)
    assert triggers("audit_event") == {"audit_event_append_only"}


def triggers(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [table],
        )
        return {name for (name,) in cursor.fetchall()}
