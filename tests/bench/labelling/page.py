"""The labelling page in a real Chromium: its weight over the network, keystrokes per label."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.bench.report import Report
from tests.browser import find_browser
from tests.e2e.conftest import FLAGS

from .client import PASSWORD

# Choose, then Space.
KEYS = ("1", "Space")
LABELS = 10


def measure(report: Report, port: int, slug: str, name: str) -> None:
    """Load the page with an empty cache, then label by keyboard only."""
    path = find_browser()
    if path is None:
        report.not_measured("page weight, keystrokes per label", "no Chromium on this machine")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
        page = context.new_page()
        log_in(page, name)
        received = weigh(page, f"/p/{slug}/label/")
        report.add("page_weight_compressed", sum(received.values()) / 1000, "kB")
        report.add("requests_of_the_page", len(received), "requests")
        report.add("keystrokes_per_label", keystrokes(page), "keys")
        browser.close()


def log_in(page: Page, name: str) -> None:
    page.goto("/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("/")


def weigh(page: Page, path: str) -> dict[str, int]:
    """Bytes that came over the network for each address, headers included, with no cache."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    addresses: dict[str, str] = {}
    received: dict[str, int] = {}

    def asked(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["request"]["url"]

    def finished(event: dict[str, Any]) -> None:
        if address := addresses.get(event["requestId"]):
            received[address] = int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.loadingFinished", finished)
    page.goto(path, wait_until="networkidle")
    session.detach()
    return received


def keystrokes(page: Page) -> float:
    """Keys pressed per label until another instance is on the screen."""
    pressed = 0
    for _ in range(LABELS):
        before = page.get_attribute(".slot", "data-slot")
        for key in KEYS:
            page.keyboard.press(key)
            pressed += 1
        page.wait_for_function(
            "before => document.querySelector('.slot')?.dataset.slot !== before", arg=before
        )
    return pressed / LABELS
