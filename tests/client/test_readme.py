"""The lines of the README as a notebook runs them: import, judge, snapshot, training, export."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tandem_client import Export, Project, Run, Snapshot
from tests.client.test_against_server import lines, token_of, worker
from tests.endpoint.client import endpoint

__all__ = ["worker"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
README = Path(__file__).resolve().parents[2] / "README.md"


def code(url: str, token: str, judge: str) -> str:
    """The block, for this server, with fewer steps."""
    (found,) = re.findall(r"```python\n(from tandem_client.*?)```", README.read_text(), re.S)
    for old, new in (
        ("http://127.0.0.1:8000", url),
        ("tdm_…", token),
        ("http://127.0.0.1:8001/v1", judge),
        ("steps=200", "steps=6, max_length=64, token_budget=256"),
    ):
        assert old in found
        found = found.replace(old, new)
    return str(found)


def test_the_lines_of_the_readme(
    live_server: LiveServer,
    worker: None,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    monkeypatch.chdir(tmp_path)
    unlabelled = [
        {name: value for name, value in line.items() if name not in {"human", "ai"}}
        for line in lines(60)
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in unlabelled))
    names: dict[str, Any] = {}
    with endpoint() as server:
        exec(code(live_server.url, token_of("ada"), server.openai), names)  # noqa: S102 - our own README
        bill = server.bill()
    assert bill["calls"] >= 120
    project, snapshot, run = names["project"], names["snapshot"], names["run"]
    assert isinstance(project, Project)
    assert isinstance(snapshot, Snapshot)
    assert isinstance(run, Run)
    assert snapshot.manifest["rows"]["train"] + snapshot.manifest["rows"]["test"] == 60
    assert run.metrics()["step"].max() == 6
    assert {"prompt", "chosen", "rejected"} <= set(names["frame"].columns)
    (export,) = project.exports()
    assert isinstance(export, Export)
    assert export.raw["rows"] == len(names["frame"])
