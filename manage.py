#!/usr/bin/env python3
"""Django's command line; `platform/` is an import root and goes on the path like `src`."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "platform"))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
