"""Importing instances. The rules for a single line are in `readers` and `parsing`.

What an import does with a good line, given what the project has already:

| the project has                            | outcome                                            |
|--------------------------------------------|----------------------------------------------------|
| neither its id nor its content             | created                                            |
| the same id and content                    | unchanged; labels of new annotators are added      |
| the same id and content, other metadata    | updated                                            |
| the same id, other content, nobody at work | updated: completions and recorded labels replaced  |
| the same id, other content, labelled or    | error; the instance stays as it was                |
| being labelled                             |                                                    |
| a recorded label that now reads otherwise  | error; nothing of the line is taken                |
| the same content under another id          | left out with its labels, counted in `duplicates`  |
| the id earlier in this file, same content  | unchanged                                          |
| the id earlier in this file, other content | error; the first line stands                       |
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from django.db import transaction

from accounts.models import Project
from jobs.models import Job

from .importing import Importer, ImportReport
from .lines import Line
from .models import Instance

__all__ = ["ImportReport", "Preview", "import_records", "preview_records"]

PREVIEW_LINES = 200
PREVIEW_INSTANCES = 3


def import_records(
    *,
    project: Project,
    lines: Iterable[Line],
    reveal: bool,
    job: Job | None = None,
    progress: Callable[[int], object] | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Import every good line, in transactions of about a thousand instances.

    With `reveal` the labels that come along become annotations at once; without, they wait as
    recorded labels (replay). `progress` is called with the number of lines read so far, between
    transactions and at least every thousand lines: what it raises stops the import there, and
    importing again continues it. With `dry_run` the report says what an import would do.
    """
    importer = Importer(project, reveal=reveal, job=job, dry_run=dry_run)
    importer.read(lines, progress)
    return importer.report()


@dataclass(frozen=True)
class Preview:
    """What an import of the first lines would do, and the first instances it would leave.

    `instances` carry their completions; they are no rows. `more` says that lines were left out.
    """

    report: ImportReport
    instances: list[Instance]
    lines: int
    more: bool


def preview_records(
    *, project: Project, lines: Iterable[Line], refused_files: Iterable[tuple[str, str]] = ()
) -> Preview:
    """Import the first `PREVIEW_LINES` lines, look at the outcome and take everything back."""
    rows = iter(lines)
    head = list(islice(rows, PREVIEW_LINES))
    with transaction.atomic():
        importer = Importer(project, reveal=False)
        importer.refuse_files(refused_files)
        importer.read(head)
        ids = importer.first_ids[:PREVIEW_INSTANCES]
        found = Instance.objects.filter(project=project, external_id__in=ids).order_by("pk")
        instances = list(found.prefetch_related("completions"))
        transaction.set_rollback(True)
    return Preview(importer.report(), instances, len(head), next(rows, None) is not None)
