"""A session that ends under an open page, and a browser that two people share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .test_label import labels, open_slots

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from .scene import Scene

pytestmark = pytest.mark.e2e


def log_in(context: BrowserContext, scene: Scene, name: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto("/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", scene.password)
    page.click("button[type=submit]")
    page.wait_for_url("**/")
    return page


def end_session(context: BrowserContext) -> None:
    context.clear_cookies(name="sessionid")


@pytest.fixture
def context(browser: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    made = browser.new_context(base_url=live_server.url)
    yield made
    made.close()


def test_a_submit_after_the_session_ended_is_sent_after_the_next_login(
    context: BrowserContext, scene: Scene
) -> None:
    page = log_in(context, scene, "annotator")
    slot = open_slots(page, scene)
    first = slot.get_attribute("data-slot")
    end_session(context)
    page.keyboard.press("1")
    page.keyboard.press("Space")
    expect(slot).not_to_have_attribute("data-slot", str(first))
    expect(page.locator(".status")).to_contain_text("kept in this browser")
    page.close(run_before_unload=False)
    page = log_in(context, scene, "annotator")
    open_slots(page, scene)
    expect(page.locator("#done")).to_have_text("1")
    assert len(labels(scene)) == 1


def test_what_waits_in_a_shared_browser_goes_out_under_its_own_name(
    context: BrowserContext, scene: Scene
) -> None:
    from annotation.labels.models import Annotation

    page = log_in(context, scene, "annotator")
    open_slots(page, scene)
    context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Space")
    page.keyboard.press("4")
    expect(page.locator(".status")).to_contain_text("kept in this browser")
    page.close(run_before_unload=False)
    context.set_offline(False)
    end_session(context)
    page = log_in(context, scene, "researcher")
    open_slots(page, scene)
    expect(page.locator("#done")).to_have_text("0")
    assert not Annotation.objects.filter(project=scene.project).exists()
    stored = page.evaluate("Object.keys(localStorage)")
    assert len([name for name in stored if "outbox" in name]) == 1
    end_session(context)
    page.close()
    page = log_in(context, scene, "annotator")
    open_slots(page, scene)
    expect(page.locator("#done")).to_have_text("1")
    assert len(labels(scene)) == 1
