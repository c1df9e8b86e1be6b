"""The pages in German and in Arabic: keys, direction, and no English left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.catalogues import Entry, entries

from .test_label import open_slots

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e

PAGES = ["/", "/p/{slug}/label/", "/p/{slug}/history/", "/p/{slug}/guideline/", "/preferences/"]
# What people wrote stays in their language, and an option that is closed is not read.
OWN_WORDS = ".prose, .gist, .crumb, .break, [lang], bdi, code, script, style, template"
SEEN = f"""() => {{
  const copy = document.body.cloneNode(true);
  for (const node of copy.querySelectorAll({OWN_WORDS!r})) node.remove();
  const said = [...copy.querySelectorAll("[aria-label], [title], [placeholder], [data-hide]")];
  const words = said.flatMap((node) => ["aria-label", "title", "placeholder", "data-hide"]
    .map((name) => node.getAttribute(name)));
  return [copy.textContent, ...words].join("\\n").replace(/\\s+/g, " ");
}}"""

OUTSIDE = """[...document.querySelectorAll("main .card, .top")]
  .filter((node) => node.getBoundingClientRect().left < 0).length"""


def in_english(page: Page, german: list[Entry]) -> list[str]:
    seen = page.evaluate(SEEN)
    return [
        entry.source
        for entry in german
        if len(entry.source) > 12 and entry.source not in entry.texts and entry.source in seen
    ]


def test_german_pages_hold_no_english(log_in: Open, scene: Scene) -> None:
    page = log_in("annotator", locale="de")
    german = entries("de")
    open_slots(page, scene)
    page.keyboard.press("1")
    page.keyboard.press("Space")
    expect(page.locator("#done")).to_have_text("1")
    for path in PAGES:
        page.goto(path.format(slug=scene.project.slug))
        assert page.locator("html").get_attribute("lang") == "de"
        assert in_english(page, german) == [], path


def test_label_two_pairs_in_arabic_by_keyboard(log_in: Open, scene: Scene) -> None:
    """An arrow chooses the card that lies where it points: A is on the right here."""
    page = log_in("annotator", locale="ar")
    slot = open_slots(page, scene)
    assert page.locator("html").get_attribute("dir") == "rtl"
    boxes = [page.locator(f".completion.{side}").bounding_box() for side in "ab"]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] > boxes[1]["x"]
    for key, side in (("ArrowLeft", "b"), ("ArrowRight", "a")):
        first = slot.get_attribute("data-slot")
        page.keyboard.press(key)
        expect(page.locator(f".completion.{side}")).to_contain_class("picked")
        with page.expect_response("**/label/submit/"):
            page.keyboard.press("Space")
        expect(slot).not_to_have_attribute("data-slot", str(first))
    expect(page.locator("#done")).to_have_text("2")
    page.goto(f"/p/{scene.project.slug}/history/")
    expect(page.locator("tbody tr")).to_have_count(2)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("de", "ltr")])
def test_the_pages_fit(
    log_in: Open, scene: Scene, language: str, direction: str, width: int
) -> None:
    page = log_in("admin", locale=language, viewport={"width": width, "height": 900})
    slug = scene.project.slug
    staff = ["", "dashboard/", "instances/", "quality/", "routing/", "runs/", "data/", "jobs/"]
    more = ["people/", "settings/", "rounds/1/", "arena/", "upload/", f"runs/{scene.run.pk}/"]
    wide = {}
    paths = [*(each.format(slug=slug) for each in PAGES), "/new/"]
    for path in [*paths, *(f"/p/{slug}/{name}" for name in [*staff, *more])]:
        page.goto(path)
        assert page.locator("html").get_attribute("dir") == direction, path
        wide[path] = page.evaluate("document.documentElement.scrollWidth")
        # What sticks out on the left of a page read from the right cannot be scrolled to.
        assert page.evaluate(OUTSIDE) == 0, path
    assert {path: found for path, found in wide.items() if found > width} == {}
