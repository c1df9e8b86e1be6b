"""Pictures of the main pages for the documentation: `python -m tests.e2e.screenshots`.

They are taken from a running demonstration, with the passwords that it keeps in its accounts file;
each is a PNG with a palette, small enough for the repository.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import find_browser

from .conftest import FLAGS

WIDE = {"width": 1440, "height": 900}
MOST_BYTES = 200_000


@dataclass(frozen=True)
class Shot:
    """One picture: who looks at which page, in which scheme, after which keys."""

    name: str
    person: str
    path: str
    scheme: str = "light"
    keys: Sequence[str] = ()


def shots(slug: str, live: str) -> list[Shot]:
    """Every main page; `slug` has a finished round, `live` an open queue."""
    return [
        Shot("label-light", "annotator", f"/p/{live}/label/", keys=("2",)),
        Shot("label-dark", "annotator", f"/p/{live}/label/", "dark", keys=("2",)),
        Shot("ranking-light", "annotator", "/p/rankings/label/", keys=("2", "1", "1")),
        Shot("wizard-light", "admin", "/new/?template=multipref"),
        Shot("dashboard-light", "admin", f"/p/{slug}/dashboard/"),
        Shot("project-light", "admin", f"/p/{slug}/"),
        Shot("routing-light", "admin", f"/p/{slug}/routing/"),
        Shot("routing-dark", "admin", f"/p/{slug}/routing/", "dark"),
        Shot("round-light", "admin", f"/p/{slug}/rounds/1/"),
        Shot("judges-light", "researcher", f"/p/{slug}/judges/"),
        Shot("generators-light", "researcher", f"/p/{slug}/generators/"),
        Shot("run-light", "researcher", f"/p/{slug}/runs/"),
        Shot("data-light", "researcher", f"/p/{slug}/data/"),
        Shot("jobs-light", "admin", f"/p/{slug}/jobs/"),
    ]


def take(browser: Browser, url: str, shot: Shot, password: str, target: Path) -> None:
    context = browser.new_context(base_url=url, viewport=WIDE, color_scheme=shot.scheme)
    page = context.new_page()
    log_in(page, shot.person, password)
    page.goto(shot.path)
    if shot.name.startswith(("run", "judges")):
        page.locator("tbody a").first.click()
    if shot.name.startswith("judges"):
        page.get_by_role("link", name="Its report").click()
    if "/label/" in shot.path:
        page.locator("#show-keys:not([hidden])").wait_for(state="attached")
    for key in shot.keys:
        page.keyboard.press(key)
    page.wait_for_timeout(1200)
    page.screenshot(path=target)
    context.close()
    shrink(target)


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/")


def shrink(target: Path) -> None:
    """Reduce the colours where an image library is at hand; say where a picture stays large."""
    with suppress(ImportError):
        image = importlib.import_module("PIL.Image")
        with image.open(target) as picture:
            picture.convert("P", palette=image.Palette.ADAPTIVE, colors=128).save(target)
    if (size := target.stat().st_size) > MOST_BYTES:
        sys.stderr.write(f"{target} has {size} bytes\n")


def main() -> int:
    """Take every picture from the demonstration at --url."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--accounts", type=Path, default=Path("var/accounts.json"))
    parser.add_argument("--project", default="demo")
    parser.add_argument("--live", default="your-turn")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    path = find_browser()
    if path is None:
        sys.stderr.write("No Chromium here: python -m tests.browser --install\n")
        return 1
    passwords = json.loads(options.accounts.read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for shot in shots(options.project, options.live):
            target = options.out / f"{shot.name}.png"
            take(browser, options.url, shot, passwords[shot.person], target)
            sys.stdout.write(f"{target}\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
