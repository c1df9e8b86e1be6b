"""The job that imports files."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from accounts.models import Project
from annotation.judges.revealed import write_revealed
from annotation.judges.services import ensure_recorded
from core.exceptions import InvalidInput
from core.memory import tidy_memory
from jobs.context import JobContext

from .adapters import adapt, recognise
from .archives import Brought
from .checkpoints import Checkpoint
from .criteria_brought import bring_criteria
from .importing import Importer, ImportReport
from .lines import Line
from .readers import count_rows, read_rows
from .sources.given import gathered
from .sources.looking import SAMPLE_ROWS, is_sure
from .uploads import lines_of

AUTO, IDENTITY = "auto", "interchange"


def run_import(ctx: JobContext) -> dict[str, Any]:
    """Import the files that the arguments name; the result is the report's fields.

    Judges whose labels the files bring are judges of the project from then on, and what they said
    is a signal of the instance where it is revealed. A dry run only says what would be done.

    An attempt after a kill reads the files again and goes on after the last row that was written.
    """
    project = ctx.job.project
    if project is None:
        raise InvalidInput("An import needs a project.")
    dry_run = bool(ctx.arguments.get("dry_run"))
    with tidy_memory(), ExitStack() as stack:
        rows, refused = _opened(ctx, project, stack)
        if ctx.arguments.get("create_criteria") and not dry_run:
            values = (line.value for line in rows.lines() if line.value is not None)
            bring_criteria(project=project, values=values, by=ctx.job.created_by)
        report = _imported(ctx, project, rows, refused)
    if not dry_run:
        ensure_recorded(project=project)
        write_revealed(project=project)
    for error in report.errors[:100]:
        ctx.log(f"{_place(error)} {error['id']}: {error['reason']}", "warning")
    return {**report.as_dict(), "adapter": rows.adapter, "dry_run": dry_run}


@dataclass(frozen=True)
class _Rows:
    """Files of rows (path, name), how they are read, and the media that a dry run keeps not."""

    files: list[tuple[Path, str]]
    adapter: str
    options: dict[str, Any]
    media: Brought | None

    def of(self, file: tuple[Path, str]) -> Iterator[Line]:
        return adapt(self.adapter, read_rows(*file), self.options)

    def lines(self) -> Iterator[Line]:
        for file in self.files:
            yield from self.of(file)


def _opened(
    ctx: JobContext, project: Project, stack: ExitStack
) -> tuple[_Rows, list[tuple[str, str]]]:
    """The rows of an import, and the media of archives that were refused."""
    files, refused = [], []
    media: Brought | None = {} if ctx.arguments.get("dry_run") else None
    for given in gathered(ctx.arguments, ctx.check, lambda note: ctx.progress(0, 0, note)):
        path, bad = stack.enter_context(lines_of(given.path, project, ctx.check, media))
        files.append((path, given.name if path == given.path else path.name))
        refused += bad
    adapter = str(ctx.arguments.get("adapter") or AUTO)
    chosen = _recognised(*files[0]) if adapter == AUTO else adapter
    return _Rows(files, chosen, dict(ctx.arguments.get("options") or {}), media), refused


def _recognised(path: Path, name: str) -> str:
    """The adapter for a file.

    Raises:
        InvalidInput: its rows do not say clearly enough; the message names the guesses.
    """
    head = [line.value for line in islice(read_rows(path, name), SAMPLE_ROWS)]
    sample = [value for value in head if value is not None]
    if not sample:
        return IDENTITY
    guesses = recognise(sample, name)
    if is_sure(guesses):
        return guesses[0].adapter
    named = ", ".join(f"{each.adapter} ({each.confidence:.0%})" for each in guesses[:5])
    looks = f"It may be one of these: {named}." if named else "It looks like none that is known."
    raise InvalidInput(f"{looks} Choose a format, or say what the columns mean.")


def _imported(
    ctx: JobContext, project: Project, rows: _Rows, refused: list[tuple[str, str]]
) -> ImportReport:
    dry_run = bool(ctx.arguments.get("dry_run"))
    checkpoint = None if dry_run else Checkpoint(ctx)
    reveal = bool(ctx.arguments.get("reveal", True))
    importer = Importer(
        project,
        reveal=reveal,
        job=ctx.job,
        dry_run=dry_run,
        checkpoint=checkpoint,
        media=rows.media,
    )
    if not importer.resumed:
        importer.refuse_files(refused)
    total, before = sum(count_rows(*file, ctx.check) for file in rows.files), 0
    for number, file in enumerate(rows.files):

        def tell(done: int, before: int = before) -> None:
            now = min(before + done, total)
            ctx.progress(now, total, f"{now} of {total} lines")

        before += importer.read(rows.of(file), tell, number)
    ctx.progress(total, total, f"{total} of {total} lines")
    return importer.report()


def _place(error: dict[str, Any]) -> str:
    return f"line {error['line']}" if error["line"] else "file"
