"""Media files of a project, for its members only.

Whatever the bytes are, they cannot act: the content type is one of ours, never guessed by the
browser, and a document made of them would be sandboxed without a script, a style or an address.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from accounts.policies import Action, project_for
from annotation.instances.media import media_in, media_path
from frontend.pages import user_of

BLOCK = 256 * 1024
POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@require_safe
@login_required
def media(request: HttpRequest, slug: str, digest: str) -> HttpResponseBase:
    """A whole file, or the one range of it that a film asks for."""
    project = project_for(user_of(request), slug, Action.LABEL)
    row = media_in(project, digest)
    tag = f'"{row.sha256}"'
    if tag in parse_etags(request.headers.get("If-None-Match", "")):
        return _marked(HttpResponseNotModified(), tag)
    span = _span(request.headers.get("Range", ""), row.bytes)
    if span is None:
        refused = HttpResponse(status=416, headers={"Content-Range": f"bytes */{row.bytes}"})
        return _marked(refused, tag)
    first, last, partial = span
    response = StreamingHttpResponse(
        () if request.method == "HEAD" else _read(media_path(row.sha256), first, last),
        status=206 if partial else 200,
        content_type=row.content_type,
    )
    response["Content-Length"] = str(last - first + 1)
    if partial:
        response["Content-Range"] = f"bytes {first}-{last}/{row.bytes}"
    return _marked(response, tag)


def _marked(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response["ETag"] = tag
    response["Accept-Ranges"] = "bytes"
    # The address is the hash of the bytes: they never change.
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _span(header: str, size: int) -> tuple[int, int, bool] | None:
    """First and last byte, and whether that is a part; None for a range outside of the file.

    What is no single range of bytes is answered with the whole file, as the standard allows.
    """
    found = _RANGE.fullmatch(header.strip())
    if not found or not (found[1] or found[2]):
        return 0, size - 1, False
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return (first, last, True) if first <= last else None


def _read(path: Path, first: int, last: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block
