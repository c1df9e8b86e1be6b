"""One process asks a judge at a time, so a call in flight elsewhere is known to be lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from core.exceptions import Conflict

from .models import Judge

# First key of PostgreSQL's two-integer advisory locks: "judges being asked".
ASKING = 7301


@contextmanager
def asking(judge: Judge) -> Iterator[None]:
    """Hold the judge; the database lets go when this process dies.

    Raises:
        Conflict: another process is asking this judge.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ASKING, judge.pk])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise Conflict(f"The judge {judge.name!r} is being asked already: wait for that job.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ASKING, judge.pk])
