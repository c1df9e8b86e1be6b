"""PostgreSQL and Redis start, keep their data and stop, from both sources of programs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from embedded import binaries, services
from embedded.errors import EmbeddedError
from embedded.processes import process_status
from tests.embedded.conftest import run_program, skip_without_open_python

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_data_survives_a_stop(var: Path, source: str) -> None:
    first = services.start(var)
    try:
        assert first.postgres.binaries.source == source
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('Größe 大小')")
        with redis.Redis(unix_socket_path=str(first.redis.socket)) as client:
            client.rpush("queue", "ring")
    finally:
        first.stop()
    second = services.start(var)
    try:
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("SELECT word FROM kept").fetchall() == [("Größe 大小",)]
        with redis.Redis(unix_socket_path=str(second.redis.socket)) as client:
            assert client.lrange("queue", 0, -1) == [b"ring"]
    finally:
        second.stop()


def test_only_the_owner_can_connect_and_the_application_is_no_superuser(var: Path) -> None:
    running = services.start(var, durable=False)
    try:
        for folder in (running.sockets, running.postgres.data):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert running.sockets.stat().st_uid != 0
        with psycopg.connect(running.database_url) as connection:
            query = "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
            assert connection.execute(query).fetchone() == ("tandem", False)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    finally:
        running.stop()


def test_durable_by_default(var: Path) -> None:
    running = services.start(var)
    try:
        with psycopg.connect(running.database_url) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        with redis.Redis(unix_socket_path=str(running.redis.socket)) as client:
            assert client.config_get("appendonly") == {"appendonly": "yes"}
    finally:
        running.stop()


def test_stop_leaves_nothing(var: Path) -> None:
    running = services.start(var, durable=False)
    processes = [running.postgres.child.pid, running.redis.child.pid]
    assert services.running(var) == running.environment
    running.stop()
    running.stop()
    assert [process_status(pid) for pid in processes] == [None, None]
    assert services.running(var) is None
    assert not running.sockets.exists()


def test_one_process_holds_a_data_folder(var: Path) -> None:
    running = services.start(var, durable=False)
    try:
        with pytest.raises(EmbeddedError, match=rf"already runs on {var} \(process {os.getpid()}"):
            services.start(var)
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        running.stop()


def test_a_long_or_odd_path_gets_a_short_socket_folder(var: Path) -> None:
    deep = var / ("long & odd 大 " * 7)
    deep.parent.mkdir()
    running = services.start(deep, durable=False)
    try:
        assert running.sockets.parent == Path("/tmp")
        assert stat.S_IMODE(running.sockets.stat().st_mode) == 0o700
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        running.stop()
    assert not running.sockets.exists()


def test_another_major_version_is_refused(var: Path) -> None:
    running = services.start(var, durable=False)
    running.stop()
    (running.postgres.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 12, which is not found"):
        services.start(var)
    assert services.running(var) is None


def test_an_unknown_source_is_refused(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_EMBEDDED_BINARIES", "container")
    with pytest.raises(EmbeddedError, match="must be one of auto, system, wheels"):
        services.start(var)
    assert not var.exists()


def test_the_wheels_are_not_taken_for_the_system() -> None:
    for found in binaries.all_redis():
        inside = "site-packages" in found.path.parts
        assert inside == (found.source == "wheels")


def test_an_ordinary_user_runs_everything(var: Path) -> None:
    """As root: the same start by user 65534 itself, without any change of user."""
    skip_without_open_python()
    user = 65534 if os.geteuid() == 0 else None
    if user is not None:
        os.chown(var.parent, user, user)
    code = "import os, sys; print('uid', os.getuid(), os.environ['DATABASE_URL'])"
    status, output = run_program(
        var, ["-m", "embedded", "run", "--", "python3", "-c", code], user=user
    )
    assert status == 0, output
    assert f"uid {os.geteuid() if user is None else user} postgres:///tandem?host=" in output
