"""A server that would like to drive the terminal, or the folder, of who asks it."""

from pathlib import Path
from typing import Any

import pytest

from tandem_client.errors import TandemError
from tandem_client.http import Connection, checked
from tandem_client.results import Export
from tests.client.scripted import Reply, serving
from tests.client.test_command import run

NASTY = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m[/red][link=https://evil.example]x[bold]\ud800"


def login(home: Path, url: str) -> None:
    kept = home / ".config" / "tandem" / "login.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(f'{{"url": "{url}", "token": "tdm_x"}}')


def harmless(text: str) -> bool:
    return not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)


@pytest.mark.parametrize("arguments", [("projects",), ("projects", "--json"), ("whoami",)])
def test_names_do_not_reach_the_terminal_as_orders(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    project = {"id": 1, "slug": "x", "name": NASTY}
    page: dict[str, Any] = {"results": [{"project": project, "role": "owner"}], "next": None}
    with serving(Reply(200, page | {"username": NASTY})) as server:
        login(tmp_path, server.url)
        done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert harmless(done.stdout)
    assert "[/red][link=https://evil.example]x[bold]" in done.stdout


def test_errors_do_not_either(tmp_path: Path) -> None:
    with serving(Reply(403, {"detail": NASTY})) as server:
        login(tmp_path, server.url)
        done = run(tmp_path, "projects")
    assert (done.returncode, harmless(done.stderr)) == (1, True)
    assert "[/red][link=" in done.stderr


def test_nor_what_a_job_notes(tmp_path: Path) -> None:
    job = {"kind": NASTY, "state": "succeeded", "done": 1, "total": 1, "note": NASTY}
    ended = {"job": job | {"error": "", "result": {}}, "slug": "x", "id": 1, "name": "x"}
    with serving(Reply(200, ended)) as server:
        login(tmp_path, server.url)
        done = run(tmp_path, "watch", "1", "-p", "x")
    assert done.returncode == 0, done.stderr
    assert harmless(done.stdout + done.stderr)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".bashrc", "data/.git/hooks/x", "a/../../x"])
def test_files_of_an_export_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    files = [{"path": name, "sha256": "0", "bytes": 1}]
    with serving(Reply(200, {"id": 1, "files": files})) as server:
        export = Export(Connection(server.url, "tdm_x"), "x", {"id": 1})
        with pytest.raises(TandemError, match="leads out"):
            export.download(inside)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_token_crosses_the_internet_under_tls_only() -> None:
    for url in ("http://8.8.8.8", "http://[2001:4860:4860::8888]:80", "http://a.example.org"):
        with pytest.raises(TandemError, match="in the clear"):
            checked(url)
    for url in ("http://10.0.0.3:8000", "http://[fd00::1]", "http://tandem", "http://127.0.0.1"):
        assert checked(url) == url
