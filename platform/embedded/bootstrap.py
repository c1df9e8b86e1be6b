"""Make `.venv` and install Tandem into it: `python3 platform/embedded/bootstrap.py --extras train`.

Runs before anything is installed, so it uses the standard library only. Prints what it does, one
line a step; every failure is one line that says what to do. A stamp in `.venv` makes a second run
with the same lock file take no time.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MINIMUM = (3, 11)
STAMP = "tandem-install.json"
GIGABYTE = 1_000_000_000
# What an installation occupies while it runs: packages, byte code and the installer's copies.
NEEDED_BYTES = {"train": 3 * GIGABYTE, "dev": GIGABYTE, "embedded": GIGABYTE // 2}
HEARTBEAT_SECONDS = 15

# The first pattern found in the installer's output decides the line that is shown.
KNOWN_FAILURES = (
    (
        r"No space left on device|os error 28|Errno 28|Disk quota exceeded",
        "The disk is full. Free some space (about 3 GB are needed) and run the command again.",
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution|dns error"
        r"|Name or service not known|Network is unreachable|Connection refused|timed out"
        r"|error sending request|Could not connect|ProxyError",
        "The package index cannot be reached. Check the network or the proxy (HTTPS_PROXY), or "
        "point PIP_INDEX_URL at an index that can be reached, and run the command again.",
    ),
    (
        r"command '[^']*(gcc|cc|clang|g\+\+)[^']*' failed|No such file or directory: '[^']*(gcc|cc)"
        r"|error: linker|C compiler cannot|Unable to find a compiler|cl\.exe",
        "A package has no ready-made build for this Python and no C compiler was found. Install "
        "one (for example `apt-get install build-essential`) or use Python 3.11, 3.12 or 3.13.",
    ),
    (
        r"Permission denied|Errno 13|os error 13",
        "The folder .venv cannot be written. Delete it, or give this user the right to write it.",
    ),
    (
        r"No matching distribution found|No solution found|ResolutionImpossible"
        r"|no wheels with a matching",
        "No build of a pinned package fits this Python and system. Use Python 3.11, 3.12 or 3.13 "
        "on a 64-bit system, and check that the package index offers every pinned version.",
    ),
)


class BootstrapError(Exception):
    """A failure that one line explains; carries that line."""


def main(arguments: list[str] | None = None) -> int:
    """Install what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make .venv and install Tandem into it.")
    parser.add_argument("--extras", default="embedded", help="extras, separated by commas")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where to install")
    options = parser.parse_args(arguments)
    extras = sorted({name for name in re.split(r"[,\s]+", options.extras) if name})
    try:
        with alone_in(options.venv.absolute().parent):
            ensure_installed(options.venv.absolute(), extras)
    except BootstrapError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tandem: {explain_os_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tandem: stopped; run the command again to continue.", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait for another installation in this folder: two would delete each other's work.

    The lock is on the folder itself, leaves no file, and ends with the process. Where a file
    system has no such locks, nobody waits.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another installation in {folder}.", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def ensure_installed(venv: Path, extras: list[str]) -> None:
    """Bring `venv` to the state of the lock file with at least these extras."""
    if sys.version_info < MINIMUM:
        found = ".".join(str(part) for part in sys.version_info[:3])
        raise BootstrapError(
            f"Python 3.11 or newer is needed, this is {found} ({sys.executable}). "
            "Install a newer one and name it: make demo PYTHON=/path/to/python3.11"
        )
    reason = reason_to_rebuild(venv)
    stamp = {} if reason else read_stamp(venv)
    fingerprint = lock_fingerprint()
    installed = set(stamp.get("extras", []))
    if stamp.get("fingerprint") == fingerprint and set(extras) <= installed:
        return
    wanted = sorted(set(extras) | installed)
    require_disk(venv.parent, wanted)
    if reason:
        rebuild(venv, reason)
    started = time.monotonic()
    install(venv, wanted)
    write_stamp(venv, fingerprint, wanted)
    print(f"Installed into {venv} in {time.monotonic() - started:.0f} s.", flush=True)


def lock_fingerprint() -> str:
    """SHA-256 over everything that decides what is installed, except the extras."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "requirements.lock"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamp(venv: Path) -> dict[str, Any]:
    """The stamp of the last complete installation; empty where there is none."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(venv: Path, fingerprint: str, extras: list[str]) -> None:
    """Record a complete installation; written last, so a killed one leaves no stamp."""
    stamp = {"fingerprint": fingerprint, "extras": extras, "venv": str(venv), "root": str(ROOT)}
    (venv / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def reason_to_rebuild(venv: Path) -> str:
    """Why `venv` cannot be used as it is; empty when it can."""
    if not venv.exists():
        return "there is none yet"
    stamp = read_stamp(venv)
    if stamp and (stamp.get("venv") != str(venv) or stamp.get("root") != str(ROOT)):
        return "the folder was copied or moved"
    probe = probe_python(venv / "bin" / "python")
    if probe is None:
        return "its Python does not run"
    if probe.version < MINIMUM:
        return "its Python is too old"
    if not reachable_after_drop(probe.prefix) and best_python() is not None:
        return f"its Python in {probe.prefix} is closed to the unprivileged user"
    return ""


def rebuild(venv: Path, reason: str) -> None:
    """Make an empty virtual environment at `venv`, replacing whatever is there."""
    python = best_python() or sys.executable
    print(f"Creating {venv} with {python} ({reason}).", flush=True)
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)
    result = quiet([python, "-m", "venv", str(venv)])
    if result.returncode == 0:
        return
    shutil.rmtree(venv, ignore_errors=True)
    uv = working_uv(None)
    if uv and quiet([uv, "venv", "--python", python, str(venv)]).returncode == 0:
        return
    if "No space left" in result.stdout:
        raise BootstrapError(KNOWN_FAILURES[0][1])
    raise BootstrapError(
        f"{python} cannot make a virtual environment. Install its venv module "
        "(for example `apt-get install python3-venv`) and run the command again."
    )


class Probe:
    """What a Python interpreter says about itself."""

    def __init__(self, version: tuple[int, ...], prefix: Path) -> None:
        self.version = version
        self.prefix = prefix


def probe_python(python: Path | str) -> Probe | None:
    """Version and base prefix of an interpreter; None where it does not run (as a dead shim)."""
    code = "import sys, venv; print(*sys.version_info[:2]); print(sys.base_prefix)"
    try:
        result = quiet([str(python), "-c", code], timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = result.stdout.splitlines()
    if result.returncode != 0 or len(lines) < 2:
        return None
    return Probe(tuple(int(part) for part in lines[-2].split()), Path(lines[-1]))


def best_python() -> str | None:
    """The interpreter for `.venv`: this one, or as root one that an unprivileged user can run.

    Root drops to an unprivileged user, who cannot start a Python below a closed folder such as
    another user's home. None where no interpreter will do.
    """
    names = ["python3", "python3.13", "python3.12", "python3.11"]
    folders = [Path(part) for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
    found = [str(folder / name) for name in names for folder in folders]
    running = getattr(sys, "_base_executable", sys.executable)  # not the .venv's own copy
    for python in [running, *found]:
        if python and os.access(python, os.X_OK) and not is_virtual(python):
            probe = probe_python(python)
            if probe and probe.version >= MINIMUM and reachable_after_drop(probe.prefix):
                return python
    return None


def is_virtual(python: str) -> bool:
    """Whether an interpreter belongs to a virtual environment."""
    return (Path(python).parent.parent / "pyvenv.cfg").exists()


def reachable_after_drop(path: Path) -> bool:
    """Whether the user that root drops to can enter `path`; always true when not root."""
    if os.geteuid() != 0 or ROOT.stat().st_uid != 0:
        return True
    real = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in [real, *real.parents])


def require_disk(folder: Path, extras: list[str]) -> None:
    """Refuse before starting what cannot end well."""
    needed = sum(NEEDED_BYTES.get(name, 0) for name in extras) + GIGABYTE // 2
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BootstrapError(
            f"{folder} has {free / GIGABYTE:.1f} GB free, the installation needs about "
            f"{needed / GIGABYTE:.1f} GB. Free some space and run the command again."
        )


def install(venv: Path, extras: list[str]) -> None:
    """Install this checkout with its pinned dependencies, with uv when it can be had, else pip."""
    python = str(venv / "bin" / "python")
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    wanted = ["-c", str(ROOT / "requirements.lock"), "-e", target]
    environment = install_environment()
    uv = working_uv(venv)
    log = venv / "install.log"
    print(f"Installing {', '.join(extras) or 'tandem'} with {'uv' if uv else 'pip'}.", flush=True)
    if uv:
        environment = {**uv_settings(pip_settings(python)), **environment}
        command = [uv, "pip", "install", "--python", python, *wanted]
        if run_logged(command, environment, log):
            return
        line = explain(log.read_text(encoding="utf-8", errors="replace"))
        if line in (KNOWN_FAILURES[0][1], KNOWN_FAILURES[1][1]):
            raise BootstrapError(f"{line} (details: {log})")
        print("uv could not install; trying pip.", flush=True)
    if not run_logged([python, "-m", "pip", "install", *wanted], environment, log):
        line = explain(log.read_text(encoding="utf-8", errors="replace"))
        raise BootstrapError(f"{line} (details: {log})")


def install_environment() -> dict[str, str]:
    """The environment of the installer, with a cache folder that this user can write."""
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    holder = next((p for p in [cache, *cache.parents] if p.exists()), Path("/"))
    if not os.access(holder, os.W_OK):
        environment["XDG_CACHE_HOME"] = str(ROOT / "var" / "cache")
        environment["PIP_CACHE_DIR"] = str(ROOT / "var" / "cache" / "pip")
    return environment


def working_uv(venv: Path | None) -> str | None:
    """A uv that runs: from PATH, else installed into `venv`; None where there is none."""
    candidates = [shutil.which("uv"), str(venv / "bin" / "uv") if venv else None]
    if runs := next((uv for uv in candidates if uv and version_runs(uv)), None):
        return runs
    if venv is None:
        return None
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    try:
        quiet([*pip, "install", "--quiet", "--retries", "1", "uv"], timeout=120)
    except subprocess.TimeoutExpired:
        return None
    return candidates[1] if candidates[1] and version_runs(candidates[1]) else None


def version_runs(program: str) -> bool:
    """Whether `program --version` succeeds."""
    try:
        return quiet([program, "--version"], timeout=20).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def pip_settings(python: str) -> dict[str, str]:
    """pip's effective settings by name; its environment variables win over its files."""
    result = quiet([python, "-m", "pip", "config", "list"])
    return parse_pip_settings(result.stdout if result.returncode == 0 else "")


def parse_pip_settings(text: str) -> dict[str, str]:
    """Read the lines of `pip config list`, such as `global.index-url='https://…'`."""
    settings: dict[str, str] = {}
    lines = sorted(text.splitlines(), key=lambda line: line.startswith(":env:"))
    for line in lines:
        match = re.match(r"^(?:global|install|:env:)\.([a-z-]+)=(['\"].*['\"])$", line)
        if match:
            settings[match.group(1)] = str(ast.literal_eval(match.group(2))).strip()
    return settings


def uv_settings(pip: dict[str, str]) -> dict[str, str]:
    """pip's settings as uv's environment variables: uv reads none of pip's configuration."""
    env: dict[str, str] = {}
    if pip.get("find-links"):
        env["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    if pip.get("index-url"):
        env["UV_DEFAULT_INDEX"] = pip["index-url"]
    if pip.get("extra-index-url"):
        env["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
        # pip takes the best version over all indexes; uv's default stops at the first.
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if pip.get("no-index", "").lower() in ("1", "true", "yes"):
        env["UV_NO_INDEX"] = "1"
    if pip.get("trusted-host"):
        env["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("cert"):
        env["SSL_CERT_FILE"] = pip["cert"]
    if pip.get("proxy"):
        env["HTTPS_PROXY"] = env["HTTP_PROXY"] = pip["proxy"]
    return env


def run_logged(command: list[str], environment: dict[str, str], log: Path) -> bool:
    """Run an installer with its output in `log`, saying now and then that it still runs."""
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    return process.wait(HEARTBEAT_SECONDS) == 0
                except subprocess.TimeoutExpired:
                    print(f"  … {time.monotonic() - started:.0f} s", flush=True)
        finally:
            process.terminate()


def explain(output: str) -> str:
    """One line for an installer's output: what failed and what to do."""
    for pattern, line in KNOWN_FAILURES:
        if re.search(pattern, output):
            return line
    errors = [line.strip() for line in output.splitlines() if "error" in line.lower()]
    last = errors[-1] if errors else "no error line"
    return f"The installation failed: {last[:300]}"


def explain_os_error(error: OSError) -> str:
    """One line for an error of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return KNOWN_FAILURES[0][1]
    return f"{error.strerror or error} ({error.filename}): check that this user may write there."


def quiet(command: list[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and keep its output (both streams together)."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
