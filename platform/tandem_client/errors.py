"""What can go wrong, in the server's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TandemError(Exception):
    """The base of everything that this package raises."""


class Unreachable(TandemError):
    """No answer: the server is away, or the address is wrong."""


class Refused(TandemError):
    """The server said no.

    `status` is the HTTP status, `code` the stable name of the problem (`not-found`,
    `invalid-input`, …), and `problem` the whole answer (RFC 9457 problem details).
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("type", "")).rpartition(":")[2]
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))


class JobFailed(TandemError):
    """A job that was waited for has failed or was cancelled; `job` is how the server tells it."""

    def __init__(self, message: str, job: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.job = dict(job)
