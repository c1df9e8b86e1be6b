"""An embedded PostgreSQL: made once, started in the foreground on a private socket."""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import time
from pathlib import Path

import psycopg

from embedded.binaries import PostgresBinaries
from embedded.errors import EmbeddedError
from embedded.owner import Owner
from embedded.processes import POLL_SECONDS, Child, Program, log_tail, run_once

ROLE = "tandem"
DATABASE = "tandem"
SUPERUSER = "postgres"
START_SECONDS = 60.0  # crash recovery of a large database takes its time
ORPHAN_SECONDS = 30.0


class Postgres:
    """One data folder under `var/` and the server on it."""

    def __init__(
        self, binaries: PostgresBinaries, var: Path, sockets: Path, owner: Owner, durable: bool
    ) -> None:
        self.binaries = binaries
        self.data = var / "postgres"
        self.sockets = sockets
        self.owner = owner
        self.environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath, "HOME": str(var)}
        self.log = var / "log" / "postgres.log"
        self.child = Child(self.server_program(durable))

    @property
    def url(self) -> str:
        """The application's connection string."""
        return self.url_for(ROLE, DATABASE)

    def url_for(self, role: str, database: str) -> str:
        """A connection string over the private socket."""
        return f"postgres:///{database}?host={self.sockets}&user={role}"

    def server_program(self, durable: bool) -> Program:
        """The server in the foreground. SIGINT is PostgreSQL's fast, clean shutdown.

        Without `durable` commits do not wait for the disk: for test runs only.
        """
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[str(self.binaries.postgres), "-D", str(self.data), *flags],
            owner=self.owner,
            environment=self.environment,
            folder=self.data.parent,
            log=self.log,
            stop_signal=signal.SIGINT,
            grace=30.0,
            prepare=self.clear_stale_lock,
        )

    def start(self) -> None:
        """Make the data folder if there is none, start the server, make role and database."""
        self.initialise()
        self.child.start()
        self.wait_ready()
        self.make_database()

    def stop(self) -> None:
        """Shut down cleanly."""
        self.child.stop()

    def initialise(self) -> None:
        """Run initdb beside the final place and rename, so a killed one leaves nothing half-made.

        No password: the only way in is a socket in a folder that is closed to other users.
        """
        if (self.data / "PG_VERSION").exists():
            return
        partial = self.data.with_name("postgres.partial")
        self.owner.remove_folder(partial)
        self.owner.make_folder(partial)
        result = run_once(
            Program(
                name="initdb",
                command=[
                    *(str(self.binaries.initdb), "-D", str(partial), "-U", SUPERUSER),
                    *("--encoding=UTF8", f"--locale={utf8_locale()}"),
                    *("--auth-local=trust", "--auth-host=reject"),
                ],
                owner=self.owner,
                environment=self.environment,
                folder=self.data.parent,
            )
        )
        if result.returncode != 0:
            self.owner.remove_folder(partial)
            raise EmbeddedError(
                f"PostgreSQL could not make its data folder: {reason(result.stdout)}"
            )
        with self.owner.acting():
            partial.rename(self.data)

    def clear_stale_lock(self) -> None:
        """Remove the lock file of a server that is gone; end a server left without its parent.

        After a crash the number in it may belong to any process. PostgreSQL believes it where the
        user is the same, so ask what that process is: ours is called postgres and works in our
        data folder. No other process is ever touched.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0])
        except FileNotFoundError:
            return
        except (ValueError, UnicodeDecodeError):
            pid = 0
        if pid > 0 and self.is_our_server(pid):
            self.end_orphan(pid)
        with self.owner.acting():
            lock.unlink(missing_ok=True)

    def is_our_server(self, pid: int) -> bool:
        """Whether a process is a PostgreSQL server on this data folder."""
        process = Path(f"/proc/{pid}")
        if not Path("/proc/self").exists():
            return True  # no way to ask here: leave the decision to PostgreSQL
        try:
            name = (process / "comm").read_text(encoding="utf-8").strip()
            return name == "postgres" and (process / "cwd").readlink() == self.data.resolve()
        except OSError:
            return False

    def end_orphan(self, pid: int) -> None:
        """Shut down a server whose supervisor is gone and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + ORPHAN_SECONDS
        while self.is_our_server(pid):
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"An older PostgreSQL (process {pid}) still uses {self.data}. End it with "
                    f"`kill -INT {pid}` and start again."
                )
            time.sleep(POLL_SECONDS)

    def wait_ready(self) -> None:
        """Wait until the server answers; one that ends first is started again for a while.

        Right after a kill its old children still hold the shared memory for a moment, and the
        new server refuses to start until they are gone.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.answers():
                return
            if not self.child.running():
                tail = log_tail(self.log, lines=4)
                if "shared memory block" not in tail and "is in use" not in tail:
                    raise EmbeddedError(
                        f"PostgreSQL did not start: {reason(tail)} (see {self.log})"
                    )
                time.sleep(10 * POLL_SECONDS)
                self.child.start()
            time.sleep(POLL_SECONDS)
        raise EmbeddedError(f"PostgreSQL did not answer in {START_SECONDS:.0f} s (see {self.log}).")

    def answers(self) -> bool:
        """Whether a connection succeeds."""
        try:
            psycopg.connect(self.url_for(SUPERUSER, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def make_database(self) -> None:
        """Make the application's role (no superuser) and its database where they are missing."""
        url = self.url_for(SUPERUSER, "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]
            ).fetchone():
                connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def data_version(var: Path) -> int | None:
    """The major version that made the data folder under `var`; None where there is none."""
    try:
        return int((var / "postgres" / "PG_VERSION").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def utf8_locale() -> str:
    """A locale with UTF-8 characters and byte order sorting, or plain C where there is none."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def reason(output: str) -> str:
    """The line of PostgreSQL's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["no output"])[0]
