"""Hostile responses in a real browser: nothing runs, nothing is loaded, nothing leaves its card."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.hostile import ATTACKS, HOST, REMOTE, documents_with, parts_with

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
# What is painted outside of the card that it belongs to, or makes the page wider than its window.
ESCAPED = """() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways");
  for (const card of document.querySelectorAll("main .card")) {
    const box = card.getBoundingClientRect();
    if (box.right > width + 1) found.push(`card up to ${box.right}`);
    for (const each of card.querySelectorAll("*")) {
      const own = each.getBoundingClientRect();
      if (!own.width || !own.height || !each.checkVisibility()) continue;
      let clip = each.parentElement, held = false;
      for (; clip !== card.parentElement; clip = clip.parentElement) {
        const style = getComputedStyle(clip);
        held = style.contain.includes("paint") || style.overflowX !== "visible";
        if (held) break;
      }
      const aside = own.left < box.left - 1 || own.right > box.right + 1;
      const out = aside || own.bottom > box.bottom + 1;
      if (out && !held) found.push(`${each.tagName}.${each.className} ${own.right} ${own.bottom}`);
      if (getComputedStyle(each).position === "fixed") found.push(`fixed ${each.tagName}`);
    }
  }
  return found;
}"""


def storable(value: Any) -> Any:
    """The value as the import would let it into the database."""
    return json.loads(json.dumps(value).replace("\\u0000", "").replace("\\ud800", ""))


def hostile_instance(scene: Scene) -> int:
    """The first instance, with every attack in its prompt, documents, texts and parts."""
    instance = scene.project.instances.order_by("pk")[0]
    texts = [text for name, text in ATTACKS.items() if name != "huge"]
    instance.messages = storable([{"role": "user", "content": parts_with(text)} for text in texts])
    instance.context = storable(
        [document for text in texts for document in documents_with(text)[:2]]
    )
    instance.save()
    first, second = instance.completions.all()[:2]
    first.text, first.parts = storable("\n\n".join(texts)), storable(parts_with(texts[0]))
    first.save()
    second.text = ATTACKS["huge"]
    second.save()
    return int(instance.pk)


def watched(page: Page) -> list[str]:
    """Addresses asked for on the attackers' host, and dialogs; the host answers with a picture."""
    seen: list[str] = []

    def answer(route: Route) -> None:
        seen.append(route.request.url)
        route.fulfill(body=PIXEL, content_type="image/png")

    page.route(f"**://{HOST}/**", answer)
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    return seen


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_runs_loads_or_leaves_its_card(log_in: Open, scene: Scene, width: int) -> None:
    pk = hostile_instance(scene)
    page = log_in("admin", viewport={"width": width, "height": 900})
    seen = watched(page)
    page.goto(f"/p/{scene.project.slug}/instances/{pk}/")
    for document in page.locator("details.document").all():
        document.evaluate("each => { each.open = true; }")
    page.mouse.wheel(0, 200_000)
    page.wait_for_timeout(500)
    assert page.evaluate(ESCAPED) == []
    assert seen == []
    assert page.locator("iframe").count() > 0


def test_a_remote_image_loads_after_a_click_and_not_before(log_in: Open, scene: Scene) -> None:
    instance = scene.project.instances.order_by("pk")[0]
    completion = instance.completions.all()[0]
    completion.parts = [{"type": "image", "url": f"{REMOTE}/cat.png", "alt": "A cat"}]
    completion.save()
    page = log_in("admin")
    seen = watched(page)
    page.goto(f"/p/{scene.project.slug}/instances/{instance.pk}/")
    link = page.get_by_role("link", name=f"Load the image: A cat ({HOST})")
    expect(link).to_be_visible()
    assert seen == []
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("A cat")).to_be_visible()
    assert seen == [f"{REMOTE}/cat.png"]


def test_a_citation_opens_the_document_it_names(log_in: Open, scene: Scene) -> None:
    instance = scene.project.instances.order_by("pk")[0]
    instance.context = ["The first.", {"id": "d2", "title": "Primes", "text": "Two is prime."}]
    instance.save()
    instance.completions.filter(position=0).update(text="As it says in [2].")
    page = log_in("admin")
    page.goto(f"/p/{scene.project.slug}/instances/{instance.pk}/")
    expect(page.get_by_text("Two is prime.")).to_be_hidden()
    page.locator("a.cite").click()
    expect(page.get_by_text("Two is prime.")).to_be_visible()
