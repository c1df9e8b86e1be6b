"""Tandem from a notebook or a script: `from tandem_client import Tandem`."""

from .client import Tandem
from .errors import JobFailed, Refused, TandemError, Unreachable
from .jobs import Job
from .project import Project
from .results import Export, Judge, Run, Snapshot

__all__ = [
    "Export",
    "Job",
    "JobFailed",
    "Judge",
    "Project",
    "Refused",
    "Run",
    "Snapshot",
    "Tandem",
    "TandemError",
    "Unreachable",
]
