"""Loaded by every Python of a test's workers: no training reports while its folder is held."""

import sys
import time
from pathlib import Path
from typing import Any


def hold(event: str, arguments: tuple[Any, ...]) -> None:
    """Wait before `report.json` gets its name for as long as `.held` lies beside it."""
    if event != "os.rename" or Path(str(arguments[1])).name != "report.json":
        return
    while (Path(str(arguments[1])).parent / ".held").exists():
        time.sleep(0.01)


sys.addaudithook(hold)
