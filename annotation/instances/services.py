"""Importing instances. The rules for a single line are in `reading` and `parsing`.

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
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from django.db import transaction

from accounts.models import Project
from annotation.labels.services import reveal_recorded
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from core.exceptions import InvalidInput
from jobs.models import Job

from .batch import Batch, Entry
from .media import media_of
from .models import Instance
from .parsing import Notes, parse_instances
from .lines import Line
from .signals import announce_arrival

BATCH = 500
PROGRESS_LINES = 1000
# Large completions make smaller batches, so that memory stays bounded.
BATCH_CHARACTERS = 16_000_000
# A file of nothing but errors must not fill the memory or the job's row.
MOST_ERRORS_LISTED = 1000
MOST_NOTES = 100
OTHER_NOTES = "further unknown keys ignored"
PREVIEW_LINES = 200
PREVIEW_INSTANCES = 3


@dataclass(frozen=True)
class ImportReport:
    """What an import did. The counts are of instances; `labels` counts recorded labels added.

    `errors` are dictionaries of line, id and reason, `refused` counts all of them, and `notes`
    counts what was passed over without being an error.
    """

    created: int = 0
    unchanged: int = 0
    updated: int = 0
    duplicates: int = 0
    labels: int = 0
    refused: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def import_records(
    *,
    project: Project,
    lines: Iterable[Line],
    reveal: bool,
    job: Job | None = None,
    progress: Callable[[int], object] | None = None,
    refused_files: Iterable[tuple[str, str]] = (),
) -> ImportReport:
    """Import every good line, in transactions of about 500 instances.

    With `reveal` the labels that come along become annotations at once; without, they wait as
    recorded labels (replay). `progress` is called with the number of lines read so far, between
    transactions and at least every thousand lines: what it raises stops the import there, and
    importing again continues it. `refused_files` (name, reason) are listed with the errors.
    """
    importer = _Importer(project, reveal, job)
    importer.refuse_files(refused_files)
    number = 0
    for number, line in enumerate(lines, 1):
        importer.take(line)
        full = importer.full()
        if full:
            importer.write()
        # Also where nothing is written, because every line is refused: a cancel must get through.
        if progress is not None and (full or number % PROGRESS_LINES == 0):
            progress(number)
    importer.write()
    if progress is not None:
        progress(number)
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
        importer = _Importer(project, reveal=False, job=None)
        importer.refuse_files(refused_files)
        for line in head:
            importer.take(line)
            if importer.full():
                importer.write()
        importer.write()
        ids = list(importer.seen)[:PREVIEW_INSTANCES]
        found = Instance.objects.filter(project=project, external_id__in=ids).order_by("pk")
        instances = list(found.prefetch_related("completions"))
        transaction.set_rollback(True)
    return Preview(importer.report(), instances, len(head), next(rows, None) is not None)


class _Importer:
    """One import: collects parsed lines, writes them by the batch, counts."""

    def __init__(self, project: Project, reveal: bool, job: Job | None) -> None:
        self.project, self.reveal, self.job = project, reveal, job
        self.kind = protocol_of(project).kind
        self.media = media_of(project)
        self.entries: list[Entry] = []
        self.characters = 0
        # Where each id stood first in this file, and with which content.
        self.seen: dict[str, tuple[int, str]] = {}
        self.counts: dict[str, int] = dict.fromkeys(
            ("created", "unchanged", "updated", "duplicates", "labels", "refused"), 0
        )
        self.errors: list[dict[str, Any]] = []
        self.notes = Notes()

    def take(self, line: Line) -> None:
        """Parse one line; a bad one is reported and leaves nothing behind."""
        if line.value is None:
            self._refuse(line.number, "", line.error or "the line is empty")
            return
        notes = Notes()
        try:
            contents = parse_instances(line.value, self.kind, notes, self.media)
            entries = [Entry(line.number, content) for content in contents]
            fresh = [entry for entry in entries if not self._is_repeat(entry)]
        except InvalidInput as error:
            self._refuse(line.number, str(line.value.get("id", ""))[:200], error.message)
            return
        self._note(notes)
        self.counts["unchanged"] += len(entries) - len(fresh)
        self.seen |= {each.content.external_id: (each.line, each.hash) for each in fresh}
        self.entries += fresh
        self.characters += sum(entry.content.characters() for entry in fresh)

    def refuse_files(self, files: Iterable[tuple[str, str]]) -> None:
        """List media files that came along and were refused; they stand on no line."""
        for name, reason in files:
            self._refuse(0, name, reason)

    def full(self) -> bool:
        return len(self.entries) >= BATCH or self.characters >= BATCH_CHARACTERS

    def write(self) -> None:
        """Write what was collected, all of it or nothing."""
        if not self.entries:
            return
        with transaction.atomic():
            # One import at a time: the protocol's row is the project's lock.
            protocol = Protocol.objects.select_for_update(no_key=True).get(project=self.project)
            batch = Batch(self.project, protocol, self.job, self.entries)
            batch.write()
            if self.reveal:
                reveal_recorded(project=self.project, recorded=batch.recorded)
            announce_arrival(self.project)
        for name, number in batch.counts().items():
            self.counts[name] += number
        for entry, reason in batch.refused:
            self._refuse(entry.line, entry.content.external_id, reason)
        self.entries, self.characters = [], 0

    def report(self) -> ImportReport:
        return ImportReport(**self.counts, errors=self.errors, notes=dict(self.notes))

    def _is_repeat(self, entry: Entry) -> bool:
        first = self.seen.get(entry.content.external_id)
        if first is not None and first[1] != entry.hash:
            raise InvalidInput(f"the id stood on line {first[0]} with other content")
        return first is not None

    def _note(self, notes: Notes) -> None:
        for text, number in notes.items():
            known = text in self.notes or len(self.notes) < MOST_NOTES
            self.notes[text if known else OTHER_NOTES] += number

    def _refuse(self, line: int, external_id: str, reason: str) -> None:
        self.counts["refused"] += 1
        if len(self.errors) < MOST_ERRORS_LISTED:
            self.errors.append({"line": line, "id": external_id, "reason": reason})
