"""The command `tandem`: logins, settings, exit codes."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tandem_client import login
from tandem_client.cli import values
from tandem_client.errors import TandemError
from tests.client.scripted import Reply, serving

ROOT = Path(__file__).resolve().parents[2]


def run(home: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, with a home of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT / "platform"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "tandem_client", *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_login_is_kept_for_its_owner_alone_and_forgotten(tmp_path: Path) -> None:
    with serving(Reply(200, {"username": "ada", "scopes": ["read"]})) as server:
        done = run(tmp_path, "login", server.url, stdin="tdm_secret\n")
        assert done.returncode == 0, done.stderr
        assert "tdm_secret" not in done.stdout + done.stderr
        kept = tmp_path / ".config" / "tandem" / "login.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        shown = run(tmp_path, "whoami", "--json")
        assert json.loads(shown.stdout)["username"] == "ada"
    assert run(tmp_path, "logout").stdout == "Forgotten.\n"
    assert not kept.exists()
    nobody = run(tmp_path, "whoami")
    assert nobody.returncode == 1
    assert "not logged in" in nobody.stderr
    assert "Traceback" not in nobody.stderr


def test_a_refused_token_is_not_kept(tmp_path: Path) -> None:
    with serving(Reply(401, {"detail": "This token has expired."})) as server:
        done = run(tmp_path, "login", server.url, stdin="tdm_old\n")
    assert done.returncode == 1
    assert "This token has expired." in done.stderr
    assert not (tmp_path / ".config").exists()


def test_a_kept_token_goes_to_its_own_server_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("TANDEM_URL", "TANDEM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    login.remember(login.Login("https://one.example.org", "tdm_one"))
    assert login.find("https://one.example.org/").token == "tdm_one"
    with pytest.raises(TandemError, match="not logged in"):
        login.find("https://two.example.org")


def test_settings_are_json_where_they_read_as_json() -> None:
    found = values(['splits={"test": 0.2}', "steps=30", "name=a=b", "base=tiny"])
    assert found == {"splits": {"test": 0.2}, "steps": 30, "name": "a=b", "base": "tiny"}
    with pytest.raises(TandemError, match="write name=value"):
        values(["steps"])


def test_help_and_imports_leave_the_server_alone() -> None:
    """Nothing of the server, no torch and no pandas is loaded for a command."""
    code = "import sys, tandem_client.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "platform")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {"django", "rest_framework", "torch", "pandas", "datasets", "config", "core"}
    assert heavy.isdisjoint(loaded)


DONE = {
    "adapter": "interchange",
    "dry_run": True,
    "created": 1,
    "updated": 1,
    "refused": 1,
    "labels": 3,
    "errors": [{"line": 2, "id": "", "reason": "malformed JSON"}],
    "diff": [
        {"id": "seen-by-nobody", "what": "created", "fields": []},
        {"id": "b", "what": "updated", "fields": ["prompt"]},
    ],
}


def imported(tmp_path: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """An import whose job is done at the first look; what it printed and what was sent."""
    job = {"kind": "annotation.import", "state": "succeeded", "done": 3, "total": 3, "note": ""}
    replies = (
        Reply(200, {"username": "ada"}),
        Reply(200, {"slug": "p"}),
        Reply(202, {"job": 1}),
        Reply(200, {"job": job | {"result": DONE}}),
    )
    with serving(*replies) as server:
        run(tmp_path, "login", server.url, stdin="tdm_secret\n")
        done = run(tmp_path, "import", *arguments, "-p", "p")
        return done, [each.body.decode() for each in server.asked]


def test_a_report_is_told_in_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}\n")
    done, _ = imported(tmp_path, str(file), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Dry run, nothing changed; read as interchange." in done.stdout
    assert "Fields that change: prompt (1)" in done.stdout
    assert "line 2" in done.stdout
    assert "seen-by-nobody" not in done.stdout


def test_json_is_alone_on_stdout(tmp_path: Path) -> None:
    done, _ = imported(tmp_path, "hub:owner/name", "--json")
    assert json.loads(done.stdout) == DONE
    assert "annotation.import" in done.stderr


def test_split_and_configuration_are_the_source_s(tmp_path: Path) -> None:
    _, asked = imported(tmp_path, "hub:owner/name", "-s", "split=train", "-s", "judge=gpt")
    body = json.loads(asked[2])
    assert body["source"] == {"kind": "hub", "dataset": "owner/name", "split": "train"}
    assert body["options"] == {"judge": "gpt"}
