"""Running a check shut in: by bubblewrap or by user namespaces, never as a bare process."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Kind = Literal["bubblewrap", "namespaces"]
KINDS: tuple[Kind, ...] = ("bubblewrap", "namespaces")
HERE = Path(__file__).parent
LAUNCHER = HERE / "launcher.py"
# The program inside comes as text: its files may lie where nobody can read them.
SOURCES = {name: (HERE / f"{name}.py").read_text() for name in ("answers", "walls", "inside")}
START = """
import json, sys, types
sys.modules["verifier"] = types.ModuleType("verifier")
for name, text in json.loads(sys.argv[1]).items():
    module = sys.modules[f"verifier.{name}"] = types.ModuleType(f"verifier.{name}")
    module.__package__ = "verifier"
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
module.main()
"""
PROGRAM = ("-I", "-S", "-B", "-c", START, json.dumps(SOURCES))
# Libraries that the interpreter loads, where the system keeps them.
CACHE = Path("/etc/ld.so.cache")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
MEGABYTE = 1 << 20
START_SECONDS = 5.0
# The tests, and two controls.
MOST_RUNS = 3


class SandboxError(Exception):
    """The sandbox itself failed, or there is none; nothing was checked."""


class SandboxTimeout(SandboxError):
    """A check that runs no code did not come to an end."""


@dataclass(frozen=True)
class Availability:
    """Which mechanism shuts checks in here; `kind` is empty and `reason` says why where none."""

    kind: Kind | Literal[""]
    reason: str = ""


@dataclass(frozen=True)
class Limits:
    """Bytes of memory for each process, bytes written at most, open files, processes."""

    memory: int = 384 * MEGABYTE
    disk: int = 8 * MEGABYTE
    files: int = 64
    processes: int = 16


@cache
def available() -> Availability:
    """The first mechanism that was seen to work; looked up once for each process.

    Seen to work is: a check ran in it, and found itself shut in.
    """
    reasons = []
    for kind in KINDS:
        try:
            run({"check": "exact", "answer": "1", "completions": ["1"]}, kind=kind)
        except SandboxError as error:
            reasons.append(f"{kind}: {error}")
        else:
            return Availability(kind)
    return Availability("", "; ".join(reasons))


def run(
    job: Mapping[str, Any],
    *,
    kind: Kind | None = None,
    seconds: float = 10.0,
    limits: Limits | None = None,
    hidden: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Results of a job of `inside.work`, one per completion: `passed`, `detail` and `output`.

    Args:
        kind: the mechanism; by default the first that works.
        seconds: of wall clock for each completion.
        hidden: folders that are covered where they lie in those the sandbox can read.

    Raises:
        SandboxError: there is no mechanism, or it failed.
        SandboxTimeout: a check that runs no code did not end.
        CheckError: the job cannot be carried out as it stands.
    """
    chosen = kind or available().kind
    if not chosen:
        raise SandboxError(f"There is no sandbox on this machine ({available().reason}).")
    plan = _plan(chosen, hidden)
    full = {
        **job,
        "seconds": seconds,
        "cpu_seconds": max(1, int(seconds)),
        "limits": asdict(limits or Limits()),
    }
    texts = job["completions"]
    # Code meets no other completion's code, nor what it left behind.
    shares = [[text] for text in texts] if job["check"] == "tests" else [texts]
    return [result for share in shares for result in _results(plan, {**full, "completions": share})]


def _results(plan: Mapping[str, Any], job: Mapping[str, Any]) -> list[dict[str, Any]]:
    runs = MOST_RUNS if job["check"] == "tests" else 1
    wait = START_SECONDS + runs * job["seconds"]
    answer = _read(_talk(plan, json.dumps(job).encode(), wait))
    if "sandbox" in answer:
        raise SandboxError(f"The sandbox is not shut: {answer['sandbox']}.")
    if "error" in answer:
        raise CheckError(answer["error"])
    results: list[dict[str, Any]] = answer["results"]
    return results


class CheckError(Exception):
    """The check cannot be made: a pattern, tests or file names that are wrong."""


def _plan(kind: Kind, hidden: Sequence[Path]) -> dict[str, Any]:
    """What `launcher.py` is told."""
    bwrap = shutil.which("bwrap")
    if kind == "bubblewrap" and bwrap is None:
        raise SandboxError("bwrap is not installed")
    python = os.path.realpath(sys.executable)
    folders, links = _folders(python)
    covered = [str(p) for p in hidden if any(p.is_relative_to(f) for f in folders)]
    return {
        "kind": kind,
        "bwrap": bwrap,
        "parent": os.getpid(),
        "folders": folders,
        "links": links,
        "hidden": covered,
        "work_bytes": 16 * MEGABYTE,
        "argv": [python, *PROGRAM],
    }


def _folders(python: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Folders and files the interpreter needs, and the links among their names."""
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    shared = list((Path(sys.base_prefix) / "lib").glob("libpython*.so*"))
    named = [Path(name) for name in LIBRARIES]
    links = [(str(path), str(path.readlink())) for path in named if path.is_symlink()]
    real = [path for path in named if not path.is_symlink()]
    wanted = {*real, stdlib, Path(python), *shared, *(path.resolve() for path in shared), CACHE}
    found: list[Path] = []
    for path in sorted(path for path in wanted if path.exists()):
        if not any(path.is_relative_to(known) for known in found):
            found.append(path)
    return list(map(str, found)), links


def _talk(plan: Mapping[str, Any], job: bytes, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors of the sandbox; it is killed with all in it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(plan)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(job, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SandboxTimeout(f"The check did not end within {seconds:.0f} seconds.") from None
    finally:
        _kill(process)
    return process.returncode, out, errors


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _read(ended: tuple[int, bytes, bytes]) -> dict[str, Any]:
    code, out, errors = ended
    try:
        answer = json.loads(out)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        tail = errors[-500:].decode("utf-8", "replace").strip()
        raise SandboxError(tail or f"it ended with code {code}")
    return answer
