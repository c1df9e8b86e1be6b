"""A real browser on a live server. Skipped, with the reason, where there is no browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.fixtures import Settings

from tests.browser import find_browser

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from .scene import Scene

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A test that pulls the plug expects this one.
OFFLINE = "ERR_INTERNET_DISCONNECTED"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium on this machine: `make browser` or `python -m tests.browser`")
    with sync_playwright() as playwright:
        # Playwright's event loop is in this thread; Django takes that for asynchronous code.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@pytest.fixture
def scene(transactional_db: None, settings: Settings, tmp_path: Path) -> Scene:
    from .scene import make_scene

    settings.MEDIA_ROOT = tmp_path
    return make_scene()


Open = Callable[..., Page]


@pytest.fixture
def log_in(browser: Browser, live_server: LiveServer, scene: Scene) -> Iterator[Open]:
    """`log_in(name, **context options)`: a page of a person; any complaint of it fails the test."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and OFFLINE not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    def open_page(name: str, **options: object) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.goto("/login/")
        page.fill("#id_username", name)
        page.fill("#id_password", scene.password)
        page.click("button[type=submit]")
        return page

    yield open_page
    for context in browser.contexts:
        context.close()
    assert not complaints
