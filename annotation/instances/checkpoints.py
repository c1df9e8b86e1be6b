"""How far an import job has come, kept with its batches: a later attempt goes on from there."""

from typing import Any

from jobs.context import JobContext
from jobs.exceptions import JobFenced

from .models import ImportProgress


class Checkpoint:
    """`done` rows of file number `file` are imported, all of the files before it, and `report`
    says what became of them."""

    def __init__(self, ctx: JobContext) -> None:
        self.attempt, self.job = ctx.attempt, ctx.job
        row, _ = ImportProgress.objects.get_or_create(
            job=ctx.job, defaults={"attempt": ctx.attempt}
        )
        ImportProgress.objects.filter(job=ctx.job).update(attempt=ctx.attempt)
        self.file, self.done, self.report = row.file, row.rows, row.report

    def is_done(self, file: int, row: int) -> bool:
        """Whether an earlier attempt imported this row, counted from 1."""
        return (file, row) <= (self.file, self.done)

    def keep(self, file: int, rows: int, report: dict[str, Any]) -> None:
        """Write it, in the transaction of the batch.

        Raises:
            JobFenced: another attempt has the job.
        """
        mine = ImportProgress.objects.filter(job=self.job, attempt=self.attempt)
        if mine.update(file=file, rows=rows, report=report) != 1:
            raise JobFenced
