"""The Hub's own client sends an export to a server that speaks as much of the Hub as it needs."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.models import Export
from annotation.datasets.pushing import Refused, push
from annotation.datasets.services import build_snapshot
from core.exceptions import InvalidInput
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
TOKEN = "hf_of_a_test"


class Hub(ThreadingHTTPServer):
    """Keeps what is committed; everything is small enough to stand in the commit itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self._chunks() if chunked else self.rfile.read(length)
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say({"error": "no"}, 401)
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            self._say({"url": f"{self.server.url}/datasets/lab/answers", "id": "lab/answers"})
        elif self.path.startswith("/api/datasets/lab/answers/preupload/"):
            told = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            self._say({"files": told})
        elif self.path.startswith("/api/datasets/lab/answers/commit/"):
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.server.files[entry["value"]["path"]] = content
            address = f"{self.server.url}/datasets/lab/answers/commit/1"
            self._say({"success": True, "commitOid": "1", "commitUrl": address})
        else:
            self._say({"error": "unknown"}, 404)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self._say({"id": "lab/answers", "sha": "0", "siblings": []})

    def _chunks(self) -> bytes:
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _say(self, value: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def hub(settings: Any, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.MEDIA_ROOT = tmp_path
    settings.HF_ENDPOINT = server.url
    settings.HUB_PUSH_TOKEN = ""
    yield server
    server.shutdown()
    server.server_close()


def made(form: str = "huggingface") -> Export:
    project = make_project()
    make_annotation(make_instance(project), make_annotator(project, kind="import"))
    update(project=project)
    snapshot = build_snapshot(project=project, query={})
    return export(snapshot=snapshot, shape="trl", format=form)


def test_every_file_of_the_folder_arrives(hub: Hub, tmp_path: Path) -> None:
    row = made()
    url = push(row=row, repo="lab/answers", token=TOKEN)
    assert url.startswith(hub.url)
    folder = tmp_path / row.path
    assert set(hub.files) == {each["path"] for each in row.manifest["files"]}
    for name, content in hub.files.items():
        assert (folder / name).read_bytes() == content
    assert {said for _, said in hub.asked} == {f"Bearer {TOKEN}"}


def test_a_refusal_is_told_without_the_token(hub: Hub) -> None:
    with pytest.raises(Refused) as refused:
        push(row=made(), repo="lab/answers", token="hf_wrong")
    assert "hf_wrong" not in refused.value.message
    assert not hub.files


def test_what_cannot_go_is_refused_before_anything_is_sent(hub: Hub) -> None:
    row = made()
    with pytest.raises(InvalidInput, match="No token"):
        push(row=row, repo="lab/answers")
    for repo in ("answers", "../x/y", "lab/..", "a/b/c"):
        with pytest.raises(InvalidInput, match="owner/name"):
            push(row=row, repo=repo, token=TOKEN)
    with pytest.raises(InvalidInput, match="huggingface"):
        push(row=made("csv"), repo="lab/answers", token=TOKEN)
    assert not hub.asked
