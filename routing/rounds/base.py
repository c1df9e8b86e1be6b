"""What the work of every kind of round shares."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from django.conf import settings

from accounts.models import Project
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from jobs.context import JobContext

from .models import Round


@dataclass
class RoundWork:
    """One run of a round's job: the round, and what is derived from it once."""

    context: JobContext
    row: Round

    @property
    def project(self) -> Project:
        return self.row.project

    @cached_property
    def criterion(self) -> Criterion:
        criterion = self.project.criteria.first()
        if criterion is None:
            raise InvalidInput("The project asks nothing yet: add a criterion.")
        return criterion

    @property
    def folder(self) -> Path:
        """Files of the round; they outlive its job."""
        folder = Path(settings.MEDIA_ROOT) / "rounds" / str(self.row.pk)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
