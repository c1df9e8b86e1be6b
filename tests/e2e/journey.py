"""What somebody does on the pages: make a project, bring instances, send them out, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from jobs.models import Job
from jobs.runner import run_queued

if TYPE_CHECKING:
    from playwright.sync_api import Page

COMPLETIONS = (
    "**Knead** it for ten minutes.",
    "```python\nprint('knead')\n```",
    r"Wait $t = \frac{n}{2}$ hours.",
    "| flour | water |\n|---|---|\n| 500 g | 320 g |",
)


def lines(count: int) -> bytes:
    rows = [
        {
            "id": f"q{number}",
            "prompt": f"Question {number}: why does my bread not rise?",
            "responses": [{"text": text} for text in COMPLETIONS],
        }
        for number in range(count)
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


def work_off() -> None:
    """Run what the pages asked for: the tests have no workers."""
    for job in Job.objects.filter(state="queued", kind__startswith="annotation.").order_by("pk"):
        assert run_queued(job).state == "succeeded", job.error


def make_project(page: Page, template: str, name: str) -> None:
    """Through the wizard, with one label for each instance; ends on the project's overview."""
    page.goto("/")
    page.click("text=New project")
    page.click(f"text={template}")
    page.fill("[name=name]", name)
    page.click("text=a fixed number")
    page.fill("[name=overlap]", "1")
    page.get_by_role("button", name="Review").first.click()
    expect(page.locator("main")).to_contain_text("3 of 3")
    page.get_by_role("button", name="Create the project").click()
    expect(page.locator("h1")).to_have_text(name)


def bring_instances(page: Page, content: bytes) -> None:
    """From the overview, a file that is looked at before it is imported."""
    page.click("text=Bring instances")
    file: Any = {"name": "mine.jsonl", "mimeType": "application/jsonl", "buffer": content}
    page.set_input_files("#files", file)
    page.click("text=Look into it")
    expect(page.locator(".outcome")).to_contain_text("20 new")
    page.get_by_role("button", name="Import", exact=True).click()
    work_off()
    page.click("text=Send them to people")


def send_to_people(page: Page) -> None:
    """From the overview to the labelling page of whoever sends."""
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Send to people").click()
    work_off()
    with page.expect_response("**/label/next/"):
        page.click("text=Label yourself")


def export(page: Page, shape: str, target: Path) -> list[dict[str, Any]]:
    """Freeze the labels and download them, from the overview on; the rows of the file."""
    page.click("nav >> text=Data")
    page.click("text=New snapshot")
    page.click("text=Freeze the labels")
    work_off()
    page.click("text=Open the data page")
    page.select_option("[name=shape]", shape)
    page.select_option("[name=format]", "jsonl")
    page.click("text=Make export")
    work_off()
    page.click("text=Open the data page")
    with page.expect_download() as download:
        page.click(f"text={shape}.jsonl")
    download.value.save_as(target)
    return [json.loads(line) for line in target.read_text().splitlines()]
