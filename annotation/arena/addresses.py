"""Where an endpoint may be: the installation's own endpoints, and public addresses.

A project's admin may name any URL. Without a rule that would let them reach whatever this machine
reaches: a metadata service, a database's port, a neighbour. So a free URL is asked at a public
address only, and without a key; endpoints on private addresses, and all keys, are named in the
settings, each key with the one URL it is sent to.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.judges.providers.endpoint import NotBought
from core.exceptions import InvalidInput

# NAT64 and IPv4-compatible addresses: the last 32 bits are where the packet goes.
TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


@dataclass(frozen=True)
class Address:
    """A URL to ask and the key it is asked with; `trusted` ones may be private."""

    url: str
    key: str
    trusted: bool


def known_endpoints() -> list[str]:
    """Names of the endpoints in the settings."""
    return sorted(settings.ARENA_ENDPOINTS)


def address_of(endpoint: str, base_url: str) -> Address:
    """Where a contestant is asked.

    Raises:
        InvalidInput: the endpoint is not in the settings, or the URL is none.
    """
    if endpoint:
        if endpoint not in settings.ARENA_ENDPOINTS:
            raise InvalidInput(
                f"The settings of this installation name no endpoint {endpoint!r}: add it to "
                "ARENA_ENDPOINTS, or give a URL."
            )
        url, key = settings.ARENA_ENDPOINTS[endpoint]
        return Address(url, key, trusted=True)
    check_url(base_url)
    return Address(base_url, "", trusted=False)


def check_url(url: str) -> None:
    """Refuse what cannot be asked; names are resolved when they are asked.

    Raises:
        InvalidInput: no http or https URL, one with a password in it, or a private address.
    """
    try:
        parts = urlsplit(url)
        host, _port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise InvalidInput(_("The address is an http or https URL such as https://host/v1."))
    if parts.username or parts.password:
        raise InvalidInput(_("Keep passwords out of the URL: name the endpoint in the settings."))
    if _is_private(host) or host == "localhost":
        raise InvalidInput(
            "This address is not public: an endpoint on a private network is named in the "
            "setting ARENA_ENDPOINTS of the installation."
        )


def _is_private(host: str) -> bool:
    """Whether a literal address is not reachable from everywhere; a name is not known yet."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = _carried(address) or address
    return not inner.is_global or inner.is_multicast


def _carried(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | None:
    """The IPv4 address at which a translating address ends, if it is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class PublicOnly(httpx.HTTPTransport):
    """Connects to the very address it has checked, so that a name cannot change in between."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        request.url = request.url.copy_with(host=public_address(host, request.url.port))
        request.extensions["sni_hostname"] = host
        return super().handle_request(request)


def public_address(host: str, port: int | None) -> str:
    """An address of `host`, all of whose addresses are public.

    Raises:
        httpx.ConnectError: the name cannot be resolved.
        NotBought: an address is private.
    """
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"{host} cannot be resolved") from error
    addresses = [str(entry[4][0]) for entry in found]
    if private := next((each for each in addresses if _is_private(each)), None):
        raise NotBought(f"{host} is at {private}, which is not public")
    return addresses[0]
