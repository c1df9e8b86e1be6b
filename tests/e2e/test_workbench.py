"""Write a draft, try it, read a disagreement, compare two versions, promote one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.annotation.chat_server import ChatServer, serving
from tests.annotation.workbench_scene import (
    follows_the_prompt,
    make_budget,
    make_judge,
    make_pairs,
    run_jobs,
)

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(follows_the_prompt) as running:
        yield running


def write(page: Page, rubric: str) -> None:
    page.fill("#rubric", rubric)
    # The preview follows what is typed, without a press of anything.
    expect(page.locator("#sent")).to_contain_text(rubric)
    page.click("text=Keep this version")


def try_it(page: Page) -> None:
    page.fill("#count", "12")
    page.click("button:has-text('Try it')")
    expect(page.locator("#trial")).to_have_attribute("hx-get", re.compile("."))
    run_jobs()
    expect(page.locator("#trial")).not_to_have_attribute("hx-get", re.compile("."))


def test_from_a_draft_to_a_promoted_version(log_in: Open, scene: Scene, server: ChatServer) -> None:
    from annotation.judges.models import Judge
    from annotation.labels.models import Annotation

    scene.project.instances.all().delete()
    make_pairs(scene.project, 12)
    make_judge(scene.project, server.url)
    make_budget(scene.project)
    page = log_in("admin")
    page.goto(f"/p/{scene.project.slug}/judges/prompts/")
    page.click("text=Write a prompt")
    page.fill("#name", "kind")
    write(page, "- whatever you like")
    try_it(page)
    expect(page.locator(".kpi").first).to_contain_text("50.0")
    page.click("text=Read them side by side")
    articles = page.locator("[data-walk] > article")
    expect(articles).to_have_count(6)
    # The keys are listened to once the page's modules have run.
    page.wait_for_load_state()
    page.keyboard.press("n")
    expect(articles.nth(0)).to_be_focused()
    page.keyboard.press("n")
    expect(articles.nth(1)).to_be_focused()
    page.keyboard.press("p")
    expect(articles.nth(0)).to_be_focused()
    expect(articles.nth(0)).to_contain_text("It is kinder, says person-0.")
    page.click("text=The trial")
    page.click("text=The prompt")
    page.click("text=Next version")
    write(page, "- be polite")
    try_it(page)
    expect(page.locator(".kpi").first).to_contain_text("100.0")
    page.click("button:has-text('Compare')")
    expect(page.locator("main")).to_contain_text("+50.0")
    page.click("main >> text=kind v2")
    page.click("text=What promoting does")
    expect(page.locator("main")).to_contain_text("on 12 instances")
    page.click("button:has-text('Promote')")
    expect(page.locator("h1")).to_contain_text("critic v")
    made = Judge.objects.get(prompt__version=2)
    assert made.stage == "active"
    assert Annotation.objects.filter(annotator__judge=made).count() == 12


def test_a_prompt_is_written_without_scripts(
    log_in: Open, scene: Scene, server: ChatServer
) -> None:
    make_pairs(scene.project, 4)
    make_judge(scene.project, server.url)
    page = log_in("admin", java_script_enabled=False)
    page.goto(f"/p/{scene.project.slug}/judges/prompts/draft/")
    page.fill("#name", "kind")
    page.fill("#rubric", "- be polite")
    page.click("text=Show what is sent")
    expect(page.locator("#sent")).to_contain_text("- be polite")
    expect(page.locator("#name")).to_have_value("kind")
    page.click("text=Keep this version")
    expect(page.locator("h1")).to_have_text("kind")
