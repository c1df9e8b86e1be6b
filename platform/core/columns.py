"""The numbers of a query as arrays: no object per row, for what reads a million of them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import F, FloatField, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce


def numbers(rows: QuerySet[Any], *wanted: str | Combinable) -> npt.NDArray[np.float64]:
    """(wanted, rows) numbers, in no order; null is NaN. Ids are exact below 2⁵³.

    Args:
        wanted: fields, or expressions, that PostgreSQL can turn into a number.
    """
    made = {
        f"number_{place}": Coalesce(
            Cast(F(each) if isinstance(each, str) else each, FloatField()), Value(float("nan"))
        )
        for place, each in enumerate(wanted)
    }
    plain = rows.order_by().values().annotate(**made).values_list(*made)
    sql, parameters = plain.query.sql_with_params()
    # One value per column: rows one by one cost more than all else.
    packed = ", ".join(f"string_agg(float8send({name}), '')" for name in made)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {packed} FROM ({sql}) AS numbers", parameters)  # noqa: S608 - ours
        found = cursor.fetchone()
    return np.array([np.frombuffer(each or b"", ">f8") for each in found], dtype=np.float64)
