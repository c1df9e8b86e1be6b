"""Files handed in for import, kept below `VAR_DIR/uploads` until a job reads them."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _

from accounts.models import Project, User
from core.exceptions import ApplicationError, InvalidInput, NotFound
from jobs.models import Job
from jobs.services import submit

from .archives import unpacked
from .reading import read_records
from .services import Preview, preview_records

SUFFIXES = (".jsonl", ".jsonl.gz", ".zip")
IMPORT_KIND = "annotation.import"
# A larger archive is not unpacked while a person waits for a page.
PREVIEW_ZIP_BYTES = 64 * 2**20
TICKET_SECONDS = 24 * 3600
_SALT = "annotation.upload"


@dataclass(frozen=True)
class Upload:
    """A kept file: `file` below the folder of uploads, and the `name` it came with."""

    file: str
    name: str


def start_import(
    *,
    project: Project,
    name: str,
    chunks: Iterable[bytes],
    reveal: bool = True,
    created_by: User | None = None,
) -> Job:
    """Keep the file and submit the job that imports it; `name` decides how it is read.

    The file stays where it is: a job that is picked up again reads it from the start, which
    changes nothing that is imported already.

    Raises:
        InvalidInput: the name does not end in one of `SUFFIXES`, or the file is too large.
        ApplicationError: the disk refuses the file; nothing is left of it.
    """
    upload = keep_upload(name=name, chunks=chunks)
    return import_upload(project=project, upload=upload, reveal=reveal, created_by=created_by)


def import_upload(
    *, project: Project, upload: Upload, reveal: bool = True, created_by: User | None = None
) -> Job:
    """Submit the job that imports a kept file."""
    arguments: dict[str, Any] = {**asdict(upload), "reveal": reveal}
    return submit(kind=IMPORT_KIND, project=project, arguments=arguments, created_by=created_by)


def keep_upload(*, name: str, chunks: Iterable[bytes]) -> Upload:
    """Keep a file until it is imported; raises as `start_import`."""
    suffix = next((each for each in reversed(SUFFIXES) if name.lower().endswith(each)), None)
    if suffix is None:
        raise InvalidInput(
            _("%(name)s: hand in a file that ends in %(choices)s.")
            % {"name": name[:80], "choices": " or ".join(SUFFIXES)}
        )
    path = _folder() / f"{uuid.uuid4().hex}{suffix}"
    try:
        _keep(path, chunks)
    except OSError as error:
        raise ApplicationError(f"The file could not be kept: {error.strerror}.") from error
    return Upload(path.name, name[:200])


def ticket_of(upload: Upload, project: Project) -> str:
    """What a form carries from the preview to the import, signed for this project."""
    return signing.dumps({**asdict(upload), "project": project.pk}, salt=_SALT)


def upload_of(ticket: str, project: Project) -> Upload:
    """The upload that a ticket stands for.

    Raises:
        InvalidInput: it was not written here for this project, or is a day old.
    """
    try:
        values = signing.loads(ticket, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as error:
        raise InvalidInput(_("The preview is over: hand the file in again.")) from error
    if values.pop("project") != project.pk:
        raise InvalidInput(_("The preview was made in another project: hand the file in again."))
    return Upload(**values)


def preview_upload(*, project: Project, upload: Upload) -> Preview | None:
    """What importing the file would do; None where it is too large to look into now.

    Media of an archive are kept already, so that the preview can show them.

    Raises:
        InvalidInput: the archive is refused as a whole.
    """
    path = upload_path(upload.file)
    if path.suffix == ".zip" and path.stat().st_size > PREVIEW_ZIP_BYTES:
        return None
    with lines_of(path, project, check=lambda: None) as (lines, refused):
        return preview_records(project=project, lines=read_records(lines), refused_files=refused)


@contextmanager
def lines_of(
    path: Path, project: Project, check: Callable[[], object]
) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """The file of lines in an upload; an archive's media are kept, refused ones are listed."""
    if path.suffix == ".zip":
        with unpacked(path, project, check) as found:
            yield found
    else:
        yield path, []


def upload_path(file: str) -> Path:
    """Where an upload lies.

    Raises:
        NotFound: there is none of this name.
    """
    path = _folder() / Path(file).name
    if not path.is_file():
        raise NotFound(_("The uploaded file is gone: hand it in again."))
    return path


def _folder() -> Path:
    folder = Path(settings.VAR_DIR) / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(path: Path, chunks: Iterable[bytes]) -> None:
    try:
        with path.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
                if file.tell() > settings.IMPORT_MAX_BYTES:
                    most = settings.IMPORT_MAX_BYTES // 2**20
                    raise InvalidInput(
                        _("The file is larger than %(most)s MB: split it.") % {"most": most}
                    )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
