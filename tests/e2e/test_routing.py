"""An admin gives money, turns live routing on, brings a file, and moves the frontier's slider."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from annotation.consensus.services import update
from annotation.judges.services import ensure_recorded
from jobs.models import Job
from jobs.runner import run_queued
from routing.budgets.models import Allowance
from routing.rounds.demo import embedded_lines
from routing.rounds.demo_live import label_recorded

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from accounts.models import Project

    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e
POUND = 1_000_000


def a_file() -> dict[str, Any]:
    """Prompts of the embedded set under other names, with the labels that people would give."""
    rows = [
        line.value | {"id": f"new-{number}"}
        for number, line in enumerate(embedded_lines(5))
        if line.value is not None
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    return {"name": "new.jsonl", "mimeType": "application/jsonl", "buffer": text.encode()}


def work_off(kind: str) -> None:
    """Run what the pages asked for: the tests have no workers."""
    for job in Job.objects.filter(state="queued", kind=kind).order_by("pk"):
        assert run_queued(job).state == "succeeded", job.error


def room(page: Page, name: str) -> None:
    page.locator("nav.inside").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("nav.inside [aria-current]")).to_have_text(name)


def give_budget(page: Page) -> None:
    room(page, "Budgets")
    page.fill("#new-name", "Labels")
    page.fill("#new-limit", "60")
    page.get_by_role("button", name="Add the budget").click()
    expect(page.locator("main")).to_contain_text("60.00 USD free of 60.00 USD")


def turn_on(page: Page) -> None:
    """By the judge's doubts, which need no seed; much is drawn, so that much can be measured."""
    room(page, "Live")
    page.check("input[name=mode][value=stream]")
    page.select_option("#judge", label="simulated-judge")
    page.select_option("#strategy", "judge-uncertainty")
    page.fill("[name=audit_share]", "30")
    page.fill("[name=explore_share]", "40")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".chip.good")).to_be_visible()


def bring(page: Page, project: Project) -> None:
    page.goto(f"/p/{project.slug}/upload/")
    page.set_input_files("#files", a_file())
    page.click("text=Look into it")
    page.uncheck("[name=reveal]")
    page.get_by_role("button", name="Import", exact=True).click()
    work_off("annotation.import")
    work_off("routing.live")


def test_a_budget_routes_a_file_and_is_moved_on_the_frontier(log_in: Open, scene: Scene) -> None:
    project = scene.project
    ensure_recorded(project=project)
    page = log_in("admin")
    page.goto(f"/p/{project.slug}/routing/")
    give_budget(page)
    turn_on(page)
    bring(page, project)

    page.goto(f"/p/{project.slug}/routing/")
    room(page, "Live")
    latest = page.locator("table.decisions tbody tr")
    assert latest.count() > 5
    expect(latest.first).to_contain_text("new-")
    assert all(text.strip() for text in latest.locator(".reason").all_inner_texts())
    room(page, "Budgets")
    expect(page.locator("main")).to_contain_text("set aside")

    label_recorded(project)
    update(project=project, instance_ids=list(project.instances.values_list("pk", flat=True)))
    # A new router's frontier is asked for by the router itself.
    work_off("routing.frontier")
    room(page, "Frontier")
    _move_and_save(page, Allowance.objects.get(project=project))


def _move_and_save(page: Page, allowance: Allowance) -> None:
    """By keyboard alone."""
    slider = page.locator("#limit")
    slider.focus()
    slider.press("PageDown")
    slider.press("ArrowLeft")
    save = page.get_by_role("button", name="Save this budget")
    expect(save).to_be_visible()
    chosen = slider.input_value()
    assert chosen != "60"
    expect(page.locator("#exact")).to_have_value(chosen)
    save.click()
    expect(page.get_by_text("Saved: Labels is")).to_be_visible()
    allowance.refresh_from_db()
    assert allowance.limit == round(float(chosen) * POUND)
    assert allowance.version == 2
