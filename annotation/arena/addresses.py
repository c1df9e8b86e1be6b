"""Where an endpoint may be: the installation's own endpoints, and public addresses.

A free URL is asked at a public address only, and without a key; endpoints on private addresses,
and all keys, are named in the settings, each key with the one URL it is sent to.
"""

from dataclasses import dataclass

from django.conf import settings

from core.exceptions import InvalidInput
from core.network import check_url


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
