"""Where the address and the token are kept between calls of the command line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import TandemError


@dataclass(frozen=True)
class Login:
    """A server and a token for it."""

    url: str
    token: str


def path() -> Path:
    """The file that keeps a login; only its owner can read it."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "tandem" / "login.json"


def remember(login: Login) -> Path:
    """Keep a login; returns the file."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = file.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(asdict(login), opened)
    partial.replace(file)
    return file


def forget() -> bool:
    """Whether there was a login to forget."""
    there = path().is_file()
    path().unlink(missing_ok=True)
    return there


def find(url: str | None = None, token: str | None = None) -> Login:
    """What was given, else TANDEM_URL and TANDEM_TOKEN, else what `tandem login` kept.

    A token that was kept for one server is never sent to another.

    Raises:
        TandemError: nothing says where to go, or with which token.
    """
    url = url or os.environ.get("TANDEM_URL")
    token = token or os.environ.get("TANDEM_TOKEN")
    if url and token:
        return Login(url.rstrip("/"), token)
    kept = _kept()
    if kept is None or (url and kept.url != url.rstrip("/")):
        raise TandemError(
            "You are not logged in: run `tandem login URL`, or set TANDEM_URL and TANDEM_TOKEN. "
            "A token is made on the page Access tokens of your account."
        )
    return Login(kept.url, token or kept.token)


def _kept() -> Login | None:
    try:
        values = json.loads(path().read_text(encoding="utf-8"))
        return Login(str(values["url"]), str(values["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TandemError(f"{path()} cannot be read: run `tandem login` again.") from error
