"""Asking other machines: which addresses, and that the one checked is the one connected to."""

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core import network
from core.exceptions import InvalidInput
from core.network import PUBLIC, Lanes, NoEnd, PrivateAddress, Reach, check_url
from tests.loops import in_a_loop

INSIDE = [
    "127.0.0.1",
    "127.1",
    "2130706433",  # 127.0.0.1 in decimal
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",  # octal
    "017700000001",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",  # metadata of clouds
    "2852039166",  # the same in decimal
    "0xa9fea9fe",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "255.255.255.255",
    "224.0.0.1",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",  # NAT64
    "[2002:a9fe:a9fe::1]",  # 6to4
    "[fd00:ec2::254]",
    "[fe80::1]",
    "localhost",
    "LOCALHOST.",
    "db.localhost",
]


@pytest.mark.parametrize("host", INSIDE)
def test_no_spelling_of_a_private_address_is_accepted(host: str) -> None:
    with pytest.raises(InvalidInput, match="not public"):
        check_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host", ["models.example", "8.8.8.8", "134744072", "[2001:4860:4860::8888]"]
)
def test_public_addresses_and_names_are(host: str) -> None:
    check_url(f"https://{host}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "models.example/v1",
        "ftp://models.example",
        "https://",
        "https://models.example/v1?key=1",
        "https://models.example/v1#a",
        "https://me:word@models.example/v1",
        "http://[broken/v1",
        "https://models.example:port/v1",
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url)


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/v1", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1", True),
        ("127.0.0.1:8000", "http://127.0.0.1:5432/v1", False),
        ("127.0.0.1:8000", "http://2130706433:8000/v1", True),
        ("10.0.0.0/8", "http://10.9.8.7/v1", True),
        ("10.0.0.0/8", "http://192.168.0.1/v1", False),
        ("[fd00::1]:8000", "http://[fd00::1]:8000/v1", True),
        ("fd00::/16", "http://[fd00::9]/v1", True),
        ("localhost:8000", "http://localhost:8000/v1", True),
        ("localhost:8000", "http://localhost:8001/v1", False),
    ],
)
def test_the_operator_can_allow_private_places(entry: str, url: str, allowed: bool) -> None:
    if allowed:
        check_url(url, Reach.of([entry]))
    else:
        with pytest.raises(InvalidInput):
            check_url(url, Reach.of([entry]))


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "host:port", "10.0.0.1/8", "http://host/"])
def test_a_wrong_entry_of_the_setting_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        Reach.of([entry])


def test_a_name_is_checked_by_all_its_addresses() -> None:
    assert network.checked("models.example", 443, ["8.8.8.8", "1.1.1.1"], PUBLIC) == [
        "8.8.8.8",
        "1.1.1.1",
    ]
    with pytest.raises(PrivateAddress, match=r"10\.0\.0\.1"):
        network.checked("models.example", 443, ["8.8.8.8", "10.0.0.1"], PUBLIC)
    reach = Reach.of(["vllm:8000"])
    assert network.checked("vllm", 8000, ["10.0.0.1"], reach) == ["10.0.0.1"]
    with pytest.raises(PrivateAddress):
        network.checked("vllm", 5432, ["10.0.0.1"], reach)


@contextmanager
def site(behaviour: Any, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """A server on loopback; its port, and the Host headers it was asked with."""
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            behaviour(self)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that leaves
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], hosts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def well(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


class Names:
    """A resolver that gives another answer, of one address or some, each time it is asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        try:
            ipaddress.ip_address(name)
            answer = name  # connecting to an address resolves nothing
        except ValueError:
            self.asked.append(name)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))
            for address in answer.split()
        ]


async def asked(lanes: Lanes, url: str) -> str:
    async with lanes.send(httpx.Request("GET", url)) as response:
        return (await network.bounded(response.aiter_bytes(), 1000)).decode()


async def once(reach: Reach, url: str) -> str:
    lanes = Lanes(reach)
    try:
        return await asked(lanes, url)
    finally:
        await lanes.close()


def test_a_name_that_turns_private_is_connected_to_where_it_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Allowed when it is looked at, the metadata service when it is looked at again."""
    names = Names("127.0.0.1", "169.254.169.254")
    with site(well) as (port, hosts):
        monkeypatch.setattr(socket, "getaddrinfo", names)
        reach = Reach.of(["127.0.0.1"])
        assert in_a_loop(once(reach, f"http://models.example:{port}/")) == "ok"
        assert names.asked == ["models.example"]
        assert hosts == [f"models.example:{port}"]
        with pytest.raises(PrivateAddress, match="169"):
            in_a_loop(once(reach, f"http://models.example:{port}/"))
    assert len(hosts) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost"])
def test_private_addresses_are_not_connected_to(host: str) -> None:
    with site(well) as (port, hosts), pytest.raises(PrivateAddress):
        in_a_loop(once(PUBLIC, f"http://{host}:{port}/"))
    assert hosts == []


def test_a_name_that_is_not_there_is_a_failure_to_connect() -> None:
    with pytest.raises(httpx.ConnectError, match="resolved"):
        in_a_loop(once(PUBLIC, "http://nobody.invalid/"))


def test_redirects_are_not_followed_and_proxies_of_the_environment_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://169.254.169.254/latest")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async def status(port: int) -> int:
        lanes = Lanes(Reach.of(["127.0.0.1"]))
        async with lanes.send(httpx.Request("GET", f"http://127.0.0.1:{port}/")) as response:
            found = response.status_code
        await lanes.close()
        return found

    with site(redirect) as (port, hosts):
        assert in_a_loop(status(port)) == 302
    assert len(hosts) == 1


def test_connections_are_used_again_and_one_for_each_call_in_flight() -> None:
    async def many(port: int) -> int:
        lanes = Lanes(Reach.of(["127.0.0.1"]))
        url = f"http://127.0.0.1:{port}/"
        for _ in range(3):
            assert set(await asyncio.gather(*(asked(lanes, url) for _ in range(4)))) == {"ok"}
        opened = len(lanes._all)
        await lanes.close()
        return opened

    with site(well) as (port, _hosts):
        assert in_a_loop(many(port)) == 4


def test_a_reply_that_does_not_end_is_given_up() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**9))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 10_000)
        except OSError:
            handler.close_connection = True

    with site(endless) as (port, _hosts), pytest.raises(NoEnd):
        in_a_loop(once(Reach.of(["127.0.0.1"]), f"http://127.0.0.1:{port}/"))


def test_a_host_with_two_addresses_is_asked_at_the_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` is ::1 as well, and a server often listens at 127.0.0.1 alone."""

    async def twice(url: str) -> list[str]:
        lanes = Lanes(Reach.of(["127.0.0.0/8"]))
        assert [await asked(lanes, url), await asked(lanes, url)] == ["ok", "ok"]
        await lanes.close()
        return await lanes._resolver.addresses("models.example", httpx.URL(url).port or 0)

    with site(well) as (port, hosts):
        monkeypatch.setattr(socket, "getaddrinfo", Names("127.0.0.9 127.0.0.1"))
        found = in_a_loop(twice(f"http://models.example:{port}/"))
    assert found == ["127.0.0.1", "127.0.0.9"]
    assert hosts == [f"models.example:{port}"] * 2


def certified(name: str, folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for a name; the authority is in `ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


def test_the_certificate_is_that_of_the_name_though_an_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = certified("models.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    network.certificates.cache_clear()
    try:
        with site(well, context) as (port, hosts):
            monkeypatch.setattr(socket, "getaddrinfo", Names("127.0.0.1"))
            reach = Reach.of(["127.0.0.1"])
            assert in_a_loop(once(reach, f"https://models.example:{port}/")) == "ok"
            assert hosts == [f"models.example:{port}"]
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                in_a_loop(once(reach, f"https://other.example:{port}/"))
        assert len(hosts) == 1
    finally:
        network.certificates.cache_clear()
