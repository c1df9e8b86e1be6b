"""`Idempotency-Key`: what is sent again is answered again, and done once.

The key belongs to a person for a day. What was refused has changed nothing, so its key is free
again; what is still being done is told by 409. Bodies are hashed while the view reads them.

Nobody checks permissions when an answer is given again: it is given only to the token, and in the
role, that had it first. It may hold a new token or secret: it lies encrypted.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.translation import gettext as _

from core import secrets
from core.exceptions import Conflict, InvalidInput

from .models import KeptAnswer, Membership, User

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEPT_FOR = timedelta(hours=24)
# No request takes longer: one that has not ended by then died with its process.
LONGEST_RUN = timedelta(minutes=15)
MOST_BYTES = 4 * 1024 * 1024
LONGEST_KEY = 255
WAIT_SECONDS = 2
_PIECE = 64 * 1024
_REFUSED = 400
# Of one answer only, or set anew for each.
_NOT_KEPT = frozenset({"date", "set-cookie", "x-request-id", "ratelimit", "ratelimit-policy"})

# One statement decides between requests side by side. An old answer, and one that will never
# come, make room.
_CLAIM = """
INSERT INTO accounts_keptanswer AS row
  (user_id, key, fingerprint, status, headers, body, created_at, started_at)
VALUES (%(user)s, %(key)s, '', NULL, '{}', '', %(now)s, %(now)s)
ON CONFLICT (user_id, key) DO UPDATE SET
  fingerprint = '', status = NULL, headers = '{}', body = '',
  created_at = excluded.created_at, started_at = excluded.started_at
WHERE row.created_at < %(old)s OR (row.status IS NULL AND row.started_at < %(dead)s)
RETURNING id
"""


class Busy(Conflict):
    """The same request is being answered right now; `extra` holds `retry_after`."""

    code = "request-in-progress"


class KeyReused(InvalidInput):
    """The key came with another request, another token or in another role before."""

    code = "idempotency-key-reused"


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def readline(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


def answered_once(
    request: HttpRequest, user: User, answer: Callable[[HttpRequest], HttpResponse]
) -> HttpResponse:
    """What `answer` gives, or what it gave when the same request came with its key before.

    Raises:
        InvalidInput: the key is no short printable text, or came with another request.
        Busy: the request with this key has not been answered yet.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method not in UNSAFE:
        return answer(request)
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(
            _("`Idempotency-Key` must be 1 to %(most)d printable letters.") % {"most": LONGEST_KEY}
        )
    body = _hashed(request, _standing(request, user))
    claim = _claim(user, key)
    if claim is None:
        return _given_before(user, key, body)
    try:
        response = answer(request)
    except BaseException:
        claim.delete()
        raise
    if response.status_code >= _REFUSED or response.streaming or len(response.content) > MOST_BYTES:
        claim.delete()
    else:
        _keep(claim, body.fingerprint(), response)
    return response


def forget_old() -> int:
    """Remove the answers of more than a day ago; returns how many."""
    return KeptAnswer.objects.filter(started_at__lt=timezone.now() - KEPT_FOR).delete()[0]


class HashedStream:
    """A request's body that is hashed as it is read.

    A multipart body's boundary is drawn anew by each client that sends it again: it is left out,
    wherever the pieces that are read happen to be cut.
    """

    def __init__(self, stream: Readable, *, about: str, boundary: bytes) -> None:
        self._stream = stream
        self._boundary = boundary
        self._hash = hashlib.sha256(about.encode())
        self._held = b""
        self._closed = False

    def read(self, size: int = -1, /) -> bytes:
        return self._seen(self._stream.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        return self._seen(self._stream.readline(size))

    def close(self) -> None:
        """Whoever read the body to its end needs it no more."""
        self._closed = True
        self._stream.close()

    def fingerprint(self) -> str:
        """The hash of the whole body: what nobody has read is read now."""
        while not self._closed and self.read(_PIECE):
            pass
        self._hash.update(self._held)
        self._held = b""
        return self._hash.hexdigest()

    def _seen(self, piece: bytes) -> bytes:
        if not self._boundary:
            self._hash.update(piece)
            return piece
        *whole, held = (self._held + piece).split(self._boundary)
        for part in whole:
            self._hash.update(part)
        # What could still become the beginning of a boundary waits.
        safe = max(0, len(held) - len(self._boundary) + 1)
        self._hash.update(held[:safe])
        self._held = held[safe:]
        return piece


def _standing(request: HttpRequest, user: User) -> str:
    """What the user may in the place that is asked: with which token, and in which role."""
    token = user.access_token.pk if user.access_token else "session"
    try:
        slug = resolve(request.path_info).kwargs.get("slug")
    except Resolver404:
        slug = None
    rows = Membership.objects.filter(user=user, project__slug=slug) if slug else None
    role = rows.values_list("role", flat=True).first() if rows is not None else None
    return f"{token} {role}"


def _hashed(request: HttpRequest, standing: str = "") -> HashedStream:
    """Put a stream that hashes in the place of the request's own, before anybody has read it."""
    boundary = (request.content_params or {}).get("boundary", "")
    about = f"{request.method} {request.get_full_path()} {request.content_type}\n{standing}\n"
    wrapped: Any = request
    stream = HashedStream(wrapped._stream, about=about, boundary=boundary.encode())
    wrapped._stream = stream
    return stream


def _claim(user: User, key: str) -> KeptAnswer | None:
    """The row to answer into; None where somebody else has it."""
    now = timezone.now()
    values: dict[str, Any] = {"user": user.pk, "key": key, "now": now}
    values |= {"old": now - KEPT_FOR, "dead": now - LONGEST_RUN}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        found = cursor.fetchone()
    return KeptAnswer(pk=found[0], user=user, key=key, started_at=now) if found else None


def _keep(claim: KeptAnswer, fingerprint: str, response: HttpResponse) -> None:
    """Keep the answer, unless the claim was taken over in the meantime."""
    KeptAnswer.objects.filter(pk=claim.pk, started_at=claim.started_at).update(
        fingerprint=fingerprint,
        status=response.status_code,
        headers={k: v for k, v in response.items() if k.lower() not in _NOT_KEPT},
        body=_locked(response.content),
    )


def _given_before(user: User, key: str, body: HashedStream) -> HttpResponse:
    row = KeptAnswer.objects.filter(user=user, key=key).first()
    if row is None or row.status is None:
        raise Busy(
            _("The request with this key is still being answered: ask again."),
            retry_after=WAIT_SECONDS,
        )
    if row.fingerprint != body.fingerprint():
        raise KeyReused(
            _("This `Idempotency-Key` came with another request, token or role: take a new one.")
        )
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    return HttpResponse(_opened(bytes(row.body)), status=row.status, headers=headers)


def _locked(body: bytes) -> bytes:
    """Latin-1 gives every byte a letter."""
    return secrets.encrypt(body.decode("latin-1")).encode()


def _opened(kept: bytes) -> bytes:
    return secrets.decrypt(kept.decode()).encode("latin-1")
