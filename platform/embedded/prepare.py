"""Bring database and static files to this version in one process: `python -m embedded.prepare`."""

from __future__ import annotations

import django
from django.core.management import call_command


def main() -> None:
    """Migrate and collect; both do nothing where nothing has changed."""
    django.setup()
    call_command("migrate", interactive=False)
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
