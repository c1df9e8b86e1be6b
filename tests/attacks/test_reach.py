"""Addresses that look public and lead inside."""

import pytest

from core.exceptions import InvalidInput
from core.network import check_url


@pytest.mark.parametrize(
    "host",
    [
        "[64:ff9b::a9fe:a9fe]",  # NAT64 of 169.254.169.254
        "[64:ff9b:1::a00:1]",  # local NAT64
        "[2002:a9fe:a9fe::1]",  # 6to4 of 169.254.169.254
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",  # Teredo
        "[::7f00:1]",  # IPv4-compatible 127.0.0.1
        "[::ffff:7f00:1]",
        "[fe80::1%25eth0]",
        "127.0.0.1.",
        "localhost.",
        "LOCALHOST",
        "100.64.0.1",
        "[ff02::1]",
        "0.0.0.0",  # noqa: S104 - an address to refuse
    ],
)
def test_no_address_leads_inside(host: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(f"http://{host}/v1")
