"""Start a small run from the browser, see its curves, and find its model in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jobs.models import Job
from jobs.runner import run as run_job
from tests.training.small import make_snapshot

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e

SMALL = {
    "scratch.hidden_size": "32",
    "scratch.layers": "1",
    "scratch.heads": "2",
    "scratch.vocab_size": "320",
    "max_length": "64",
    "token_budget": "256",
    "steps": "4",
    "eval_every": "2",
}


def test_a_run_from_the_form_to_the_registry(
    log_in: Open, scene: Scene, settings: Settings
) -> None:
    settings.VAR_DIR = settings.MEDIA_ROOT
    settings.TRAINING_THREADS = 1
    snapshot = make_snapshot(scene.project)
    page = log_in("researcher")
    page.goto(f"/p/{scene.project.slug}/runs/new/?snapshot={snapshot.pk}")
    expect(page.locator("#estimate")).to_contain_text("40 rows")
    page.select_option("#f-preset", "bt_margin")
    expect(page.locator("#objective")).to_contain_text("Options of bt_margin")
    page.locator("details.drawer > summary").click()
    for name, value in SMALL.items():
        page.fill(f'[name="{name}"]', value)
    page.fill("#f-name", "by hand")
    expect(page.locator("#estimate")).to_contain_text("about 4")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("h1")).to_have_text("by hand")
    # The tests have no workers: what the page asked for runs here.
    job = Job.objects.get(kind="training.fit", run__name="by hand")
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    expect(page.locator("#run")).to_contain_text("Where it is right", timeout=20_000)
    assert page.locator(".multiples figure").count() >= 4
    page.get_by_role("link", name="version 1, candidate").click()
    expect(page.get_by_role("heading", name="Reward model v1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Gate before production")
