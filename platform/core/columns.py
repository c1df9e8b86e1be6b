"""The numbers of a query as arrays: no object per row, for what reads a million of them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import F, FloatField, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce
from psycopg import ClientCursor

# PostgreSQL's binary format: a head; per row the number of fields, each after its length; a tail.
HEAD, TAIL = 19, 2
FIELD, NUMBER = 12, 8


def numbers(rows: QuerySet[Any], *wanted: str | Combinable) -> npt.NDArray[np.float64]:
    """(wanted, rows) numbers in the order of the query; null is NaN. Ids are exact below 2⁵³.

    Args:
        wanted: fields, or expressions, that PostgreSQL can turn into a number.
    """
    made = {
        f"number_{place}": Coalesce(
            Cast(F(each) if isinstance(each, str) else each, FloatField()), Value(float("nan"))
        )
        for place, each in enumerate(wanted)
    }
    sql, parameters = rows.values().annotate(**made).values_list(*made).query.sql_with_params()
    with connection.cursor() as cursor:
        query = ClientCursor(cursor.connection).mogrify(sql, parameters)
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
            found = b"".join(copy)
    size = 2 + FIELD * len(made)
    shape = ((len(found) - HEAD - TAIL) // size, len(made))
    # Each number stands after the length of its field, which is always 8.
    first = HEAD + 2 + FIELD - NUMBER
    raw = np.ndarray(shape, ">f8", found, first, (size, FIELD)) if shape[0] else np.zeros(shape)
    return np.ascontiguousarray(raw.T, dtype=np.float64)
