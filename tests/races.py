"""Many people at one door at the same moment: real threads, each with its own connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from core.exceptions import ApplicationError


def at_once(*work: Callable[[], object]) -> list[str]:
    """Run all of them from one starting shot; what each came to: `done` or the error's name."""
    start = Barrier(len(work))

    def run(one: Callable[[], object]) -> str:
        try:
            start.wait(timeout=30)
            one()
        except ApplicationError as error:
            return type(error).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(work)) as pool:
        return [each.result(timeout=120) for each in [pool.submit(run, one) for one in work]]
