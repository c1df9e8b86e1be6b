"""Who everything runs as, and which closed folder stands in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedded import owner, services
from embedded.errors import EmbeddedError
from embedded.owner import Owner

NOBODY = Owner(65534, 65534, "nobody", dropped=True)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")


def test_the_closed_folder_is_named(var: Path) -> None:
    closed = var.parent / "closed"
    (closed / "inside").mkdir(parents=True)
    closed.chmod(0o700)
    if os.geteuid() == 0:
        assert owner.closed_folder(NOBODY, closed / "inside" / "later") == closed
        with pytest.raises(EmbeddedError, match=f"'nobody', who cannot enter {closed} "):
            owner.require_reachable(NOBODY, closed / "inside")
    closed.chmod(0o711)
    assert owner.closed_folder(NOBODY, closed / "inside" / "later") is None


def test_a_user_that_is_not_dropped_needs_no_open_folders(var: Path) -> None:
    var.mkdir(mode=0o700)
    caller = Owner(os.geteuid(), os.getegid(), "me", dropped=False)
    assert owner.closed_folder(caller, var) is None
    assert caller.popen_arguments() == {}


@needs_root
def test_root_becomes_the_owner_of_the_data_folder(var: Path) -> None:
    var.mkdir()
    os.chown(var, 12345, 23456)
    assert owner.choose_owner(var) == Owner(12345, 23456, "12345", dropped=True)


@needs_root
def test_root_becomes_the_named_user(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_USER", "daemon")
    assert owner.choose_owner(var).name == "daemon"
    for name, words in (
        ("root", "unprivileged user, not root"),
        ("no-such-one", "no user 'no-such"),
    ):
        monkeypatch.setenv("TANDEM_USER", name)
        with pytest.raises(EmbeddedError, match=words):
            owner.choose_owner(var)


@needs_root
def test_a_closed_data_folder_is_refused_before_anything_is_made(var: Path) -> None:
    var.parent.chmod(0o700)
    with pytest.raises(EmbeddedError, match=f"cannot enter {var.parent} .*TANDEM_VAR"):
        services.start(var)
    assert not var.exists()


@needs_root
def test_root_writes_logs_as_the_user_so_a_planted_link_gains_nothing(var: Path) -> None:
    """The user owns the log folder and may put a link there; root must not write through it."""
    running_as = services.prepare_folders(var)
    secret = var.parent / "secret"
    secret.write_text("kept")
    secret.chmod(0o600)
    (var / "log" / "postgres.log").symlink_to(secret)
    with pytest.raises(PermissionError):
        services.start(var, durable=False)
    assert secret.read_text() == "kept"
    assert os.geteuid() == 0
    assert running_as.uid != 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_foreign_data_folder_is_refused() -> None:
    with pytest.raises(EmbeddedError, match="belongs to 'root'"):
        owner.choose_owner(Path("/etc/tandem"))
