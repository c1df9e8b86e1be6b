"""An admin sees the project and its routing; a researcher a live curve and an export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e
PAGES = ("", "instances/", "routing/", "rounds/1/", "runs/", "data/", "jobs/", "label/", "history/")


def test_admin_sees_project_and_routing_split(log_in: Open, scene: Scene) -> None:
    page = log_in("admin")
    page.click("text=Overview")
    expect(page.locator("h1")).to_have_text("Answers")
    expect(page.locator(".funnel")).to_contain_text("imported")
    page.click("nav >> text=Routing")
    expect(page.locator("text=Where people’s time goes")).to_be_visible()
    expect(page.locator("text=domain: code")).to_be_visible()
    assert page.locator("svg.split").count() > 0
    page.click("nav >> text=Instances")
    page.select_option("#filter-destination", "judge")
    page.click("text=Filter")
    assert page.locator("tbody .chip.judge").count() == page.locator("tbody tr").count() > 0
    page.locator("tbody a").first.click()
    expect(page.locator("text=Why it went there")).to_be_visible()


def test_researcher_sees_the_curve_grow_and_stop(log_in: Open, scene: Scene) -> None:
    from jobs.models import Job

    from .scene import add_steps

    page = log_in("researcher")
    page.goto(f"/p/{scene.project.slug}/runs/{scene.run.pk}/")
    expect(page.locator(".chart .wide svg").first).to_be_visible()
    add_steps(scene.run, 21, 60)
    Job.objects.update(done=60)
    expect(page.locator("#run progress")).to_have_attribute("value", "100")
    page.locator(".chart summary").first.click()
    expect(page.locator(".chart table").first).to_contain_text("60")
    Job.objects.update(state="succeeded")
    expect(page.locator("#run")).not_to_have_attribute("hx-get", re.compile("."))


def test_researcher_downloads_an_export(log_in: Open, scene: Scene, tmp_path: Path) -> None:
    page = log_in("researcher")
    page.goto(f"/p/{scene.project.slug}/data/")
    with page.expect_download() as download:
        page.click("text=pairs.jsonl")
    target = tmp_path / "download.jsonl"
    download.value.save_as(target)
    assert json.loads(target.read_text())["simulated"] is True
    assert download.value.suggested_filename.startswith("answers-")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_fits_and_breaks_no_policy(
    log_in: Open, scene: Scene, width: int, scheme: str
) -> None:
    """`log_in` fails the test on any message of the console: a refused style would be one."""
    page = log_in("admin", viewport={"width": width, "height": 844}, color_scheme=scheme)
    paths = [f"/p/{scene.project.slug}/{path}" for path in PAGES]
    for path in ["/", "/health/", f"{paths[4]}{scene.run.pk}/", *paths]:
        response = page.goto(path)
        assert response is not None
        assert response.status == 200
        assert page.evaluate("document.documentElement.scrollWidth") <= width
