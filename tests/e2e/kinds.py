"""Projects of every kind for the browser tests, and what was stored in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accounts.models import Project, Role, User
from accounts.services import add_member
from annotation.instances.models import Completion
from annotation.labels.models import Annotation
from annotation.projects.services import create_project
from annotation.queue.services import AssignmentItem, assign
from tests.factories import make_instance

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TEXTS = [f"Completion number {number}, in a few words." for number in range(9)]
MULTIPREF = [
    ("overall", "Overall", "Which is better overall?"),
    ("helpfulness", "Helpfulness", ""),
    ("truthfulness", "Truthfulness", ""),
    ("harmlessness", "Harmlessness", ""),
]


def make_kind(count: int = 2, texts: Sequence[str] = tuple(TEXTS[:2]), **fields: Any) -> Project:
    """A project whose instances are all routed to people, with the scene's annotator in it."""
    project = create_project(
        name="Kind", slug="kind", owner=User.objects.get(username="admin"), **fields
    )
    add_member(project=project, user=User.objects.get(username="annotator"), role=Role.ANNOTATOR)
    rows = [make_instance(project, list(texts)) for _ in range(count)]
    assign(project=project, items=[AssignmentItem(row.pk, "human", "routed", 1.0) for row in rows])
    return project


def open_kind(page: Page, project: Project) -> Locator:
    """The labelling page with its script running; the slot on the screen."""
    with page.expect_response("**/label/next/"):
        page.goto(f"/p/{project.slug}/label/")
    return page.locator(".slot")


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def submit(page: Page) -> None:
    with page.expect_response("**/label/submit/") as answer:
        page.keyboard.press("Space")
    assert answer.value.ok, answer.value.text()


def stored(project: Project) -> list[Annotation]:
    """What stands, in the order in which it was given."""
    rows = Annotation.objects.filter(project=project, retracted=False, superseded_by=None)
    return list(rows.select_related("criterion", "instance").order_by("pk"))


def as_shown(label: Annotation, values: Sequence[Any]) -> list[Any]:
    """Values by canonical position, in the order of the screen."""
    assert label.shown_order is not None
    return [values[position] for position in label.shown_order]


def give_own_prompts(project: Project) -> None:
    for row in Completion.objects.filter(instance__project=project):
        row.messages = [{"role": "user", "content": f"Own prompt {row.position}"}]
        row.save(update_fields=["messages"])
