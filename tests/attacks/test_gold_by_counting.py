"""Somebody who watches every number of the page to find out which instances are gold."""

import re

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.quality.services import make_gold
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db
RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}
FIELD = re.compile(r'name="(slot|client_id|order)" value="([^"]*)"')
COUNTS = re.compile(r'id="(done|total)">(\d+)<|\b(value|max)="(\d+)"')


@pytest.fixture
def project() -> Project:
    project = make_project("Counting")
    items = [AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(20)]
    assign(project=project, items=items)
    for _ in range(10):
        make_gold(instance=make_instance(project), kind="gold", answers=RIGHT, by=None)
    project.protocol.gold_share = 0.5
    project.protocol.save(update_fields=["gold_share"])
    return project


def test_the_counts_of_the_page_do_not_move_with_gold(project: Project) -> None:
    """Reload before each submit, and note by how much each number has changed."""
    client = Client()
    client.force_login(make_member(project, Role.ANNOTATOR))
    moved: dict[str, set[tuple[int, ...]]] = {"label": set(), "gold": set()}
    before: list[int] | None = None
    for number in range(30):
        page = client.get("/p/counting/label/").content.decode()
        form = dict(FIELD.findall(page))
        counts = [int(first or second) for _, first, _, second in COUNTS.findall(page)]
        purpose = Slot.objects.get(key=form["slot"]).purpose
        if before is not None:
            moved[purpose].add(tuple(now - was for now, was in zip(counts, before, strict=True)))
        before = counts
        client.post("/p/counting/label/submit/", form | {"answer-overall": "a1"})
        if number >= 11 and moved["gold"] and moved["label"]:
            break
    assert moved["gold"]
    assert moved["gold"] == moved["label"]
