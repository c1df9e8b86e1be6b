"""An embedded Redis on a private socket, with its append-only file on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import redis

from embedded.binaries import RedisBinary
from embedded.errors import EmbeddedError
from embedded.owner import Owner
from embedded.processes import POLL_SECONDS, Child, Program, log_tail

START_SECONDS = 30.0


class RedisServer:
    """One data folder under `var/` and the server on it.

    The folder carries the major version, because an older Redis cannot read a newer one's file.
    A fresh one loses nothing: what must last is in PostgreSQL.
    """

    def __init__(self, binary: RedisBinary, var: Path, sockets: Path, owner: Owner) -> None:
        self.binary = binary
        self.data = var / f"redis-{binary.major}"
        self.socket = sockets / "redis.sock"
        self.owner = owner
        self.log = var / "log" / "redis.log"
        self.child = Child(self.server_program())

    @property
    def url(self) -> str:
        """The broker's address as Celery writes it."""
        return f"redis+socket://{self.socket}"

    def server_program(self) -> Program:
        """The server in the foreground, without a network port."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "loglevel": "notice",
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Program(
            name="redis",
            command=[str(self.binary.path), *flags],
            owner=self.owner,
            environment={"LC_ALL": "C", "PATH": os.defpath},
            folder=self.data.parent,
            log=self.log,
            prepare=self.clear_stale_socket,
        )

    def clear_stale_socket(self) -> None:
        """Remove the socket of a server that was killed, so that waiting means the new one."""
        with self.owner.acting():
            self.socket.unlink(missing_ok=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.owner.make_folder(self.data)
        self.child.start()
        self.wait_ready()

    def stop(self) -> None:
        """Shut down cleanly."""
        self.child.stop()

    def wait_ready(self) -> None:
        """Wait until the server has read its file and answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.answers():
                return
            if not self.child.running():
                raise EmbeddedError(f"Redis did not start: {log_tail(self.log)} (see {self.log})")
            time.sleep(POLL_SECONDS)
        raise EmbeddedError(f"Redis did not answer in {START_SECONDS:.0f} s (see {self.log}).")

    def answers(self) -> bool:
        """Whether a ping succeeds."""
        with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
