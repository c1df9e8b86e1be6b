"""What an import reads, from the moment it is handed in to the job that imports it.

Kept files lie below `VAR_DIR/uploads` until a job has read them; files below the operator's folders
are read where they lie, and those of other machines are fetched by the job that imports them.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from django.core import signing
from django.utils.translation import gettext as _

from accounts.models import Project, User
from core.exceptions import InvalidInput
from jobs.models import ENDED, Job
from jobs.services import submit

from .archives import Brought, unpacked
from .sources.given import Given, Source, glance, kept_path
from .sources.keeping import SUFFIXES, folder, growing, plain_name, suffix_of

IMPORT_KIND = "annotation.import"
TICKET_SECONDS = 24 * 3600
# So long a file is kept for a second look, an import after a dry run, a job that is begun again.
KEPT_SECONDS = 7 * 24 * 3600
_SALT = "annotation.upload"


@dataclass(frozen=True)
class Upload:
    """A kept file: `file` below the folder of uploads, and the `name` it came with."""

    file: str
    name: str


@dataclass(frozen=True)
class Bundle:
    """What one import reads: kept files, one after the other, or a source that its job reads.

    `stem` names the files that a job fetches, so that a second job on them fetches nothing again.
    """

    name: str
    files: tuple[Upload, ...] = ()
    source: Mapping[str, str] | None = None
    stem: str = ""

    @classmethod
    def of_upload(cls, upload: Upload) -> Self:
        return cls(upload.name, (upload,))

    @classmethod
    def of_source(cls, source: Source) -> Self:
        return cls(source.name, source=source.as_dict(), stem=uuid.uuid4().hex)

    @classmethod
    def of_job(cls, arguments: Mapping[str, Any]) -> Self:
        """What a job read or would read, for another one."""
        name = str(arguments.get("name", ""))
        if source := arguments.get("source"):
            return cls(name, source=source, stem=str(arguments["stem"]))
        files = arguments.get("files", [])
        if "file" in arguments:
            files = [{"file": arguments["file"], "name": name}]
        return cls(name, tuple(Upload(**each) for each in files))

    def arguments(self) -> dict[str, Any]:
        """The part of a job's arguments that says what it reads."""
        if self.source is not None:
            return {"source": dict(self.source), "stem": self.stem, "name": self.name}
        if len(self.files) == 1:
            return {**asdict(self.files[0]), "name": self.name}
        return {"files": [asdict(each) for each in self.files], "name": self.name}


@dataclass(frozen=True)
class Choices:
    """How a bundle is imported; `adapter` "auto" lets the rows decide."""

    adapter: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    reveal: bool = True
    dry_run: bool = False
    create_criteria: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "options": dict(self.options)}


def start_import(
    *,
    project: Project,
    name: str,
    chunks: Iterable[bytes],
    choices: Choices | None = None,
    created_by: User | None = None,
) -> Job:
    """Keep the file and submit the job that imports it; its content decides how it is read.

    The file stays where it is: a job that is picked up again reads it from the start, which
    changes nothing that is imported already.

    Raises:
        InvalidInput: the name does not end in one of `SUFFIXES`, or the file is too large.
        ApplicationError: the disk refuses the file; nothing is left of it.
    """
    upload = keep_upload(name=name, chunks=chunks)
    bundle = Bundle.of_upload(upload)
    return import_bundle(project=project, bundle=bundle, choices=choices, created_by=created_by)


def import_bundle(
    *,
    project: Project,
    bundle: Bundle,
    choices: Choices | None = None,
    created_by: User | None = None,
) -> Job:
    """Submit the job that imports what was kept, or a source."""
    forget_old()
    arguments = bundle.arguments() | (choices or Choices()).as_dict()
    return submit(kind=IMPORT_KIND, project=project, arguments=arguments, created_by=created_by)


def keep_upload(*, name: str, chunks: Iterable[bytes]) -> Upload:
    """Keep a file until it is imported; raises as `start_import`."""
    suffix = suffix_of(name)
    if not suffix:
        raise InvalidInput(
            _("%(name)s: hand in a file that ends in %(choices)s.")
            % {"name": name[:80], "choices": ", ".join(SUFFIXES)}
        )
    path = folder() / f"{uuid.uuid4().hex}{suffix}"
    with growing(path) as file:
        for chunk in chunks:
            file.write(chunk)
    return Upload(path.name, plain_name(name))


def forget(bundle: Bundle) -> None:
    """Remove kept files that nobody will import."""
    names = [each.file for each in bundle.files]
    names += [each.name for each in folder().glob(f"{bundle.stem}-*")] if bundle.stem else []
    for name in names:
        (folder() / Path(name).name).unlink(missing_ok=True)


def forget_old() -> None:
    """Remove files that were kept a week ago, but those that a job is still to read."""
    waiting = Job.objects.filter(kind=IMPORT_KIND).exclude(state__in=ENDED)
    bundles = [
        Bundle.of_job(arguments) for arguments in waiting.values_list("arguments", flat=True)
    ]
    wanted = {each.file for bundle in bundles for each in bundle.files}
    stems = {bundle.stem for bundle in bundles if bundle.stem}
    before = time.time() - KEPT_SECONDS
    for path in folder().iterdir():
        fetched_for = path.name.partition("-")[0]
        if path.name in wanted or fetched_for in stems or not path.is_file():
            continue
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def first_of(bundle: Bundle) -> Given | None:
    """The first file of a bundle; None where it is too large to wait for. Raises as `glance`."""
    return glance(bundle.arguments())


def ticket_of(bundle: Bundle, project: Project) -> str:
    """What a form carries from the preview to the import, signed for this project."""
    values = {**bundle.arguments(), "project": project.pk}
    return signing.dumps(values, salt=_SALT, compress=True)


def bundle_of(ticket: str, project: Project) -> Bundle:
    """What a ticket stands for.

    Raises:
        InvalidInput: it was not written here for this project, or is a day old.
    """
    try:
        values = signing.loads(ticket, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as error:
        raise InvalidInput(_("The preview is over: hand the file in again.")) from error
    if values.pop("project") != project.pk:
        raise InvalidInput(_("The preview was made in another project: hand the file in again."))
    return Bundle.of_job(values)


@contextmanager
def lines_of(
    path: Path,
    project: Project,
    check: Callable[[], object],
    brought: Brought | None = None,
) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """The file of lines in an upload; an archive's media are kept, refused ones are listed.

    With `brought` they are only written there, as `unpacked` says.
    """
    if path.suffix == ".zip":
        with unpacked(path, project, check, brought) as found:
            yield found
    else:
        yield path, []


def upload_path(file: str) -> Path:
    """Where an upload lies; raises NotFound where it is gone."""
    return kept_path(file)
