"""The user everything runs as: the caller, or the unprivileged user that root drops to."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Owner:
    """A user by number. `dropped` is true where the caller is root and this user is not."""

    uid: int
    gid: int
    name: str
    dropped: bool

    def popen_arguments(self) -> dict[str, object]:
        """Arguments for `subprocess` that start the child as this user."""
        if not self.dropped:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Touch files as this user, so that root never follows a link planted in its folders."""
        if not self.dropped:
            yield
            return
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def give(self, folder: Path) -> None:
        """Make this user the owner of one folder."""
        if self.dropped:
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)

    def make_folder(self, path: Path) -> Path:
        """Create one folder that only this user can enter (parents must exist)."""
        with self.acting():
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def remove_folder(self, path: Path) -> None:
        """Remove a folder with all inside, if it exists."""
        with self.acting():
            shutil.rmtree(path, ignore_errors=True)


def choose_owner(var: Path) -> Owner:
    """The caller; for root, TANDEM_USER, else the owner of `var` or of the checkout, else nobody.

    Raises EmbeddedError where TANDEM_USER names no user, or where `var` belongs to another user.
    """
    if os.geteuid() != 0:
        owner = Owner(os.geteuid(), os.getegid(), user_name(os.geteuid()), dropped=False)
        require_writable(var, owner)
        return owner
    if name := os.environ.get("TANDEM_USER"):
        return named_owner(name)
    for folder in (var, ROOT):
        if folder.exists() and (status := folder.stat()).st_uid != 0:
            return Owner(status.st_uid, status.st_gid, user_name(status.st_uid), dropped=True)
    return named_owner("nobody")


def named_owner(name: str) -> Owner:
    """The user of that name; root itself is refused, because PostgreSQL refuses it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedError(
            f"There is no user '{name}'. Name an existing unprivileged user in TANDEM_USER."
        ) from None
    if entry.pw_uid == 0:
        raise EmbeddedError("TANDEM_USER must name an unprivileged user, not root.")
    return Owner(entry.pw_uid, entry.pw_gid, name, dropped=True)


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none (as in some containers)."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def require_writable(var: Path, owner: Owner) -> None:
    """Refuse a data folder that this user cannot write, naming the remedy."""
    holder = next(folder for folder in [var, *var.parents] if folder.exists())
    if not os.access(holder, os.W_OK | os.X_OK):
        belongs = user_name(holder.stat().st_uid)
        raise EmbeddedError(
            f"{holder} belongs to '{belongs}' and '{owner.name}' cannot write it. Run as "
            f"'{belongs}', or choose another folder: TANDEM_VAR=/path/to/folder"
        )


def require_reachable(owner: Owner, path: Path) -> None:
    """Refuse a path that the unprivileged user cannot enter, naming the closed folder."""
    if closed := closed_folder(owner, path):
        raise EmbeddedError(
            f"Root starts Tandem as the unprivileged user '{owner.name}', who cannot enter "
            f"{closed} (needed for {path}). Move that to an open folder such as /srv (the data "
            "folder: set TANDEM_VAR), or run as an ordinary user."
        )


def closed_folder(owner: Owner, path: Path) -> Path | None:
    """The outermost folder on the way to `path` (itself included) that `owner` cannot enter.

    Mode bits only: an access list that grants more is not seen.
    """
    if not owner.dropped:
        return None
    real = path.resolve()
    for folder in [*reversed(real.parents), real]:
        if folder.exists() and not may_enter(owner, folder.stat()):
            return folder
    return None


def may_enter(owner: Owner, status: os.stat_result) -> bool:
    """Whether the mode bits let `owner` search a folder or run a file."""
    if status.st_uid == owner.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == owner.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
