"""Label Studio at its best set-up: a virtual environment and a PostgreSQL cluster of its own.

The shared script `label_loop.py` knows its routes; it lies beside the checkout, not in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded import services

from .client import load_peers
from .serving import ROOT, free_port, serving

VERSION = "1.23.2"
PACKAGES = (f"label-studio=={VERSION}", "gunicorn", "psycopg2-binary")
NAME = f"Label Studio {VERSION}"
INSTALL_SECONDS = 1200


class NotAvailable(Exception):
    """The peer cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Peer:
    """A running peer with a project: what the client process needs, and whose CPU time counts."""

    script: Path
    port: int
    project: int
    processes: list[int]


def find_script() -> Path:
    """The shared script; TANDEM_PEERS names its folder where it is elsewhere."""
    folder = Path(os.environ.get("TANDEM_PEERS") or ROOT.parent / "shared" / "peers")
    script = folder / "label_loop.py"
    if not script.is_file():
        raise NotAvailable(f"there is no {script.name} in {folder} (set TANDEM_PEERS)")
    return script


def install() -> Path:
    """The peer's Python, in a cache folder that later runs use again."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "tandem" / f"label-studio-{VERSION}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
    for command in ([sys.executable, "-m", "venv", str(folder)], pip):
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise NotAvailable(f"it could not be installed: {error}") from error
    (folder / "complete").touch()
    return python


@contextlib.contextmanager
def label_studio(tasks: int) -> Iterator[Peer]:
    """Run it with a project of `tasks` pairs, imported through its interface.

    Raises:
        NotAvailable: it is not there and could not be installed, or does not start.
    """
    script = find_script()
    python = install()
    folder = Path(tempfile.mkdtemp(prefix="tandem-peer-", dir="/tmp"))
    folder.chmod(0o755)
    running = services.start(folder / "var")
    port = free_port()
    environment = environment_of(running, folder, port)
    program = subprocess.run(
        [str(python), "-c", "import label_studio; print(label_studio.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    try:
        migrate = [str(python), "manage.py", "migrate", "--no-input"]
        log = folder / "web.log"
        try:
            subprocess.run(migrate, cwd=program, env=environment, check=True, capture_output=True)
            command = [
                *(str(python), "-m", "gunicorn", "core.wsgi:application"),
                *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
                *("--workers", "2", "--threads", "4", "--timeout", "120"),
            ]
            with serving(command, port, log, folder=Path(program), environment=environment) as pid:
                project = make_project(script, port, tasks)
                yield Peer(script, port, project, [pid, running.postgres.child.pid])
        except (subprocess.SubprocessError, RuntimeError) as error:
            raise NotAvailable(f"it does not run here: {error}") from error
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def environment_of(running: services.Services, folder: Path, port: int) -> dict[str, str]:
    """Its settings; it tells nobody that it runs."""
    ours = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "SECRET_KEY", "LOG_LEVEL")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "DJANGO_DB": "default",
        "POSTGRE_NAME": "tandem",
        "POSTGRE_USER": "tandem",
        "POSTGRE_PASSWORD": "",
        "POSTGRE_HOST": str(running.postgres.sockets),
        "POSTGRE_PORT": "5432",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_HOST": f"http://127.0.0.1:{port}",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }


def make_project(script: Path, port: int, tasks: int) -> int:
    """Sign the owner up, make the project and import the common texts; returns its id."""
    peers = load_peers(script)
    client = peers.Client(port)
    email, password = peers.LabelStudio.OWNER
    _, page = client.req("GET", "/user/signup/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    form = {"email": email, "password": password, "allow_newsletters": "false"}
    form["csrfmiddlewaretoken"] = token.group(1).decode() if token else ""
    status, answer = client.req("POST", "/user/signup/", form=form)
    if status not in {301, 302}:
        raise NotAvailable(f"its owner could not sign up: {status} {answer[:200]!r}")
    adapter = peers.LabelStudio(port, None)
    adapter.setup()
    project: int = adapter.create_project("bench")
    if adapter.import_tasks(project, peers.make_tasks(tasks)) != tasks:
        raise NotAvailable("it did not take all tasks")
    return project
