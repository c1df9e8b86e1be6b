"""Migration helper: a table whose rows can be added but not changed or removed."""

from django.db import migrations

_REFUSE = """
CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'table {table} is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {table}_append_only();
"""
_ALLOW = """
DROP TRIGGER IF EXISTS {table}_append_only ON {table};
DROP FUNCTION IF EXISTS {table}_append_only();
"""


def append_only(table: str) -> migrations.RunSQL:
    """A reversible operation that makes PostgreSQL refuse UPDATE and DELETE on `table`."""
    return migrations.RunSQL(_REFUSE.format(table=table), _ALLOW.format(table=table))
