"""`Idempotency-Key`: what is sent again is done once."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.idempotency import KEPT_FOR, LONGEST_RUN, HashedStream, _hashed, forget_old
from accounts.models import AccessToken, KeptAnswer, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
URL = "/api/v1/tokens/"


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def send(client: Client, key: str, name: str = "first", url: str = URL) -> Any:
    sent = {"name": name, "scopes": ["read"], "days": 1}
    return client.post(url, sent, content_type="application/json", headers={"idempotency-key": key})


def test_the_same_request_is_answered_again_and_done_once(client: Client) -> None:
    first, again = send(client, "k1"), send(client, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Content-Type"] == first["Content-Type"]
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert AccessToken.objects.count() == 1
    assert send(client, "k2").json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "other", [{"name": "second"}, {"url": URL + "?x=1"}, {"url": "/api/v1/projects/"}]
)
def test_another_request_with_the_key_is_refused(client: Client, other: dict[str, str]) -> None:
    send(client, "k1")
    refused = send(client, "k1", **other)
    assert (refused.status_code, refused.json()["type"]) == (
        422,
        "urn:tandem:problem:idempotency-key-reused",
    )
    assert AccessToken.objects.count() == 1


def test_keys_are_ones_own(client: Client) -> None:
    send(client, "k1")
    stranger = Client()
    stranger.force_login(make_user())
    assert "Idempotency-Replayed" not in send(stranger, "k1", "other").headers
    assert AccessToken.objects.count() == 2


def test_what_was_refused_may_be_mended_under_its_key(client: Client) -> None:
    assert send(client, "k1", " ").status_code == 400
    assert send(client, "k1").status_code == 201


def test_a_request_that_is_not_answered_yet_is_told_so(client: Client, user: User) -> None:
    row = KeptAnswer.objects.create(user=user, key="k1", started_at=timezone.now())
    busy = send(client, "k1")
    assert (busy.status_code, busy["Retry-After"]) == (409, "2")
    # Its process died long ago.
    KeptAnswer.objects.filter(pk=row.pk).update(started_at=timezone.now() - LONGEST_RUN)
    assert send(client, "k1").status_code == 201


def test_answers_are_kept_for_a_day(client: Client) -> None:
    first = send(client, "k1").json()["id"]
    ago = timezone.now() - KEPT_FOR - timedelta(seconds=1)
    KeptAnswer.objects.update(created_at=ago, started_at=ago)
    assert send(client, "k1").json()["id"] != first
    KeptAnswer.objects.update(started_at=ago)
    assert (forget_old(), KeptAnswer.objects.count()) == (1, 0)


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_keys_that_are_none_are_refused(client: Client, key: str) -> None:
    assert send(client, key).status_code == 422


def test_reading_takes_no_key(client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        client.get("/api/v1/me", headers={"idempotency-key": "k1"})
    assert not [each for each in asked if "keptanswer" in each["sql"]]


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 7, 8, 64, 10_000])
def test_a_multipart_body_is_known_again_whatever_its_boundary(size: int) -> None:
    hashes = set()
    for boundary in (b"aaaaaaab", b"------------------------d74496d66958873e"):
        body = b"--" + boundary + b"\r\nx\r\n\r\naaaaaa" + b"--" + boundary + b"--\r\n"
        stream = HashedStream(io.BytesIO(body), about="POST /", boundary=boundary)
        while stream.read(size):
            pass
        hashes.add(stream.fingerprint())
    assert len(hashes) == 1


def test_bodies_are_hashed_as_they_are_read_and_not_held() -> None:
    class Endless:
        """A body of 64 MB that counts what is asked for at once."""

        left, most = 64 * 2**20, 0

        def read(self, size: int = -1) -> bytes:
            self.most = max(self.most, size)
            taken = min(size, self.left)
            self.left -= taken
            return bytes(taken)

        readline = read

        def close(self) -> None:
            self.left = 0

    body = Endless()
    stream = HashedStream(body, about="", boundary=b"boundary")
    stream.fingerprint()
    assert (body.left, body.most <= 2**16, len(stream._held)) == (0, True, 0)


def test_the_view_reads_what_was_sent() -> None:
    body = json.dumps({"a": "b" * 10_000}).encode()
    request = RequestFactory().post(URL, body, content_type="application/json")
    stream = _hashed(request)
    assert request.body == body
    again = RequestFactory().post(URL, body, content_type="application/json")
    assert _hashed(again).fingerprint() == stream.fingerprint()


@pytest.mark.django_db(transaction=True)
def test_of_requests_side_by_side_one_is_done(user: User) -> None:
    together = Barrier(6)

    def one() -> int:
        client = Client()
        client.force_login(user)
        together.wait()
        try:
            return int(send(client, "k1").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        codes = [future.result() for future in [pool.submit(one) for _ in range(6)]]
    assert AccessToken.objects.count() == 1
    assert set(codes) <= {201, 409}
