"""One exchange with a provider: sent once, read whole, or an error that says what is owed."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any

import httpx

from core.network import (
    PUBLIC,
    Lanes,
    NoEnd,
    PrivateAddress,
    Reach,
    bounded,
    lines,
    unpacked,
)
from core.secrets import scrub
from core.text import storable

from . import errors
from .base import ProviderError

CONNECTING = 10.0
GOOD = 2
# A reply of 32,000 tokens with everything beside it stays far below this.
MOST_BYTES = 16 * 2**20
# Unpacking costs more than the network saves on replies of this size.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Tandem"}
TROUBLE = (httpx.HTTPError, PrivateAddress, NoEnd, TimeoutError)


class Wire:
    """Requests below one base URL, with the headers that carry the key.

    `timeout`: seconds for a whole exchange after connecting. `reach`: the private addresses that
    may be asked.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        key: str = "",
        timeout: float = 120.0,
        reach: Reach = PUBLIC,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._headers = {**HEADERS, **headers}
        self.key = key
        self._whole = timeout + CONNECTING
        each = {"connect": min(CONNECTING, timeout), "pool": CONNECTING}
        self._timeouts = {**each, "read": timeout, "write": timeout}
        self._lanes = Lanes(reach)

    def __repr__(self) -> str:
        return f"<Wire to {self._base}>"

    async def post(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON object that answers a posted JSON body.

        Raises:
            ProviderError: as `errors` says.
        """
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        more = {"Content-Type": "application/json", **(headers or {})}
        return self.object_of(await self.exchange("POST", path, content=content, headers=more))

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a successful reply.

        Raises:
            ProviderError: anything else happened.
        """
        request = self._request(method, path, content, headers)
        return await self._exchange(request)

    async def lines(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a file with one a line, as they arrive.

        One line that is something else costs that line; a file of nothing else is none.

        Raises:
            ProviderError: no file came, or it broke off; nothing is owed for reading it.
        """
        request = self._request("GET", path, None, None)
        status, good, bad = 0, 0, 0
        try:
            async with self._lanes.send(request) as response:
                status = response.status_code
                if status // 100 != GOOD:
                    body = await bounded(unpacked(response), MOST_BYTES)
                    raise errors.free(errors.of_status(status, response.headers, body, self.key))
                async for line in lines(unpacked(response), MOST_BYTES):
                    found = _object(line)
                    if found is not None:
                        good += 1
                        yield found
                    elif line.strip():
                        bad += 1
        except TROUBLE as problem:
            raise errors.free(
                errors.of_transport(problem, answering=status > 0, key=self.key)
            ) from None
        if bad and not good:
            raise errors.free(errors.error(errors.NOT_JSON, "no line of the file is a JSON object"))

    def _request(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str] | None
    ) -> httpx.Request:
        try:
            request = httpx.Request(
                method,
                _url(self._base + path),
                content=content,
                headers={**self._headers, **(headers or {})},
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as problem:
            raise errors.error(errors.STATUSES[404], f"not a URL: {problem}") from problem
        request.extensions["timeout"] = self._timeouts
        return request

    async def _exchange(self, request: httpx.Request) -> bytes:
        status, headers, body = 0, httpx.Headers(), b""
        try:
            async with asyncio.timeout(self._whole), self._lanes.send(request) as response:
                status, headers = response.status_code, response.headers
                body = await bounded(unpacked(response), MOST_BYTES)
        except TROUBLE as problem:
            # An error's status tells enough, even when its body broke off.
            if status == 0 or status // 100 == GOOD:
                raise errors.of_transport(problem, answering=status > 0, key=self.key) from None
        if status // 100 != GOOD:
            raise errors.of_status(status, headers, body, self.key)
        return body

    def object_of(self, body: bytes) -> dict[str, Any]:
        """The JSON object of a body; an `error` in it is one, whatever the status said.

        Raises:
            ProviderError: it is no JSON, no object, or an error.
        """
        found = _object(body)
        if found is None:
            raise errors.error(errors.NOT_JSON, "the reply is not a JSON object")
        problem = found.get("error")
        if isinstance(problem, dict) and "choices" not in found:
            code = problem.get("code")
            status = code if isinstance(code, int) and code in errors.STATUSES else 500
            raise errors.of_status(status, {}, body, self.key)
        return found

    def clean(self, text: str) -> str:
        """Text of a reply that can be stored: no zero bytes, no half characters, no key."""
        return scrub(storable(text), self.key)

    async def get(self, path: str) -> dict[str, Any]:
        """A JSON object. Reading is free, however it ends.

        Raises:
            ProviderError: nothing usable came.
        """
        try:
            return self.object_of(await self.exchange("GET", path))
        except ProviderError as problem:
            raise errors.free(problem) from None

    async def upload(self, path: str, name: str, content: bytes, **fields: str) -> dict[str, Any]:
        """The JSON object that answers a file posted as a form. Free, however it ends.

        Raises:
            ProviderError: nothing usable came.
        """
        form = httpx.Request("POST", self._base, data=fields, files={"file": (name, content)})
        headers = {"Content-Type": form.headers["Content-Type"]}
        try:
            body = await self.exchange("POST", path, content=form.read(), headers=headers)
            return self.object_of(body)
        except ProviderError as problem:
            raise errors.free(problem) from None

    async def close(self) -> None:
        await self._lanes.close()


def _object(text: bytes) -> dict[str, Any] | None:
    """The JSON object that a text is, however odd or deep; None where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    """Taking a URL apart costs a fifth of a whole exchange."""
    return httpx.URL(text)
