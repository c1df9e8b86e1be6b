"""PostgreSQL and Redis of one data folder: `start(var)` gives their addresses and `stop()`.

    services = start(Path("var"))
    services.database_url, services.broker_url
    services.stop()

One process holds a data folder at a time (a lock file); others find the addresses with
`running(var)`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedded import binaries
from embedded.errors import EmbeddedError
from embedded.owner import ROOT, Owner, choose_owner, require_reachable, require_writable
from embedded.postgres import Postgres, data_version
from embedded.redis_server import RedisServer

# An address of a unix socket holds 107 bytes; PostgreSQL's file name is the longest one.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"
SHORT_FOLDER = Path("/tmp")  # noqa: S108  (a private folder is made inside)
SHORT_PREFIX = "tandem-sockets-"
STATE = "services.json"
ADDRESSES = ("DATABASE_URL", "BROKER_URL", "TANDEM_VAR")
MINIMUM_FREE_BYTES = 300_000_000


def default_var() -> Path:
    """The data folder: TANDEM_VAR, else `var/` in the checkout."""
    return Path(os.environ.get("TANDEM_VAR") or ROOT / "var").absolute()


@dataclass
class Services:
    """A running PostgreSQL and Redis; `stop` ends both and releases the data folder."""

    var: Path
    owner: Owner
    postgres: Postgres
    redis: RedisServer
    sockets: Path
    lock: IO[str]

    @property
    def database_url(self) -> str:
        """For DATABASE_URL."""
        return self.postgres.url

    @property
    def broker_url(self) -> str:
        """For BROKER_URL."""
        return self.redis.url

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use these services."""
        return {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "TANDEM_VAR": str(self.var),
        }

    def stop(self) -> None:
        """Stop both servers; safe to call twice."""
        self.redis.stop()
        self.postgres.stop()
        if self.lock.closed:
            return
        with self.owner.acting():
            (self.var / "run" / STATE).unlink(missing_ok=True)
        self.owner.remove_folder(self.sockets)
        self.lock.close()


def start(var: Path, *, durable: bool = True) -> Services:
    """Start both servers on the data folder `var`, which is made if there is none.

    Raises EmbeddedError, with everything stopped again, where that is not possible.
    """
    var = var.absolute()
    source = binaries.wanted_source()
    owner = prepare_folders(var)
    lock = take_lock(var, owner)
    sockets: Path | None = None
    started: list[Postgres | RedisServer] = []
    try:
        remove_left_sockets(var, owner)
        write_state(var, owner, {})
        require_disk(var)
        postgres_binaries = binaries.find_postgres(source, data_version(var))
        redis_binary = binaries.find_redis(source)
        for program in (postgres_binaries.postgres, redis_binary.path):
            require_reachable(owner, program)
        sockets = make_socket_folder(var, owner)
        postgres = Postgres(postgres_binaries, var, sockets, owner, durable)
        redis = RedisServer(redis_binary, var, sockets, owner)
        for server in (postgres, redis):
            started.append(server)
            server.start()
        services = Services(var, owner, postgres, redis, sockets, lock)
        write_state(var, owner, {"sockets": str(sockets), **services.environment})
    except BaseException:
        for server in started:
            server.stop()
        if sockets:
            owner.remove_folder(sockets)
        lock.close()
        raise
    return services


def running(var: Path) -> dict[str, str] | None:
    """The environment of services another process runs on `var`; None where there are none.

    Empty while they are still starting.
    """
    try:
        with take_lock(var, choose_owner(var)):
            return None
    except (FileNotFoundError, PermissionError):
        return None  # never started here, or not by this user: `start` tells
    except EmbeddedError:
        state = read_state(var)
        return {name: state[name] for name in ADDRESSES if name in state}


def prepare_folders(var: Path) -> Owner:
    """Make `var` with the folders inside, owned by the user that everything runs as."""
    owner = choose_owner(var)
    require_reachable(owner, var)
    var.mkdir(parents=True, mode=0o755, exist_ok=True)
    # Folders that root made here by hand; directories only, they cannot be links to elsewhere.
    for folder in [var, *var.iterdir()]:
        if folder.is_dir() and folder.lstat().st_uid == 0:
            owner.give(folder)
    require_writable(var, owner)
    for name in ("run", "log", "cache", "home"):
        owner.make_folder(var / name)
    return owner


def require_disk(var: Path) -> None:
    """Refuse to start on a disk that is about to be full."""
    free = shutil.disk_usage(var).free
    if free < MINIMUM_FREE_BYTES:
        raise EmbeddedError(
            f"The disk of {var} is nearly full ({free // 1_000_000} MB free, at least "
            f"{MINIMUM_FREE_BYTES // 1_000_000} MB are needed). Free some space or set TANDEM_VAR."
        )


def take_lock(var: Path, owner: Owner) -> IO[str]:
    """Hold the data folder for this process; the system releases it when the process ends."""
    with owner.acting():
        stream = (var / "run" / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise EmbeddedError(
            f"Tandem already runs on {var}{process_note(var)}. Stop it with `make stop`, or "
            "choose another data folder with TANDEM_VAR."
        ) from None
    return stream


def process_note(var: Path) -> str:
    """The process that holds the data folder, as far as it is known."""
    pid = read_state(var).get("pid")
    return f" (process {pid})" if pid else ""


def make_socket_folder(var: Path, owner: Owner) -> Path:
    """A folder only `owner` can enter, with a path short and plain enough for a socket's URL."""
    folder = var / "run" / "sockets"
    length = len(os.fsencode(f"{folder}{LONGEST_SOCKET_NAME}"))
    if length <= SOCKET_PATH_BYTES and re.fullmatch(r"[\w./+-]+", str(folder), re.ASCII):
        return owner.make_folder(folder)
    with owner.acting():
        return Path(tempfile.mkdtemp(prefix=SHORT_PREFIX, dir=SHORT_FOLDER))


def write_state(var: Path, owner: Owner, state: dict[str, str]) -> None:
    """Tell other processes who holds the folder and where the services are."""
    path = var / "run" / STATE
    partial = path.with_suffix(".partial")
    with owner.acting():
        partial.write_text(json.dumps({"pid": str(os.getpid()), **state}), encoding="utf-8")
        partial.replace(path)


def read_state(var: Path) -> dict[str, str]:
    """What the last start wrote; empty where there is nothing readable."""
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((var / "run" / STATE).read_text(encoding="utf-8"))
        if isinstance(state, dict):
            return {str(name): str(value) for name, value in state.items()}
    return {}


def remove_left_sockets(var: Path, owner: Owner) -> None:
    """Remove the short socket folder of a supervisor that was killed."""
    left = Path(read_state(var).get("sockets", "/"))
    if left.parent == SHORT_FOLDER and left.name.startswith(SHORT_PREFIX):
        owner.remove_folder(left)
