"""Media files of a project: kept by the hash of their bytes, known by a name."""

import hashlib
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Project
from core.exceptions import ApplicationError, Conflict, InvalidInput, NotFound
from core.files import sync

from .models import MediaFile
from .sniffing import HEAD, content_type_of

ALLOWED = "png, jpeg, gif, webp, avif, mp4, webm, ogg, mp3, wav and m4a"
MAX_NAME_CHARACTERS = 200


def keep_media(*, project: Project, name: str, chunks: Iterable[bytes]) -> MediaFile:
    """Keep one file; the same bytes under the same name again change nothing.

    Raises:
        InvalidInput: the name is odd, the file is too large or no allowed medium.
        Conflict: the name stands for other bytes already.
        ApplicationError: the disk refuses the file; nothing is left of it.
    """
    checked = checked_name(name)
    try:
        found = _store(checked, chunks)
    except OSError as error:
        raise ApplicationError(f"The file could not be kept: {error.strerror}.") from error
    values = {"sha256": found.sha256, "content_type": found.content_type, "bytes": found.bytes}
    try:
        with transaction.atomic():
            row, _created = MediaFile.objects.get_or_create(
                project=project, name=checked, defaults=values
            )
    except IntegrityError:
        row = MediaFile.objects.get(project=project, name=checked)
    if row.sha256 != found.sha256:
        raise _taken(checked)
    return row


def weigh_media(
    *, project: Project, name: str, chunks: Iterable[bytes]
) -> tuple[str, tuple[str, str]]:
    """What `keep_media` would keep, as `media_of` tells it: name → (sha256, content type).

    Raises:
        InvalidInput, Conflict, ApplicationError: as `keep_media`.
    """
    checked = checked_name(name)
    try:
        found = _store(checked, chunks, keep=False)
    except OSError as error:
        raise ApplicationError(f"The file could not be read: {error.strerror}.") from error
    row = MediaFile.objects.filter(project=project, name=checked).first()
    if row is not None and row.sha256 != found.sha256:
        raise _taken(checked)
    return checked, (found.sha256, found.content_type)


def _taken(name: str) -> Conflict:
    return Conflict(
        _("%(checked)s: another file has this name already. Choose a new name.") % {"checked": name}
    )


def checked_name(name: str) -> str:
    """`name` with forward slashes kept, in one normal form. It is never a path on the disk.

    Raises:
        InvalidInput: it is empty or too long, climbs, is absolute, or holds a character that
            nobody sees (control and direction characters).
    """
    plain = unicodedata.normalize("NFC", name)
    shown = plain.encode("ascii", "backslashreplace").decode()[:80]
    if not plain.strip() or len(plain) > MAX_NAME_CHARACTERS:
        raise InvalidInput(
            _("%(shown)s: a name has 1 to %(max_name_characters)s characters.")
            % {"shown": shown, "max_name_characters": MAX_NAME_CHARACTERS}
        )
    if any(unicodedata.category(each) in {"Cc", "Cf", "Cs"} for each in plain):
        raise InvalidInput(
            _("%(shown)s: the name holds a character that cannot be seen.") % {"shown": shown}
        )
    segments = plain.split("/")
    if "\\" in plain or any(each in {"", ".", ".."} for each in segments):
        raise InvalidInput(
            _("%(shown)s: the name must be a plain one, such as images/cat.png.") % {"shown": shown}
        )
    return plain


def media_of(project: Project) -> dict[str, tuple[str, str]]:
    """Every media file of the project: name → (sha256, content type). One query."""
    rows = MediaFile.objects.filter(project=project)
    return {
        name: (digest, kind)
        for name, digest, kind in rows.values_list("name", "sha256", "content_type")
    }


def media_in(project: Project, digest: str) -> MediaFile:
    """A media file of the project by its hash.

    Raises:
        NotFound: the project has none, or its bytes are gone.
    """
    row = MediaFile.objects.filter(project=project, sha256=digest).first()
    if row is None or not media_path(row.sha256).is_file():
        raise NotFound(_("There is no such file in this project."))
    return row


def media_path(digest: str) -> Path:
    """Where the bytes of a hash lie, or would lie."""
    return Path(settings.MEDIA_ROOT) / "media" / digest[:2] / digest


@dataclass(frozen=True)
class _Stored:
    sha256: str
    content_type: str
    bytes: int


def _store(name: str, chunks: Iterable[bytes], *, keep: bool = True) -> _Stored:
    """Write the bytes beside their place, then move them there: never half a file.

    Without `keep` they are only looked at.
    """
    folder = Path(settings.MEDIA_ROOT) / "media"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{uuid.uuid4().hex}.part"
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        with draft.open("xb") as file:
            for chunk in _bounded(name, chunks):
                head = head + chunk[: HEAD - len(head)] if len(head) < HEAD else head
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        content_type = content_type_of(head)
        if content_type is None:
            raise InvalidInput(
                _("%(name)s is none of the media shown here: %(allowed)s.")
                % {"name": name[:80], "allowed": ALLOWED}
            )
        if keep:
            place = media_path(digest.hexdigest())
            place.parent.mkdir(exist_ok=True)
            sync(draft)
            draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
    return _Stored(digest.hexdigest(), content_type, size)


def _bounded(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > settings.MEDIA_MAX_BYTES:
            most = settings.MEDIA_MAX_BYTES // 2**20
            raise InvalidInput(
                _("%(name)s is larger than %(most)s MB, the most for one file.")
                % {"name": name[:80], "most": most}
            )
        yield chunk
