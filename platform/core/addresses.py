"""Where a request comes from, for counting attempts."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The client's address; of IPv6 the network, because one host has a whole /64 of them.

    `TRUSTED_PROXIES` says how many proxies have added to `X-Forwarded-For`; what stands before
    their entries was written by the client and is not believed.
    """
    found = request.META.get("REMOTE_ADDR", "")
    if proxies := settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(hops) >= proxies:
            found = hops[-proxies]
    try:
        address = ip_address(found)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        return address.exploded[:19]
    return str(address)
