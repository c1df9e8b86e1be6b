"""Fetching a file from a URL: from public addresses, within a size and a time.

Names are resolved by `core.network` when they are asked and the connection goes to the address that
was checked, so that neither a redirect nor a name that changes its mind leads into a private net.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from core.exceptions import ApplicationError, InvalidInput
from core.network import Lanes, PrivateAddress, Reach, check_url, unpacked

from .keeping import Growing, plain_name, too_large

MOST_REDIRECTS = 5
MOST_URL = 8000
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OK = 200
# Seconds: to connect, for one silence, and for the whole file.
CONNECTING, SILENCE, WHOLE = 10.0, 30.0, 3600.0
# Seconds between two looks at whether anybody still wants the file.
LOOK_EVERY = 0.5
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Tandem"}
FILE_NAME = re.compile(r'filename="?([^";]+)"?', re.IGNORECASE)


class TooSlow(ApplicationError):
    """The file did not come within the time."""

    status = 504
    code = "too-slow"


class NotFetched(ApplicationError):
    """The other side gave no file."""

    status = 502
    code = "not-fetched"


@dataclass(frozen=True)
class Wish:
    """A file to fetch. `secret` headers go to the first host only; `seconds` is for all of it.

    `most` bytes, IMPORT_MAX_MB where it is None.
    """

    url: str
    secret: Mapping[str, str] = field(default_factory=dict)
    seconds: float = WHOLE
    most: int | None = None
    reach: Reach | None = None

    @property
    def limit(self) -> int:
        return settings.IMPORT_MAX_BYTES if self.most is None else self.most


def import_reach() -> Reach:
    """The private places from which the operator lets files be fetched."""
    return Reach.of(settings.IMPORT_PRIVATE_HOSTS)


def check_address(url: str, reach: Reach | None = None) -> None:
    """Refuse a URL that may not be asked, as far as its text tells.

    Raises:
        InvalidInput: no http or https URL, a password in it, or a private address.
    """
    try:
        parts = urlsplit(url)
        bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    except ValueError:
        bare = ""
    # Splitting passes over line breaks, which a request would not.
    if not url.isprintable() or len(url) > MOST_URL:
        bare = ""
    check_url(bare, reach or import_reach())


def name_of_url(url: str) -> str:
    """What the file is called by its URL."""
    parts = urlsplit(url)
    return plain_name(unquote(parts.path)) or plain_name(parts.hostname or "") or "file"


def fetch(wish: Wish, into: Growing, check: Callable[[], object]) -> str:
    """Write the file that a URL leads to; the name it came with, which is only a hint.

    `check` is called twice a second: what it raises ends the transfer.

    Raises:
        InvalidInput: the address may not be asked.
        TooLarge: the file is larger than it may be.
        NotFetched: no file came, or it broke off.
        TooSlow: it took longer than it may.
    """
    check_address(wish.url, wish.reach)
    try:
        return _written(wish, into, check)
    except PrivateAddress as error:
        raise _private() from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise TooSlow(
            _("%(host)s did not send the file in time.") % {"host": _host(wish.url)}
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NotFetched(
            _("%(host)s did not send the file: %(reason)s.")
            % {"host": _host(wish.url), "reason": str(error)[:200] or type(error).__name__}
        ) from error


def _written(wish: Wish, into: Growing, check: Callable[[], object]) -> str:
    """Between two pieces no loop runs: `check` may ask the database."""
    ends, looked = time.monotonic() + wish.seconds, 0.0
    name = ""
    with asyncio.Runner() as runner:
        stream = _stream(wish)
        try:
            while (piece := runner.run(_within(ends, stream))) is not None:
                if isinstance(piece, str):
                    name = piece
                else:
                    into.write(piece)
                if (now := time.monotonic()) - looked > LOOK_EVERY:
                    looked = now
                    check()
        finally:
            runner.run(stream.aclose())
    return name


async def _within(ends: float, stream: AsyncGenerator[bytes | str]) -> bytes | str | None:
    async with asyncio.timeout(ends - time.monotonic()):
        return await anext(stream, None)


async def _stream(wish: Wish) -> AsyncGenerator[bytes | str]:
    """The name that the other side gives the file, and its bytes."""
    reach = wish.reach or import_reach()
    lanes = Lanes(reach)
    url = wish.url
    try:
        for _hop in range(MOST_REDIRECTS + 1):
            secret = wish.secret if _origin(url) == _origin(wish.url) else {}
            async with lanes.send(_request(url, secret)) as response:
                if response.status_code not in REDIRECTS:
                    async for piece in _read(response, url, wish.limit):
                        yield piece
                    return
                url = _next(url, response.headers.get("location", ""), reach)
        raise NotFetched(_("The address redirects more than %d times.") % MOST_REDIRECTS)
    finally:
        await lanes.close()


def _request(url: str, secret: Mapping[str, str]) -> httpx.Request:
    request = httpx.Request("GET", url, headers={**HEADERS, **secret})
    request.extensions["timeout"] = {
        "connect": CONNECTING,
        "pool": CONNECTING,
        "read": SILENCE,
        "write": SILENCE,
    }
    return request


def _next(url: str, location: str, reach: Reach) -> str:
    """Where a redirect leads; from https never to http."""
    following = urljoin(url, location)
    if not location or (urlsplit(url).scheme, urlsplit(following).scheme) == ("https", "http"):
        raise NotFetched(_("The address redirects to one that is not followed."))
    check_address(following, reach)
    return following


async def _read(response: httpx.Response, url: str, limit: int) -> AsyncGenerator[bytes | str]:
    if response.status_code != OK:
        raise NotFetched(
            _("%(host)s answers with status %(status)d instead of a file.")
            % {"host": _host(url), "status": response.status_code}
        )
    said = response.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit:
        raise too_large(limit)
    hint = FILE_NAME.search(response.headers.get("content-disposition", ""))
    yield plain_name(hint.group(1)) if hint else name_of_url(url)
    async for piece in unpacked(response):
        yield piece


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "")[:100]


def _private() -> InvalidInput:
    return InvalidInput(
        _(
            "This address is not public. The operator of the installation can allow a server on "
            "a private network in its settings."
        )
    )
