"""The client's HTTP: what is repeated, what never is, and what becomes of a bad answer."""

import hashlib
import socket
from pathlib import Path

import pytest

from tandem_client.errors import Refused, TandemError, Unreachable
from tandem_client.http import Connection, checked
from tests.client.scripted import Reply, serving

NOW = {"Retry-After": "0"}


def test_a_busy_server_is_asked_again_with_the_same_key() -> None:
    replies = [Reply(503, {}, NOW), Reply(429, {}, NOW), Reply(409, {}, NOW), Reply(201, {"id": 7})]
    with serving(*replies) as server:
        assert Connection(server.url, "tdm_x").post("projects/", {"name": "a"}) == {"id": 7}
    keys = {asked.headers["Idempotency-Key"] for asked in server.asked}
    assert len(server.asked) == 4
    assert len(keys) == 1
    assert {asked.headers["Authorization"] for asked in server.asked} == {"Bearer tdm_x"}


def test_two_calls_have_two_keys() -> None:
    with serving(Reply(200, {})) as server:
        connection = Connection(server.url, "x")
        connection.post("a")
        connection.post("a")
    assert len({asked.headers["Idempotency-Key"] for asked in server.asked}) == 2


def test_a_refusal_is_told_in_the_servers_words_and_not_repeated() -> None:
    problem = {
        "type": "urn:tandem:problem:invalid-input",
        "detail": "The least share is 0.",
        "status": 422,
    }
    with serving(Reply(422, problem)) as server, pytest.raises(Refused, match="least share") as got:
        Connection(server.url, "x").post("a")
    assert (got.value.status, got.value.code) == (422, "invalid-input")
    assert len(server.asked) == 1


def test_a_conflict_is_no_call_in_progress() -> None:
    with serving(Reply(409, {"detail": "No."})) as server, pytest.raises(Refused):
        Connection(server.url, "x").post("a")
    assert len(server.asked) == 1


def test_an_answer_that_is_no_json_is_a_refusal_too() -> None:
    with serving(Reply(500, b"<html>")) as server, pytest.raises(Refused, match="HTTP 500"):
        Connection(server.url, "x").get("a")


def test_a_token_does_not_follow_a_redirect() -> None:
    with serving(Reply(200, {})) as other:
        moved = Reply(302, b"", {"Location": f"{other.url}/api/v1/a"})
        with serving(moved) as server, pytest.raises(Refused, match="sends elsewhere"):
            Connection(server.url, "x").get("a")
    assert other.asked == []


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem_client.http.pause", lambda *_: 0.0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port} does not answer"):
        Connection(f"http://127.0.0.1:{port}", "x").get("a")


@pytest.mark.parametrize("url", ["tandem.example.org", "ftp://a", "https://", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(TandemError, match="is no address"):
        checked(url)


def test_a_token_is_not_sent_in_the_clear_over_the_internet() -> None:
    with pytest.raises(TandemError, match="use https"):
        checked("http://tandem.example.org")
    assert checked("http://192.168.1.7:8000/") == "http://192.168.1.7:8000"
    assert checked("http://localhost:8000") == "http://localhost:8000"


def test_pages_are_walked_to_their_end() -> None:
    pages = [
        Reply(200, {"results": [{"id": 1}, {"id": 2}], "next": "c1"}),
        Reply(200, {"results": [{"id": 3}], "next": None}),
    ]
    with serving(*pages) as server:
        rows = list(Connection(server.url, "x").pages("jobs/", state="failed"))
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert [asked.path for asked in server.asked] == [
        "/api/v1/jobs/?state=failed",
        "/api/v1/jobs/?state=failed&cursor=c1",
    ]


def test_a_download_that_is_cut_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_client.http.pause", lambda *_: 0.0)
    content = bytes(range(256)) * 64
    cut = Reply(200, content, cut=5000)
    rest = Reply(206, content[5000:])
    with serving(cut, rest) as server:
        Connection(server.url, "x").download(
            "f", tmp_path / "a" / "f.bin", sha256=hashlib.sha256(content).hexdigest()
        )
    assert (tmp_path / "a" / "f.bin").read_bytes() == content
    assert server.asked[1].headers["Range"] == "bytes=5000-"


def test_a_damaged_download_leaves_nothing(tmp_path: Path) -> None:
    with serving(Reply(200, b"other")) as server, pytest.raises(TandemError, match="damaged"):
        Connection(server.url, "x").download("f", tmp_path / "f", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_sent_again_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"id": 1}\n')
    with serving(Reply(503, {}, NOW), Reply(202, {"job": 3})) as server:
        sent = Connection(server.url, "x").upload("imports/", file, {"dry_run": True})
    assert sent == {"job": 3}
    assert all(b'{"id": 1}' in asked.body for asked in server.asked)
    assert b"true" in server.asked[1].body


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        serving(Reply()) as server,
        pytest.raises(TandemError, match=r"none\.jsonl cannot be read"),
    ):
        Connection(server.url, "x").upload("imports/", tmp_path / "none.jsonl", {})
