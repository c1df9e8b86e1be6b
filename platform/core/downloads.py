"""Files over HTTP: whole, in ranges, and several as one archive, always a piece at a time."""

import mimetypes
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags, quote_etag

CHUNK = 1 << 18
# No file is longer, and no number that Python refuses to read.
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
# A ZIP knows no earlier day, and the same files make the same archive.
EPOCH = (1980, 1, 1, 0, 0, 0)


def send_file(request: HttpRequest, path: Path, *, name: str, sha256: str) -> HttpResponseBase:
    """A file as a download named `name`; an interrupted one can go on (`Range`, `If-Range`).

    Its ETag is the sha256 of its bytes: whoever has them gets 304, and a range of another file is
    never mixed in. A range that lies outside gets 416; several ranges get the whole file.
    """
    etag = quote_etag(sha256)
    size = path.stat().st_size
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponse(status=304, headers={"ETag": etag})
    wanted = _range(request, etag, size)
    if wanted is not None and not wanted:
        headers = {"Content-Range": f"bytes */{size}", "ETag": etag}
        return HttpResponse(status=416, headers=headers)
    part = wanted or range(size)
    # Never as a page: what is in it was written by others.
    headers = {
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "",
    }
    response = StreamingHttpResponse(_part(path, part), headers=headers)
    response.headers["Content-Length"] = str(len(part))
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    if wanted is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return response


def _range(request: HttpRequest, etag: str, size: int) -> range | None:
    """The bytes that are asked for; None for all of them, empty for what is not there."""
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if first:
        return range(int(first), min(size, int(last) + 1) if last else size)
    return range(max(0, size - int(last)), size) if last else None


def _part(path: Path, wanted: range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(wanted.start)
        left = len(wanted)
        while left and (data := file.read(min(CHUNK, left))):
            left -= len(data)
            yield data


def send_archive(folder: Path, names: Sequence[str], *, name: str) -> HttpResponseBase:
    """Files of a folder as one ZIP, made while it is sent: nothing of it is kept."""
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "",
    }
    return FileResponse(_archive(folder, names), headers=headers)


class _Outlet:
    """Takes what is written until somebody takes it away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """What is written is there at once."""

    def taken(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


def _archive(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Stored, not packed: Parquet is packed already, and sending stays as fast as the disk."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", allowZip64=True) as archive:  # type: ignore[call-overload]
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH)
            with (
                (folder / name).open("rb") as source,
                archive.open(entry, "w", force_zip64=True) as target,
            ):
                yield from _copied(source, target, outlet)
    yield outlet.taken()


def _copied(source: IO[bytes], target: IO[bytes], outlet: _Outlet) -> Iterator[bytes]:
    while data := source.read(CHUNK):
        target.write(data)
        yield outlet.taken()
