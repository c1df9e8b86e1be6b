"""From a key to labels in a browser: connect, try, add, ask, watch it go, read what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.judges.models import JudgeRun
from annotation.labels.models import Annotation
from tests.annotation.judge_scene import finish
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options

if TYPE_CHECKING:
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
