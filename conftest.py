"""One PostgreSQL and one Redis for a whole test run, started before Django reads its settings.

With DATABASE_URL set, that database server is used instead and nothing is started.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from embedded import services
from embedded.errors import EmbeddedError

# Tests run side by side, one to a core: threads of their own would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
SERVICES = pytest.StashKey[services.Services]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the services in the controlling process; parallel workers inherit the addresses."""
    if "DATABASE_URL" not in os.environ:
        # Short, because a socket's path is; open, because root hands it to another user.
        var = Path(tempfile.mkdtemp(prefix="tandem-test-", dir="/tmp"))
        var.chmod(0o755)
        try:
            config.stash[SERVICES] = services.start(var, durable=False)
        except EmbeddedError as error:
            shutil.rmtree(var, ignore_errors=True)
            raise pytest.UsageError(str(error)) from None
        os.environ |= config.stash[SERVICES].environment
    set_up_django()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started and remove its data."""
    if running := config.stash.get(SERVICES, None):
        running.stop()
        shutil.rmtree(running.var, ignore_errors=True)
        for name in running.environment:
            os.environ.pop(name, None)


def set_up_django() -> None:
    """Load the settings now: not in the ini file, where it would happen before the services."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
    import django  # noqa: PLC0415

    django.setup()
