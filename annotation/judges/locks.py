"""One process asks a judge at a time, so a call in flight elsewhere is known to be lost; and one
process names judges and prompts of a project at a time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from accounts.models import Project
from core.exceptions import Conflict

from .models import Judge

# First key of PostgreSQL's two-integer advisory locks: "judges being asked".
ASKING = 7301
POLL_SECONDS = 0.25


@contextmanager
def asking(
    judge: Judge, *, patience: float = 0.0, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold the judge; the database lets go when this process dies.

    Waits up to `patience` seconds for another holder, calling `meanwhile` now and then.

    Raises:
        Conflict: another process is asking this judge.
    """
    until = time.monotonic() + patience
    while not _taken(judge):
        if time.monotonic() >= until:
            raise Conflict(f"The judge {judge.name!r} is being asked already: wait for that job.")
        meanwhile()
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ASKING, judge.pk])


def _taken(judge: Judge) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ASKING, judge.pk])
        row = cursor.fetchone()
    return bool(row and row[0])


def naming(project: Project) -> None:
    """Whoever names judges or prompts of the project waits here for the others to commit.

    Labels and instances are written meanwhile. Needs a transaction.
    """
    Project.objects.select_for_update(no_key=True).only("pk").get(pk=project.pk)
