"""Every page of a project, for its owner and for an annotator: axe, width, console.

The pages are those of the permission matrix, so that a new route is looked at without being named
here. Light on a wide screen, dark on a phone: each page once for each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from playwright.sync_api import Page
from pytest_django import Settings

from annotation.labels.answers import Answer
from annotation.labels.people import annotator_for
from annotation.labels.services import submit
from annotation.projects.selectors import main_criterion
from annotation.queue.services import claim
from tests.factories import make_instance, make_slot
from tests.frontend.judged import fill_judges
from tests.frontend.test_permissions import COLUMNS, ROWS, address
from tests.frontend.world import World, make_world

from .axe import serious

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
# Files, a fragment, and what refuses whoever comes without a link.
NO_PAGES = {
    "explain-download",
    "export-download",
    "export-file",
    "media",
    "payout-csv",
    "qualification-feedback",
    "quality-csv",
    "replay-download",
    "run-download",
    "snapshot-card",
    "study-entry",
    "upload-errors",
}
LOOKS = [(1440, "light"), (390, "dark")]


def pages_of(role: str) -> list[str]:
    """The routes that show a page to this role."""
    column = 2 + COLUMNS.index(role)
    rows = [row for row in ROWS if row[1] == "GET" and row[column] == "yes"]
    others = NO_PAGES if role == "annotator" else NO_PAGES | {"label-revise"}
    return [row[0] for row in rows if row[0] not in others and ":" not in row[0]]


@pytest.fixture
def world(scene: Scene, settings: Settings, tmp_path: Path) -> World:
    settings.VAR_DIR = tmp_path
    world = make_world("world")
    fill_judges(world)
    for person in world.people.values():
        person.set_password(scene.password)
        person.save()
    _label_one(world)
    return world


def _label_one(world: World) -> None:
    """The annotator has a label to change, and another instance on the screen."""
    annotator = annotator_for(project=world.project, user=world.people["annotator"])
    slot = claim(project=world.project, annotator=annotator)
    assert slot is not None
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid4(),
        answers=[Answer(main_criterion(world.project).key, [1, 2], strength=0.5)],
        seconds=8,
    )
    world.ids["key"] = str(slot.key)
    make_slot(make_instance(world.project))


def faults(page: Page, width: int) -> list[str]:
    """What is wrong with the page as it stands; nothing where it is sound."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    found = [f"{wide} px wide"] if wide > width else []
    return found + serious(page)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("role", ["owner", "annotator"])
def test_every_page_is_sound(
    log_in: Open, world: World, role: str, width: int, scheme: str
) -> None:
    """`log_in` fails the test on any message of the console."""
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = log_in(world.people[role].username, **look)
    found = {}
    for route in pages_of(role):
        response = page.goto(address(route, world))
        assert response is not None
        found[route] = faults(page, width)
        if response.status != 200:
            found[route].append(f"{response.status} {page.url}")
    assert {route: each for route, each in found.items() if each} == {}
