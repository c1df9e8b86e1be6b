"""Judges in a browser: from a key to labels, and from labels to what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.consensus.tasks import GENERATORS
from annotation.judges.models import JudgeRun
from annotation.judges.report.tasks import KIND
from annotation.judges.services import ensure_recorded
from annotation.labels.models import Annotation
from annotation.labels.services import reveal
from jobs.models import Job, State
from jobs.runner import run_queued
from tests.annotation.judge_scene import finish
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options

from .test_accessibility import faults

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .conftest import Open
    from .scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
KEY = "sk-in-the-browser"


def test_from_a_key_to_labels(log_in: Open, scene: Scene) -> None:
    page = log_in("admin")
    base = f"/p/{scene.project.slug}/judges/"
    with endpoint(Options(keys=(KEY,))) as server:
        page.goto(f"{base}new/")
        page.get_by_role("link", name="vLLM").click()
        page.get_by_label("Base URL").fill(server.openai)
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Connect").click()
        page.get_by_label("Name").fill("critic")
        page.get_by_label("Model at").fill("some-model")
        page.get_by_role("button", name="Test this model").click()
        page.get_by_text("Works: some-model answered").wait_for()
        page.get_by_label("Per call").fill("0.001")
        page.get_by_role("button", name="Add the judge").click()
        page.get_by_label("At most so many").fill("4")
        page.get_by_label("or a new budget of").fill("1")
        page.get_by_role("button", name="What will it take?").click()
        page.locator("#forecast").get_by_text("both orders").wait_for()
        page.get_by_role("button", name="Start asking").click()
        page.get_by_role("heading", name="Run").wait_for()
        assert page.get_by_role("status").inner_text() == "waiting"
        finish(JudgeRun.objects.get())
        # Nobody reloads: the page asks for itself until the run has ended.
        page.get_by_role("status").get_by_text("finished").wait_for()
    assert Annotation.objects.filter(annotator__judge__name="critic").count() == 4
    label = Annotation.objects.filter(annotator__judge__name="critic")[0]
    page.goto(f"/p/{scene.project.slug}/instances/{label.instance_id}/")
    page.locator(".calls summary").first.click()
    page.get_by_role("link", name="What was sent").first.click()
    page.get_by_role("heading", name="What was sent").wait_for()
    assert "You compare two completions" in page.locator("main").inner_text()
    assert KEY not in page.content()


def computed() -> None:
    """Do what was asked for: the report, or the leaderboard."""
    for job in Job.objects.filter(kind__in=(KIND, GENERATORS), state=State.QUEUED):
        run_queued(job)


def sound(page: Page) -> None:
    """The page as it stands is accessible and fits the narrow screen, in both schemes."""
    size = page.viewport_size
    assert size is not None
    for scheme, width in (("light", size["width"]), ("dark", 390)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        assert faults(page, width) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size)


def test_from_labels_to_what_they_are_worth(log_in: Open, scene: Scene) -> None:
    project = scene.project
    everything = list(project.instances.values_list("pk", flat=True))
    ensure_recorded(project=project)
    for origin in ("human", "judge"):
        reveal(instances=everything, origin=origin)
    page = log_in("admin")
    base = f"/p/{project.slug}/"
    page.goto(f"{base}judges/")
    sound(page)
    page.locator("tbody a").first.click()
    page.get_by_role("link", name="Its report").click()
    page.get_by_role("heading", name="No figures yet").wait_for()
    page.get_by_role("button", name="Compute now").click()
    page.get_by_text("Figures are being computed now").wait_for()
    computed()
    # Nobody reloads: the page notices that the figures are there.
    page.get_by_role("heading", name="Agreement with people").wait_for()
    sound(page)
    page.get_by_role("link", name="Verdict, neither says tie").click()
    page.get_by_role("heading", name="Instances behind it").wait_for()
    page.goto(f"{base}judges/matrix/")
    page.get_by_role("heading", name="Every annotator against every judge").wait_for()
    sound(page)
    page.goto(f"{base}generators/")
    page.get_by_role("button", name="Compute now").click()
    page.get_by_text("is being computed now").wait_for()
    computed()
    page.get_by_role("heading", name="Ratings").wait_for()
    sound(page)
