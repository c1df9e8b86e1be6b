"""The browser of the end-to-end tests: where it is, and `python -m tests.browser --install`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL_SECONDS = 300


def find_browser() -> str | None:
    """The path of a Chromium that runs: TANDEM_BROWSER, PATH, else Playwright's; None without."""
    named = os.environ.get("TANDEM_BROWSER")
    candidates = [named] if named else [*map(shutil.which, NAMES), *playwright_browsers()]
    return next((path for path in candidates if path and runs(path)), None)


def playwright_browsers() -> list[str]:
    """Browsers that `playwright install` has put into its cache, newest first."""
    home = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    found = [*home.glob("chromium-*/chrome-*/chrome"), *home.glob("chromium-*/**/Chromium")]
    return sorted(map(str, found), reverse=True)


def runs(path: str) -> bool:
    """Whether the program starts; some systems ship a stub under the browser's name."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0


def install() -> str | None:
    """Install a browser where that is possible; None where it is not."""
    for command in install_commands():
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=INSTALL_SECONDS,
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if path := find_browser():
            return path
    return None


def install_commands() -> list[list[str]]:
    """Ways to install a browser, quickest first."""
    commands = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
        commands += [install, ["apt-get", "update"], install]
    return [*commands, [sys.executable, "-m", "playwright", "install", "chromium"]]


def main() -> int:
    """Print the browser, installing one first where asked; never fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    path = find_browser()
    if path is None and options.install:
        print("Installing a browser for the end-to-end tests.", flush=True)
        path = install()
    print(f"Browser: {path or 'none; end-to-end tests are skipped'}.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
