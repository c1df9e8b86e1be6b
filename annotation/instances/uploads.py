"""Files handed in for import, kept below `VAR_DIR/uploads` until a job reads them."""

import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from accounts.models import Project, User
from core.exceptions import ApplicationError, InvalidInput, NotFound
from jobs.models import Job
from jobs.services import submit

SUFFIXES = (".jsonl", ".jsonl.gz")
IMPORT_KIND = "annotation.import"


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
        InvalidInput: the name does not end in `.jsonl` or `.jsonl.gz`.
        ApplicationError: the disk refuses the file; nothing is left of it.
    """
    suffix = next((each for each in reversed(SUFFIXES) if name.lower().endswith(each)), None)
    if suffix is None:
        raise InvalidInput(f"{name[:80]}: hand in a file that ends in {' or '.join(SUFFIXES)}.")
    path = _folder() / f"{uuid.uuid4().hex}{suffix}"
    try:
        _keep(path, chunks)
    except OSError as error:
        raise ApplicationError(f"The file could not be kept: {error.strerror}.") from error
    arguments = {"file": path.name, "name": name[:200], "reveal": reveal}
    return submit(kind=IMPORT_KIND, project=project, arguments=arguments, created_by=created_by)


def upload_path(file: str) -> Path:
    """Where an upload lies.

    Raises:
        NotFound: there is none of this name.
    """
    path = _folder() / Path(file).name
    if not path.is_file():
        raise NotFound("The uploaded file is gone: hand it in again.")
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
    except BaseException:
        path.unlink(missing_ok=True)
        raise
