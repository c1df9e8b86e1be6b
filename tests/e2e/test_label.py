"""An annotator labels by keyboard, undoes, loses the network, and works without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e


def open_slots(page: Page, scene: Scene) -> Locator:
    """The labelling page, its script running and the slot after the first one fetched."""
    with page.expect_response("**/label/next/"):
        page.goto(f"/p/{scene.project.slug}/label/")
    return page.locator(".slot")


def labels(scene: Scene) -> list[tuple[list[int], str, float | None]]:
    from annotation.labels.models import Annotation

    rows = Annotation.objects.filter(project=scene.project, annotator__user__username="annotator")
    found = rows.order_by("pk").values_list("ranking", "tie_kind", "strength", "retracted")
    return [(list(ranking), tie, strength) for ranking, tie, strength, gone in found if not gone]


def test_label_three_by_keyboard_and_undo_one(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator")
    slot = open_slots(page, scene)
    seen = []
    for key in ("1", "ArrowDown", "ArrowRight"):
        seen.append(slot.get_attribute("data-slot"))
        page.keyboard.press(key)
        page.keyboard.press("Space")
        expect(slot).not_to_have_attribute("data-slot", str(seen[-1]))
    expect(page.locator("#done")).to_have_text("3")
    # The swap is made before the server answers; the undo waits for what is on its way.
    page.keyboard.press("Backspace")
    expect(slot).to_have_attribute("data-slot", str(seen[-1]))
    expect(page.locator("#done")).to_have_text("2")
    expect(slot.locator("input[value=b1]")).to_be_checked()
    assert [(tie, strength) for _, tie, strength in labels(scene)] == [
        ("", 1.0),
        ("tie", None),
        ("", 0.5),
    ]
    page.keyboard.press("5")
    with page.expect_response("**/label/submit/"):
        page.keyboard.press("Space")
    expect(page.locator("#done")).to_have_text("3")
    page.click("text=History")
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.locator("tbody tr").first).to_contain_text("B is clearly better")
    expect(page.locator("text=taken back")).to_have_count(1)


def test_submit_swaps_before_the_server_answers(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator")
    slot = open_slots(page, scene)
    first = slot.get_attribute("data-slot")
    page.context.set_offline(True)
    page.keyboard.press("2")
    page.keyboard.press("Space")
    expect(slot).not_to_have_attribute("data-slot", str(first))
    expect(page.locator(".status")).to_contain_text("kept in this browser")
    assert labels(scene) == []
    page.context.set_offline(False)
    with page.expect_response("**/label/submit/"):
        pass
    expect(page.locator("#done")).to_have_text("1")
    assert len(labels(scene)) == 1


def test_draft_survives_a_reload(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator")
    open_slots(page, scene)
    page.keyboard.press("4")
    page.keyboard.press("r")
    page.keyboard.type("it answers the question")
    page.keyboard.press("Escape")
    expect(page.locator(".status")).to_have_text("Draft saved")
    page.reload()
    expect(page.locator("input[value=b1]")).to_be_checked()
    expect(page.locator(".slot textarea")).to_have_value("it answers the question")
    expect(page.locator(".completion.b")).to_have_class("card completion b picked")


def test_an_unanswered_criterion_is_pointed_out(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator")
    open_slots(page, scene)
    page.keyboard.press("Space")
    expect(page.locator(".problem")).to_have_text("Answer “Overall” first.")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_without_javascript_the_form_posts(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator", java_script_enabled=False)
    page.goto(f"/p/{scene.project.slug}/label/")
    first = page.locator(".slot").get_attribute("data-slot")
    page.locator("input[value=a2]").check()
    page.get_by_role("button", name="Submit and next").click()
    expect(page.locator(".slot")).not_to_have_attribute("data-slot", str(first))
    assert [strength for _, _, strength in labels(scene)] == [1.0]
    page.get_by_role("button", name="Undo last").click()
    expect(page.locator(".slot")).to_have_attribute("data-slot", str(first))


def test_the_page_fits_a_phone(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator", viewport={"width": 390, "height": 844}, color_scheme="dark")
    open_slots(page, scene)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".seg label.a").first.click()
    expect(page.locator(".completion.a")).to_have_class("card completion a picked")
