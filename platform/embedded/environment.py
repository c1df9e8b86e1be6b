"""The environment of the processes: addresses, secret, caches, and hosts that may be asked for."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from embedded.owner import ROOT, Owner
from embedded.services import Services

# Marks every process of a supervised run with its data folder, so that a later start finds and
# ends what a killed supervisor may have left.
MARK = "TANDEM_SUPERVISED"


def process_environment(services: Services, host: str) -> dict[str, str]:
    """What web, workers and commands see; the caller's own settings win where they make sense."""
    inherited = dict(os.environ)
    inherited.setdefault("ALLOWED_HOSTS", ",".join(allowed_hosts(host)))
    if services.owner.dropped:
        inherited.setdefault("PYTHONPYCACHEPREFIX", str(services.var / "cache" / "pycache"))
        inherited |= private_folders(services.var)
    return command_environment(services.environment, services.var, services.owner, inherited) | {
        MARK: str(services.var)
    }


def command_environment(
    addresses: dict[str, str], var: Path, owner: Owner, inherited: dict[str, str]
) -> dict[str, str]:
    """The environment of a command that uses the services."""
    environment = inherited | addresses
    environment["DJANGO_SETTINGS_MODULE"] = inherited.get(
        "DJANGO_SETTINGS_MODULE", "config.settings"
    )
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.prefix) / "bin"), inherited.get("PATH", os.defpath)]
    )
    if "SECRET_KEY" not in environment and "SECRET_KEY_FILE" not in environment:
        environment["SECRET_KEY_FILE"] = str(secret_key_file(var, owner))
    return environment


def foreground_environment(environment: dict[str, str]) -> dict[str, str]:
    """For a command on the terminal: readable log lines, and only those that matter."""
    return {"LOG_JSON": "0", "LOG_LEVEL": "WARNING"} | environment


def private_folders(var: Path) -> dict[str, str]:
    """Home and caches of the unprivileged user, who may write nowhere else."""
    return {
        "HOME": str(var / "home"),
        "XDG_CACHE_HOME": str(var / "cache"),
        "HF_HOME": str(var / "cache" / "huggingface"),
        "PYTHONDONTWRITEBYTECODE": "",
        "USER": "",
        "LOGNAME": "",
    }


def secret_key_file(var: Path, owner: Owner) -> Path:
    """The file of the signing key, made at the first start and readable by its owner only."""
    path = var / "secret_key"
    with owner.acting():
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_urlsafe(50), encoding="utf-8")
            partial.rename(path)
    return path


def allowed_hosts(host: str) -> list[str]:
    """The names under which a server bound to `host` is asked for."""
    hosts = ["127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host]
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  (every address of this machine)
        name = socket.gethostname()
        hosts += [name, socket.getfqdn(), *addresses_of(name)]
    return [name for name in dict.fromkeys(hosts) if name not in ("", "0.0.0.0", "[::]")]  # noqa: S104


def addresses_of(name: str) -> list[str]:
    """The network addresses of a host name; empty where it has none."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        return []
    return sorted(f"[{address}]" if ":" in address else address for address in found)
