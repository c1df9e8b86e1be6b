"""One import on its way: parses lines, writes them by the batch, counts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any

from django.db import connection, transaction

from accounts.models import Project
from annotation.labels.services import reveal_recorded
from annotation.projects.models import Protocol
from annotation.projects.selectors import criteria_of, protocol_of
from core.exceptions import InvalidInput
from jobs.models import Job

from .batch import Batch, Change, Entry
from .checkpoints import Checkpoint
from .label_parsing import Question
from .lines import Line
from .media import media_of
from .parsing import Notes, parse_instances
from .signals import announce_arrival

BATCH = 1000
PROGRESS_LINES = 1000
# Large completions make smaller batches, so that memory stays bounded.
BATCH_CHARACTERS = 16_000_000
# A file of nothing but errors must not fill the memory or the job's row.
MOST_ERRORS_LISTED = 1000
MOST_CHANGES_LISTED = 200
MOST_NOTES = 100
FIRST_IDS = 3
OTHER_NOTES = "further unknown keys ignored"
COUNTS = ("created", "unchanged", "updated", "duplicates", "labels", "refused")


@dataclass(frozen=True)
class ImportReport:
    """What an import did. The counts are of instances; `labels` counts recorded labels added.

    `errors` are dictionaries of line, id and reason, `refused` counts all of them, and `notes`
    counts what was passed over without being an error. `diff` lists the first changes: id, what
    was done ("created", "updated", "refused", "label added") and to which fields.
    """

    created: int = 0
    unchanged: int = 0
    updated: int = 0
    duplicates: int = 0
    labels: int = 0
    refused: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    diff: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Importer:
    """Call `read` for every file in turn, then `report`.

    A dry run compares and counts as an import does, and writes nothing. With a checkpoint, rows
    that an earlier attempt of the job imported are only remembered.
    """

    def __init__(
        self,
        project: Project,
        *,
        reveal: bool,
        job: Job | None = None,
        dry_run: bool = False,
        checkpoint: Checkpoint | None = None,
        media: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.project, self.reveal, self.job = project, reveal, job
        self.dry_run, self.checkpoint = dry_run, checkpoint
        self.protocol = protocol_of(project)
        self.questions = {
            each.key: Question(kind := each.asks(self.protocol), each.values(kind))
            for each in criteria_of(project)
        }
        # Those that a dry run has not kept come along.
        self.media = media_of(project) | dict(media or {})
        self.entries: list[Entry] = []
        self.characters = 0
        # So many created instances are worth a look at the table's statistics.
        self.counted_at = 2 * BATCH
        # Where each id stood first, and with which content, as numbers: a few bytes for each.
        self.seen: dict[int, int] = {}
        self.first_ids: list[str] = []
        # What a dry run would have created: content → id.
        self.taken: dict[str, str] = {}
        there = checkpoint.report if checkpoint is not None else {}
        self.counts: dict[str, int] = {name: there.get(name, 0) for name in COUNTS}
        self.errors: list[dict[str, Any]] = there.get("errors", [])
        self.diff: list[dict[str, Any]] = there.get("diff", [])
        self.notes = Notes(there.get("notes", {}))

    def read(
        self, lines: Iterable[Line], progress: Callable[[int], object] | None = None, file: int = 0
    ) -> int:
        """Import every good line; returns how many lines there are."""
        number = 0
        for number, line in enumerate(lines, 1):
            if self.checkpoint is not None and self.checkpoint.is_done(file, number):
                self._remember(line)
                full = False
            else:
                self.take(line)
                full = self.full()
            if full:
                self.write(file, number)
            # Also where nothing is written, because every line is refused: a cancel must get
            # through.
            if progress is not None and (full or number % PROGRESS_LINES == 0):
                progress(number)
        self.write(file, number)
        if progress is not None:
            progress(number)
        return number

    def take(self, line: Line) -> None:
        """Parse one line; a bad one is reported and leaves nothing behind."""
        if line.value is None:
            self._refuse(line.number, "", line.error or "the line is empty")
            return
        notes = Notes()
        try:
            entries = self._parsed(line, notes)
            fresh = [entry for entry in entries if not self._is_repeat(entry)]
        except InvalidInput as error:
            self._refuse(line.number, str(line.value.get("id", ""))[:200], error.message)
            return
        self._note(notes)
        self.counts["unchanged"] += len(entries) - len(fresh)
        for entry in fresh:
            self.seen[_number_of(entry.content.external_id)] = _where(entry)
        if len(self.first_ids) < FIRST_IDS:
            self.first_ids += [entry.content.external_id for entry in fresh]
        self.entries += fresh
        self.characters += sum(entry.content.characters() for entry in fresh)

    @property
    def resumed(self) -> bool:
        """Whether an earlier attempt has imported something."""
        return self.checkpoint is not None and bool(self.checkpoint.report)

    def refuse_files(self, files: Iterable[tuple[str, str]]) -> None:
        """List media files that came along and were refused; they stand on no line."""
        for name, reason in files:
            self._refuse(0, name, reason)

    def full(self) -> bool:
        return len(self.entries) >= BATCH or self.characters >= BATCH_CHARACTERS

    def write(self, file: int = 0, rows: int = 0) -> None:
        """Write what was collected, all of it or nothing, with the word that it is done."""
        if not self.entries:
            return
        if self.dry_run:
            batch = self._batch(self.protocol)
            batch.compare()
            self.taken |= {entry.hash: entry.content.external_id for _, entry in batch.created}
            self._count(batch)
        else:
            with transaction.atomic():
                self._write(file, rows)
            self._let_planner_count()
        self.entries, self.characters = [], 0

    def report(self) -> ImportReport:
        return ImportReport(
            **self.counts, errors=self.errors, notes=dict(self.notes), diff=self.diff
        )

    def _write(self, file: int, rows: int) -> None:
        # One import at a time: the protocol's row is the project's lock.
        protocol = Protocol.objects.select_for_update(no_key=True).get(project=self.project)
        batch = self._batch(protocol)
        batch.compare()
        batch.write()
        if self.reveal:
            reveal_recorded(project=self.project, recorded=batch.recorded)
        announce_arrival(self.project)
        self._count(batch)
        if self.checkpoint is not None:
            self.checkpoint.keep(file, rows, self.report().as_dict())

    def _let_planner_count(self) -> None:
        """Rows that PostgreSQL has not counted yet: it would walk the table for every look-up."""
        if self.counts["created"] < self.counted_at:
            return
        self.counted_at = 4 * self.counts["created"]
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE annotation_instance, annotation_completion")

    def _batch(self, protocol: Protocol) -> Batch:
        return Batch(
            self.project,
            protocol,
            self.job,
            self.entries,
            dry_run=self.dry_run,
            taken=self.taken,
        )

    def _count(self, batch: Batch) -> None:
        for name, number in batch.counts().items():
            self.counts[name] += number
        self._list(batch.changes)
        for entry, reason in batch.refused:
            self._refuse(entry.line, entry.content.external_id, reason, listed=True)

    def _parsed(self, line: Line, notes: Notes) -> list[Entry]:
        value = line.value or {}
        contents = parse_instances(value, self.protocol.kind, notes, self.media, self.questions)
        return [Entry(line.number, content) for content in contents]

    def _remember(self, line: Line) -> None:
        """Note the ids of a line that is imported already: they are not to be used again."""
        if line.value is None:
            return
        try:
            entries = self._parsed(line, Notes())
        except InvalidInput:
            return
        for entry in entries:
            self.seen.setdefault(_number_of(entry.content.external_id), _where(entry))

    def _is_repeat(self, entry: Entry) -> bool:
        first = self.seen.get(_number_of(entry.content.external_id))
        if first is not None and first & _CONTENT != _where(entry) & _CONTENT:
            raise InvalidInput(f"the id stood on line {first >> 64} with other content")
        return first is not None

    def _note(self, notes: Notes) -> None:
        for text, number in notes.items():
            known = text in self.notes or len(self.notes) < MOST_NOTES
            self.notes[text if known else OTHER_NOTES] += number

    def _list(self, changes: Iterable[Change]) -> None:
        room = MOST_CHANGES_LISTED - len(self.diff)
        if room > 0:
            self.diff += [vars(each) for each, _ in zip(changes, range(room), strict=False)]

    def _refuse(self, line: int, external_id: str, reason: str, *, listed: bool = False) -> None:
        self.counts["refused"] += 1
        if len(self.errors) < MOST_ERRORS_LISTED:
            self.errors.append({"line": line, "id": external_id, "reason": reason})
        if line and not listed:
            self._list([Change(external_id, "refused", [])])


_CONTENT = 2**64 - 1


def _number_of(external_id: str) -> int:
    return int.from_bytes(blake2b(external_id.encode(), digest_size=8).digest())


def _where(entry: Entry) -> int:
    """The line, and 64 bits of the content's hash."""
    return entry.line << 64 | int(entry.hash[:16], 16)
