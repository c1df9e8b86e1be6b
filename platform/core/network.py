"""Asking other machines: at public addresses only, unless the operator names a private one.

Somebody who sets up a project may name any URL. Without a rule that would let them reach whatever
this machine reaches: a metadata service, a database's port, a neighbour. Names are resolved when
they are asked, and the connection goes to the very address that was checked.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext as _

from .exceptions import InvalidInput

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# NAT64 and IPv4-compatible addresses: the last 32 bits are where the packet goes.
TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# Public by its number, and a cloud's own machines behind it (Azure's host agent).
PLATFORM = frozenset({ipaddress.IPv4Address("168.63.129.16")})
DEFAULT_PORTS = {"http": 80, "https": 443}
# Seconds for which a checked address is used again without asking for the name.
REMEMBERED = 30.0
MORE_ADDRESSES = 2
# Bytes that a packed reply is unpacked to at a time.
PIECE = 1 << 20
# Many servers close what is idle for five seconds; a question sent at that moment is lost.
KEPT_OPEN = 4.0


class PrivateAddress(Exception):
    """The host is, or resolves to, an address that may not be asked."""


class NoEnd(Exception):
    """A reply grew beyond its limit."""


@dataclass(frozen=True)
class Reach:
    """The private places that may be asked: names with a port or any, and networks."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From entries such as `vllm:8000`, `10.0.0.5`, `[fd00::1]:8000` and `10.1.0.0/16`.

        Raises:
            ValueError: an entry is none of these.
        """
        names, networks = set(), []
        for entry in entries:
            host, port = _host_and_port(entry)
            try:
                networks.append((ipaddress.ip_network(host), port))
            except ValueError:
                if "/" in host or not host:
                    raise ValueError(f"{entry!r} is no host, address or network") from None
                names.add((_plain(host), port))
        return cls(frozenset(names), tuple(networks))

    def with_url(self, url: str) -> Self:
        """Also the host and port of a URL that the operator wrote."""
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        named = {(_plain(parts.hostname or ""), port)}
        return type(self)(self.names | named, self.networks)

    def names_host(self, host: str, port: int) -> bool:
        """Whether the operator vouches for the name, wherever it leads."""
        return bool({(_plain(host), None), (_plain(host), port)} & self.names)

    def allows(self, host: str, port: int, address: IP) -> bool:
        """Whether `address`, which `host` resolved to, may be connected to at `port`."""
        if not is_private(address) or self.names_host(host, port):
            return True
        return any(
            address in network and own in (None, port)
            for network, own in self.networks
            if network.version == address.version
        )


PUBLIC = Reach()


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if entry.count(":") > 1 and not entry.startswith("["):
        return entry, None
    host, separator, port = entry.rpartition(":")
    if not separator or port.endswith("]"):
        return entry.strip("[]"), None
    return host.strip("[]"), int(port)


def _plain(host: str) -> str:
    return host.rstrip(".").lower()


def check_url(url: str, reach: Reach = PUBLIC) -> None:
    """Refuse what cannot be asked; names are resolved when they are asked.

    Raises:
        InvalidInput: no http or https URL, one with a password in it, or a private address.
    """
    try:
        parts = urlsplit(url)
        host, port = _plain(parts.hostname or ""), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in DEFAULT_PORTS or not host or parts.query or parts.fragment:
        raise InvalidInput(_("The address is an http or https URL such as https://host/v1."))
    if parts.username or parts.password:
        raise InvalidInput(_("Keep passwords out of the URL: a key has a field of its own."))
    if not _may_be_asked(host, port or DEFAULT_PORTS[parts.scheme], reach):
        raise InvalidInput(
            _(
                "This address is not public. The operator of the installation can allow an "
                "endpoint on a private network in its settings."
            )
        )


def is_vouched(url: str, reach: Reach) -> bool:
    """Whether a URL leads to a private place that the operator allows."""
    parts = urlsplit(url)
    host = _plain(parts.hostname or "")
    address = LOOPBACK if host == "localhost" else literal(host)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return reach.names_host(host, port) or (
        address is not None and is_private(address) and reach.allows(host, port, address)
    )


def _may_be_asked(host: str, port: int, reach: Reach) -> bool:
    """Of a literal address, whether it is allowed; other names are not known yet."""
    if host == "localhost" or host.endswith(".localhost"):
        return reach.names_host(host, port) or reach.allows(host, port, LOOPBACK)
    address = literal(host)
    return address is None or reach.allows(host, port, address)


LOOPBACK = ipaddress.IPv4Address("127.0.0.1")


def literal(host: str) -> IP | None:
    """The address that a host spells out, also as the C library reads it: 2130706433, 0x7f.1."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_private(address: IP) -> bool:
    """Whether an address is not reachable from everywhere."""
    inner = _carried(address) or address
    site = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
    return not inner.is_global or inner.is_multicast or site or inner in PLATFORM


def _carried(address: IP) -> ipaddress.IPv4Address | None:
    """The IPv4 address at which a translating address ends, if it is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def checked(host: str, port: int, found: Iterable[str], reach: Reach) -> list[str]:
    """The addresses found for a host, all of which may be asked.

    Raises:
        PrivateAddress: one of them may not.
    """
    addresses = list(dict.fromkeys(found))
    for each in addresses:
        if not reach.allows(host, port, ipaddress.ip_address(each)):
            raise PrivateAddress(f"{host} is at {each}, which is not public")
    return addresses


class Resolver:
    """Checked addresses of hosts, remembered for half a minute."""

    def __init__(self, reach: Reach = PUBLIC) -> None:
        self._reach = reach
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._asking = asyncio.Lock()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect to, in this order.

        Raises:
            httpx.ConnectError: the name cannot be resolved.
            PrivateAddress: an address may not be asked.
        """
        if known := self._fresh(host, port):
            return known
        # All calls of a run begin at once: one of them asks.
        async with self._asking:
            return self._fresh(host, port) or await self._resolve(host, port)

    def _fresh(self, host: str, port: int) -> list[str]:
        until, known = self._known.get((host, port), (0.0, []))
        return known if time.monotonic() < until else []

    async def _resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            entries = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpx.ConnectError(f"{host} cannot be resolved") from error
        found = checked(host, port, (str(entry[4][0]) for entry in entries), self._reach)
        self._known[host, port] = time.monotonic() + REMEMBERED, found
        return found

    def prefer(self, host: str, port: int, address: str) -> None:
        """The address that answered comes first from now on."""
        _until, known = self._known.get((host, port), (0.0, []))
        known.sort(key=lambda each: each != address)


class Lanes:
    """Many connections to few hosts, each in a pool of its own.

    One pool looks at all its connections for every request, which at 128 of them costs more than
    the request itself. No redirects are followed, no proxy of the environment is used, and each
    connection goes to a checked address.
    """

    def __init__(self, reach: Reach = PUBLIC) -> None:
        self._resolver = Resolver(reach)
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []

    @asynccontextmanager
    async def send(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """The response's head; its body is read inside the context.

        Raises:
            PrivateAddress: the address may not be asked.
            httpx.TransportError: no response came.
        """
        lane = self._idle.pop() if self._idle else self._new()
        try:
            response = await self._through(lane, request)
            try:
                yield response
            finally:
                await response.aclose()
        finally:
            self._idle.append(lane)

    async def _through(
        self, lane: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        """Tries the host's addresses in turn: `localhost` is two, and servers listen at one."""
        url, host, port = request.url, request.url.host, port_of(request.url)
        # The Host header and the name on the certificate stay.
        request.extensions["sni_hostname"] = host
        first, *others = await self._resolver.addresses(host, port)
        request.url = _at(url, first)
        try:
            return await lane.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            for address in others[:MORE_ADDRESSES]:
                request.url = _at(url, address)
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    response = await lane.handle_async_request(request)
                    self._resolver.prefer(host, port, address)
                    return response
            raise

    def _new(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_OPEN
        )
        lane = httpx.AsyncHTTPTransport(verify=certificates(), trust_env=False, limits=limits)
        self._all.append(lane)
        return lane

    async def close(self) -> None:
        for lane in self._all:
            await lane.aclose()


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """Reading the authorities takes 20 ms: once for all. SSL_CERT_FILE may name an own one."""
    return httpx.create_ssl_context()


def port_of(url: httpx.URL) -> int:
    return url.port or DEFAULT_PORTS[url.scheme]


@lru_cache(maxsize=256)
def _at(url: httpx.URL, address: str) -> httpx.URL:
    """Taking a URL apart costs a fifth of a whole exchange."""
    return url.copy_with(host=address)


async def unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in pieces of a bearable size; packed in one layer at most, whoever packed it.

    A library that unpacks by itself makes gigabytes of a few bytes before anybody can count them.

    Raises:
        httpx.DecodingError: it is packed otherwise, or broke off.
    """
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in ("", "identity"):
        async for part in response.aiter_raw():
            yield part
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the reply is packed as {packing[:40]!r}")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    async for part in response.aiter_raw():
        left = part
        while left:
            try:
                piece = unpacker.decompress(left, PIECE)
            except zlib.error as error:
                raise httpx.DecodingError(f"the reply cannot be unpacked: {error}") from error
            left = unpacker.unconsumed_tail
            yield piece
    if not unpacker.eof:
        raise httpx.DecodingError("the packed reply broke off")


async def lines(parts: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The lines of a body, ended by line feeds and by nothing else: texts hold other separators.

    Raises:
        NoEnd: one of them is more than `most` bytes.
    """
    begun = bytearray()
    async for part in parts:
        *whole, rest = part.split(b"\n")
        for line in whole:
            yield bytes(begun + line)
            begun.clear()
        begun += rest
        if len(begun) > most:
            raise NoEnd("a line of the file does not end")
    if begun:
        yield bytes(begun)


async def bounded(parts: AsyncIterator[bytes], most: int) -> bytes:
    """All parts together.

    Raises:
        NoEnd: they are more than `most` bytes.
    """
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > most:
            raise NoEnd("the reply does not end")
    return bytes(content)
