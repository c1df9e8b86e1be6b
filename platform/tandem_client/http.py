"""One HTTP connection to a server: the token, retries that repeat nothing, pages, downloads."""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from .errors import Refused, TandemError, Unreachable

ATTEMPTS = 6
LONGEST_PAUSE_SECONDS = 60.0
AGAIN = frozenset({429, 502, 503, 504})
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection:
    """Calls below `/api/v1/` of one server.

    Every call that changes something carries an `Idempotency-Key`, so one that is repeated because
    its answer was lost is done once.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = checked(url)
        # Redirects are not followed: a token goes to the server it was made for.
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(timeout, connect=10.0),
            transport=transport,
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON at a path; parameters that are None are left out."""
        known = {name: value for name, value in parameters.items() if value is not None}
        return self._json("GET", path, params=known)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._json("POST", path, json=dict(body or {}))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._json("PATCH", path, json=dict(body))

    def put(self, path: str, body: Any) -> Any:
        return self._json("PUT", path, json=body)

    def delete(self, path: str) -> None:
        self._json("DELETE", path)

    def upload(self, path: str, file: Path, fields: Mapping[str, Any]) -> Any:
        """Send a file as a form with other fields; it is streamed, never held in memory.

        Raises:
            TandemError: the file cannot be read.
        """
        texts = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
            if value is not None
        }
        try:
            with file.open("rb") as opened:
                return self._json(
                    "POST", path, data=texts, files={"file": (file.name, opened)}, rewind=opened
                )
        except OSError as error:
            raise TandemError(f"{file} cannot be read: {error.strerror}.") from error

    def pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **parameters, cursor=cursor)
            yield from page["results"]
            cursor = page["next"]
            if cursor is None:
                return

    def download(self, path: str, target: Path, *, sha256: str | None = None) -> Path:
        """Write what lies at a path to a file, whole or not at all; an interrupted one goes on.

        Raises:
            TandemError: what came is not what was promised, or the disk refuses it.
        """
        partial = target.with_name(f".{target.name}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        for attempt in range(ATTEMPTS):
            try:
                self._append(path, partial)
                break
            except httpx.TransportError as error:
                if attempt == ATTEMPTS - 1:
                    raise Unreachable(f"{self.url} stopped answering: {error}.") from error
                time.sleep(pause(attempt))
        if sha256 is not None and digest(partial) != sha256:
            partial.unlink()
            raise TandemError(f"{target.name} came damaged: download it again.")
        partial.replace(target)
        return target

    def _append(self, path: str, partial: Path) -> None:
        have = partial.stat().st_size if partial.exists() else 0
        # As stored: a place in a file that is packed on the way means nothing.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self._client.stream("GET", path, headers=headers) as response:
            if response.status_code not in {200, 206}:
                response.read()
                raise refused(response)
            mode = "ab" if response.status_code == 206 else "wb"
            with partial.open(mode) as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)

    def _json(self, method: str, path: str, *, rewind: Any = None, **content: Any) -> Any:
        headers = {} if method == "GET" else {"Idempotency-Key": uuid.uuid4().hex}
        for attempt in range(ATTEMPTS):
            if rewind is not None:
                rewind.seek(0)
            last = attempt == ATTEMPTS - 1
            try:
                response = self._client.request(method, path, headers=headers, **content)
            except httpx.TransportError as error:
                if last:
                    raise Unreachable(f"{self.url} does not answer: {error}.") from error
                time.sleep(pause(attempt))
                continue
            if last or not is_worth_asking_again(response):
                break
            time.sleep(pause(attempt, response))
        return answer(response)


def checked(url: str) -> str:
    """The address without a slash at its end.

    Raises:
        TandemError: it is no address, or would send the token in the clear over the internet.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TandemError(f"{url!r} is no address: use for example https://tandem.example.org.")
    if parts.scheme == "http" and parts.hostname not in LOCAL and is_public(parts.hostname):
        raise TandemError(f"{url} would send your token in the clear: use https.")
    return url.rstrip("/")


def is_public(host: str) -> bool:
    """Whether a host may be on the internet; a name without a dot is of one's own network."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host


def is_worth_asking_again(response: httpx.Response) -> bool:
    """Whether the server is busy, or still at work on the same call."""
    busy = response.status_code in AGAIN
    return busy or (response.status_code == 409 and "Retry-After" in response.headers)


def pause(attempt: int, response: httpx.Response | None = None) -> float:
    """Seconds to wait: what the server says, else twice as long each time, with jitter."""
    told = response.headers.get("Retry-After", "") if response is not None else ""
    if told.isdecimal():
        return min(float(told), LONGEST_PAUSE_SECONDS)
    return float(min(0.5 * 2**attempt, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0))


def answer(response: httpx.Response) -> Any:
    """The JSON of a reply; None where it has no body.

    Raises:
        Refused: the server said no.
    """
    if not response.is_success:
        raise refused(response)
    return response.json() if response.content else None


def refused(response: httpx.Response) -> Refused:
    """The problem in a reply that is no success."""
    if response.is_redirect:
        detail = f"The server sends elsewhere ({response.headers.get('Location')}): use that URL."
        return Refused(response.status_code, {"detail": detail})
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"HTTP {response.status_code} from {response.url.host}."}
    return Refused(response.status_code, problem)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
