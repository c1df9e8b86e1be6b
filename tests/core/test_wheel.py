"""The wheel holds every package with its data files, works by itself, and holds nothing else."""

import email
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
INFO = "tandem-{}.dist-info/".format(PROJECT["project"]["version"])
UNREACHABLE = re.compile(r"Failed to establish|No matching distribution|Network|timed out|resolve")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this checkout, built with the hatchling that is here or can be had."""
    folder = tmp_path_factory.mktemp("wheel")
    here = importlib.util.find_spec("hatchling") is not None
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"),
            *(["--no-build-isolation"] if here else ["--retries", "0", "--timeout", "10"]),
            *("--wheel-dir", str(folder), str(ROOT)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not here and UNREACHABLE.search(done.stderr):
        pytest.skip("hatchling is not installed here and the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def files_of(package: str) -> set[str]:
    """The files of a package as the wheel names them: without `platform/`, without caches."""
    folder = ROOT / package
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_it_holds_every_file_of_every_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if not name.startswith(INFO)}
    wanted = set().union(*(files_of(package) for package in PACKAGES))
    assert sorted(inside - wanted) == []
    assert sorted(wanted - inside) == []


def test_every_folder_with_python_is_one_of_the_packages() -> None:
    """A new room that pyproject.toml forgets would be missing from the wheel without a word."""
    here = [path.parent for path in ROOT.glob("*/__init__.py")]
    here += [path.parent for path in ROOT.glob("platform/*/__init__.py")]
    rooms = {path.relative_to(ROOT).as_posix() for path in here}
    assert rooms - {"tests"} == set(PACKAGES)


@pytest.mark.parametrize(
    ("folder", "ending"),
    [
        ("annotation/instances/embedded", ".jsonl"),
        ("frontend/templates", ".html"),
        ("frontend/static", ".css"),
        ("frontend/static", ".js"),
        ("annotation/migrations", ".py"),
    ],
)
def test_data_files_are_inside(wheel: zipfile.ZipFile, folder: str, ending: str) -> None:
    names = [PurePosixPath(name) for name in wheel.namelist()]
    found = [n for n in names if n.suffix == ending and PurePosixPath(folder) in n.parents]
    assert len(found) == sum(1 for _ in (ROOT / folder).rglob(f"*{ending}")) > 0


def test_without_extras_it_asks_for_no_torch(wheel: zipfile.ZipFile) -> None:
    metadata = email.message_from_bytes(wheel.read(f"{INFO}METADATA"))
    asked = metadata.get_all("Requires-Dist", [])
    torch = [line for line in asked if re.match(r"(torch|transformers|peft|accelerate)\b", line)]
    assert len(torch) == 4
    assert all("extra == 'train'" in line for line in torch)
    assert metadata["License-Expression"] == "Apache-2.0"


def test_unpacked_elsewhere_django_checks_it(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """With the unpacked wheel first on the path, settings, apps, routes and templates load."""
    wheel.extractall(tmp_path)
    code = (
        "import sys, core, django\n"
        "from django.core.management import call_command\n"
        "django.setup(); call_command('check')\n"
        "from annotation.instances.simulation import load_embedded\n"
        "from django.template.loader import get_template\n"
        "assert len(list(load_embedded())) >= 120; get_template('base.html')\n"
        "print(core.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "only-for-tests",
            "DATABASE_URL": "postgres:///unused",
            "TANDEM_VAR": str(tmp_path / "var"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(tmp_path)
