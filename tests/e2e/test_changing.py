"""What comes after a label: changing it, deciding as a reviewer, passing on, keys of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from accounts.models import Project, Role, User
from accounts.services import add_member
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.queue.models import Skip
from tests.factories import make_annotation, make_annotator

from .kinds import TEXTS, as_shown, make_kind, open_kind, press, stored, submit

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e


def open_change(page: Page, project: Project) -> None:
    """From the history to the label that was given there."""
    page.goto(f"/p/{project.slug}/history/")
    page.locator("table a").first.click()
    expect(page.locator(".slot")).to_be_visible()


def expect_changed(page: Page, project: Project) -> None:
    """It says so and stays so, and leads back."""
    expect(page.locator("#stage h2")).to_have_text("Your label is changed")
    page.wait_for_timeout(1000)
    expect(page.locator("#stage h2")).to_have_text("Your label is changed")
    expect(page.locator(".slot")).to_have_count(0)
    page.get_by_role("link", name="My history").click()
    page.wait_for_url(f"**/p/{project.slug}/history/")


@pytest.mark.parametrize(
    ("fields", "keys", "ranks"),
    [
        ({}, ("1", "5"), ([1, 2], [2, 1])),
        (
            {"kind": "listwise", "texts": TEXTS[:3]},
            ("1 2 3", "3 ArrowLeft ArrowLeft ArrowLeft 3 2 1"),
            ([1, 2, 3], [3, 2, 1]),
        ),
    ],
    ids=["pair", "ranking"],
)
def test_a_label_is_changed_and_the_page_says_so(
    log_in: Open,
    scene: Scene,
    fields: dict[str, Any],
    keys: tuple[str, str],
    ranks: tuple[list[int], list[int]],
) -> None:
    project = make_kind(**fields)
    page = log_in("annotator")
    open_kind(page, project)
    press(page, keys[0])
    submit(page)
    (label,) = stored(project)
    assert as_shown(label, label.ranking) == ranks[0]
    open_change(page, project)
    press(page, keys[1])
    page.get_by_role("button", name="Save the change").click()
    expect_changed(page, project)
    (label,) = stored(project)
    assert as_shown(label, label.ranking) == ranks[1]


def make_disputed(count: int = 2, **fields: Any) -> Project:
    """Two instances on which two people say the opposite; the researcher is there to decide."""
    project = make_kind(**fields)
    researcher = User.objects.get(username="researcher")
    add_member(project=project, user=researcher, role=Role.RESEARCHER)
    people = [make_annotator(project) for _ in range(2)]
    for instance in project.instances.all():
        make_annotation(instance, people[0], ranking=range(1, count + 1))
        make_annotation(instance, people[1], ranking=range(count, 0, -1))
    update(project=project)
    return project


def methods(project: Project) -> set[str]:
    rows = Consensus.objects.filter(instance__project=project, scope=Scope.HUMAN)
    return set(rows.values_list("method", flat=True))


@pytest.mark.parametrize(
    ("count", "fields", "keys"),
    [(2, {}, "1 Space"), (3, {"kind": "listwise", "texts": TEXTS[:3]}, "1 2 3 Space")],
    ids=["pair", "ranking"],
)
def test_a_review_leads_on_until_all_is_decided(
    log_in: Open, scene: Scene, count: int, fields: dict[str, Any], keys: str
) -> None:
    project = make_disputed(count, **fields)
    first, second = project.instances.order_by("pk")
    page = log_in("researcher")
    page.goto(f"/p/{project.slug}/review/{first.pk}/")
    press(page, keys)
    page.wait_for_url(f"**/review/{second.pk}/")
    expect(page.locator("body")).to_contain_text("Your review decides this instance.")
    press(page, keys)
    page.wait_for_url("**/review/")
    expect(page.locator("body")).to_contain_text("Your review decides this instance.")
    assert methods(project) == {"review"}


def test_who_cannot_judge_is_led_on_too(log_in: Open, scene: Scene) -> None:
    project = make_disputed()
    first, second = project.instances.order_by("pk")
    page = log_in("researcher")
    page.goto(f"/p/{project.slug}/review/{first.pk}/")
    press(page, "x")
    page.get_by_role("button", name="Decide and next").click()
    page.wait_for_url(f"**/review/{second.pk}/")
    expect(page.locator("body")).to_contain_text("It leaves open what you could not judge.")
    assert methods(project) == {"majority"}


def test_a_key_of_ones_own_submits(log_in: Open, scene: Scene) -> None:
    project = make_kind()
    page = log_in("annotator")
    page.goto("/preferences/")
    page.get_by_label("submit, and show the next instance").press("m")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("Saved.")
    slot = open_kind(page, project)
    press(page, "1 Space")
    expect(slot.locator(".crit .seg input:checked")).to_have_count(1)
    assert stored(project) == []
    with page.expect_response("**/label/submit/") as answer:
        press(page, "m")
    assert answer.value.ok
    (label,) = stored(project)
    assert as_shown(label, label.ranking) == [1, 2]


def test_an_instance_is_flagged_by_keys_and_the_next_one_comes(log_in: Open, scene: Scene) -> None:
    project = make_kind()
    page = log_in("annotator")
    slot = open_kind(page, project)
    shown = slot.get_attribute("data-slot")
    press(page, "f 2")
    page.locator("#flag textarea").fill("No prompt at all")
    page.locator("#flag input:checked").focus()
    with page.expect_response("**/label/skip/"):
        press(page, "Enter")
    expect(page.locator("#flag")).to_be_hidden()
    expect(page.locator(f".slot:not([data-slot='{shown}'])")).to_be_visible()
    (skip,) = Skip.objects.filter(instance__project=project)
    assert (skip.kind, skip.note) == ("broken", "No prompt at all")
    assert skip.instance.slots.get().key.hex == (shown or "").replace("-", "")
