"""The habits of the code base, checked by the tools that know them: `make lint` as tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.prefix) / "bin"

CHECKS = {
    "ruff check": [TOOLS / "ruff", "check", "--no-cache", "."],
    "ruff format": [TOOLS / "ruff", "format", "--no-cache", "--check", "."],
    "mypy": [TOOLS / "mypy", "."],
    "djlint": [TOOLS / "djlint", "--check", "--lint", "--quiet", "frontend"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_check_is_clean(name: str) -> None:
    result = subprocess.run(
        list(map(str, CHECKS[name])), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout[-8000:]}\n{result.stderr[-2000:]}"


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_ci_calls_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if line and line[0] != "#"]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]
    assert script.stat().st_mode & 0o111
