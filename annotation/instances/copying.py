"""Writing many rows with COPY: several times as fast as INSERT, and nothing is kept twice."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.utils import timezone

M = TypeVar("M", bound=models.Model)


def copy_in(model: type[M], rows: Sequence[M]) -> Sequence[M]:
    """Insert rows that have no key yet; they get theirs. Call inside a transaction.

    Raises:
        IntegrityError: as an INSERT would.
    """
    if not rows:
        return rows
    _number(model, rows)
    fields = model._meta.concrete_fields
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    writers = [(field.attname, _writer(field)) for field in fields]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            values = vars(row)
            copy.write_row([write(values[name]) for name, write in writers])
    for row in rows:
        row._state.adding = False
    return rows


def _number(model: type[M], rows: Sequence[M]) -> None:
    """Take as many keys of the table's sequence as there are rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [model._meta.db_table, model._meta.pk.column, len(rows)],
        )
        keys = cursor.fetchall()
    for row, (key,) in zip(rows, keys, strict=True):
        row.pk = key


def _writer(field: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    if isinstance(field, models.JSONField):
        return _json
    if isinstance(field, ArrayField):
        return _array
    if isinstance(field, models.DateTimeField) and field.auto_now_add:
        now = timezone.now()
        return lambda value: now if value is None else value
    return _same


def _same(value: Any) -> Any:
    return value


def _array(value: Any) -> Any:
    """An empty list has no type of its own."""
    return "{}" if value == [] else value


def _json(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Whole numbers of more than 64 bits.
        return json.dumps(value, ensure_ascii=False)
