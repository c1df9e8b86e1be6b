"""Run benchmarks: `python -m tests.bench [NAME …] [-- options of the benchmark]`.

Every module `bench_<name>.py` here is one benchmark with a `main(arguments)` function. Each runs
in its own process with PostgreSQL and Redis made for it and removed after it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded import services

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; the status is that of the worst."""
    names = [name for name in arguments if not name.startswith("-")]
    options = [option for option in arguments if option.startswith("-") and option != "--"]
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    if unknown := set(names) - set(known):
        print(f"No benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}.")
        return 2
    return max((run(name, options) for name in names or known), default=0)


def run(name: str, options: list[str]) -> int:
    """One benchmark in its own process, with fresh services and a data folder that is removed."""
    var = Path(tempfile.mkdtemp(prefix="tandem-bench-", dir="/tmp"))
    var.chmod(0o755)
    running = services.start(var)
    environment = os.environ | running.environment
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    environment.setdefault("SECRET_KEY", "only-for-benchmarks")
    environment.setdefault("LOG_LEVEL", "WARNING")
    try:
        command = [sys.executable, "-m", f"tests.bench.bench_{name}", *options]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    finally:
        running.stop()
        shutil.rmtree(var, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
