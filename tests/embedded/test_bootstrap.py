"""Installing: what is handed from pip to uv, when a `.venv` is rebuilt, one line per failure."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import bootstrap
from tests.embedded.conftest import ROOT

SCRIPT = ROOT / "platform" / "embedded" / "bootstrap.py"


@pytest.fixture(scope="module")
def made_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment with the stamp of a complete installation."""
    venv = tmp_path_factory.mktemp("made") / "venv"
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-m", "venv", "--without-pip", str(venv)], check=True)
    bootstrap.write_stamp(venv, bootstrap.lock_fingerprint(), ["dev", "embedded"])
    return venv


def test_it_imports_only_the_standard_library() -> None:
    tree = ast.parse(SCRIPT.read_text())
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_older_python_can_at_least_read_it() -> None:
    """So that it can say which one is needed, instead of a syntax error."""
    ast.parse(SCRIPT.read_text(), feature_version=(3, 8))


def test_pips_settings_are_handed_to_uv() -> None:
    listing = """\
:env:.find-links='/wheels/b'
global.extra-index-url='file:///one/simple file:///two/simple'
global.find-links='/wheels/a'
global.index-url='https://index.example/simple'
install.trusted-host='\\nindex.example\\nother.example'
global.cert='/etc/certificate.pem'
"""
    assert bootstrap.uv_settings(bootstrap.parse_pip_settings(listing)) == {
        "UV_FIND_LINKS": "/wheels/b",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "file:///one/simple file:///two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "index.example other.example",
        "SSL_CERT_FILE": "/etc/certificate.pem",
    }


def test_no_pip_settings_leave_uv_alone() -> None:
    assert bootstrap.uv_settings(bootstrap.parse_pip_settings("")) == {}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: failed to write file: No space left on device (os error 28)", "disk is full"),
        ("tcp connect error\nConnection refused (os error 111)", "cannot be reached"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure", "cannot be reached"),
        ("error: command 'gcc' failed: No such file or directory", "no C compiler"),
        ("error: command '/usr/bin/x86_64-linux-gnu-gcc' failed with exit code 1", "no C compiler"),
        ("ERROR: No matching distribution found for torch==2.13.0", "fits this Python"),
        ("× No solution found when resolving dependencies", "fits this Python"),
        ("[Errno 13] Permission denied: '.venv/lib'", "cannot be written"),
        ("noise\nerror: something new\nmore", "error: something new"),
    ],
)
def test_failures_become_one_line_that_says_what_to_do(output: str, words: str) -> None:
    line = bootstrap.explain(output)
    assert words in line
    assert "\n" not in line


def test_a_second_run_does_nothing(
    made_venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "best_python", lambda: None)
    assert bootstrap.main(["--venv", str(made_venv), "--extras", "embedded dev"]) == 0
    assert capsys.readouterr() == ("", "")


def test_two_installations_into_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    code = "import bootstrap, sys\nfrom pathlib import Path\n"
    code += "with bootstrap.alone_in(Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with bootstrap.alone_in(tmp_path):
        second = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SCRIPT.parent)}
        )
        assert second.stdout is not None
        assert second.stdout.readline().startswith("Waiting for another installation")
        assert second.poll() is None
    assert second.wait(30) == 0


def test_a_copied_folder_is_rebuilt(made_venv: Path, tmp_path: Path) -> None:
    copy = tmp_path / "venv"
    shutil.copytree(made_venv, copy, symlinks=True)
    assert bootstrap.reason_to_rebuild(copy) == "the folder was copied or moved"


def test_a_broken_python_is_rebuilt(made_venv: Path, tmp_path: Path) -> None:
    assert bootstrap.reason_to_rebuild(tmp_path / "venv") == "there is none yet"
    broken = tmp_path / "venv"
    (broken / "bin").mkdir(parents=True)
    (broken / "bin" / "python").symlink_to(tmp_path / "gone")
    assert bootstrap.reason_to_rebuild(broken) == "its Python does not run"


def test_a_changed_lock_or_a_missing_extra_installs_again(
    made_venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "best_python", lambda: None)
    monkeypatch.setattr(bootstrap, "require_disk", lambda folder, extras: None)
    monkeypatch.setattr(bootstrap, "install", lambda venv, extras: installed.append(extras))
    bootstrap.ensure_installed(made_venv, ["train"])
    bootstrap.ensure_installed(made_venv, ["dev", "train"])
    assert installed == [["dev", "embedded", "train"]]
    monkeypatch.setattr(bootstrap, "lock_fingerprint", lambda: "another")
    bootstrap.ensure_installed(made_venv, ["train"])
    assert len(installed) == 2


def test_a_wrong_python_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "MINIMUM", (99, 0))
    assert bootstrap.main(["--venv", str(tmp_path / "venv")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tandem: Python 3.11 or newer is needed, this is 3.")
    assert error.count("\n") == 1


def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bootstrap.NEEDED_BYTES, "train", 10**18)
    assert bootstrap.main(["--venv", str(tmp_path / "venv"), "--extras", "train"]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"tandem: .* has [\d.]+ GB free, the installation needs about .*\n", error)
    assert not (tmp_path / "venv").exists()


@pytest.mark.slow
def test_no_network_is_one_line(tmp_path: Path) -> None:
    """A real installation against an index where nobody listens."""
    settings = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "1",
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_HTTP_RETRIES": "0",
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_")) and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    arguments = [str(SCRIPT), "--venv", str(tmp_path / "venv"), "--extras", ""]
    result = subprocess.run(
        [sys.executable, *arguments],
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("tandem: The package index cannot be reached.")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "venv" / bootstrap.STAMP).exists()


def test_the_lock_pins_torch_for_every_platform_and_covers_all_extras() -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert "torch==2.13.0" in lock
    pins = [line for line in lock if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^+\s@]+( ;.*)?", line) for line in pins)
    names = {re.split(r"[=\[]", line)[0] for line in pins}
    wanted = re.findall(
        r'^ {0,2}"?([A-Za-z0-9-]+)(?:\[[a-z,-]+\])?[>=]=',
        (ROOT / "pyproject.toml").read_text(),
        re.M,
    )
    assert {name.lower() for name in wanted} - {"hatchling"} <= names
