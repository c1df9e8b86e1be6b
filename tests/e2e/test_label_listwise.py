"""A MultiPref-style ranking project from the wizard to the export, and its accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import Project
from accounts.services import create_user

from .axe import serious
from .journey import bring_instances, export, lines, make_project, send_to_people
from .kinds import MULTIPREF, TEXTS, make_kind, open_kind, press, stored

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e
# What is typed for four criteria of four completions; `=` ties with the one ranked before.
KEYS = ("2 1 3 4", "1 = 3 4", "1 2 3 -", "4 3 2 1")
RANKS = ([2, 1, 3, 4], [1, 1, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1])


def multipref(count: int) -> Project:
    return make_kind(
        count,
        TEXTS[:4],
        kind="listwise",
        criteria=MULTIPREF,
        ask_confidence=True,
        reasons=["clearer", "more correct"],
        ties=["tie", "both good", "both bad", "cannot judge"],
    )


def rank_all(page: Page, turn: int) -> list[list[int]]:
    """Rank on every criterion, each instance in another way; the ranks by shown place."""
    given = []
    for number in range(4):
        press(page, f"{KEYS[(turn + number) % 4]} c")
        given.append(RANKS[(turn + number) % 4])
        press(page, "Tab") if number < 3 else None
    return given


def label_twenty(page: Page) -> dict[str, list[list[int]]]:
    """By keys only, with one submit while offline and one taken back; the ranks by slot."""
    slot = page.locator(".slot")
    given: dict[str, list[list[int]]] = {}
    for turn in range(20):
        key = str(slot.get_attribute("data-slot"))
        given[key] = rank_all(page, turn)
        if turn == 7:
            page.context.set_offline(True)
        page.keyboard.press("Space")
        expect(page.locator("#done")).to_have_text(str(turn + 1))
        if turn == 7:
            expect(page.locator(".status")).to_contain_text("kept in this browser")
            page.context.set_offline(False)
            page.evaluate("dispatchEvent(new Event('online'))")
        if turn == 11:
            # Taken back, its answer is there again; the first criterion is given anew.
            expect(slot).not_to_have_attribute("data-slot", key)
            page.keyboard.press("Backspace")
            expect(slot).to_have_attribute("data-slot", key)
            expect(slot.locator("[name='rank-overall-0'][value='4']")).to_be_checked()
            press(page, "1 2 3 4 Space")
            given[key][0] = [1, 2, 3, 4]
            expect(page.locator("#done")).to_have_text(str(turn + 1))
        if turn < 19:
            expect(slot).not_to_have_attribute("data-slot", key)
    return given


def change_newest(page: Page) -> list[int]:
    """In the history: the other way round on the first criterion; the ranks as shown."""
    page.click("nav >> text=History")
    page.get_by_role("link", name="Change").first.click()
    expect(page.locator(".slot .sum").first).not_to_be_empty()
    press(page, "4 3 2 1 Space")
    expect(page.locator("text=Your label is changed")).to_be_visible()
    return [4, 3, 2, 1]


def test_a_new_user_from_the_wizard_to_the_export(
    log_in: Open, scene: Scene, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    create_user(username="newcomer", password=scene.password)
    page = log_in("newcomer")
    make_project(page, "Ranking on four criteria", "Bread")
    bring_instances(page, lines(20))
    send_to_people(page)
    assert serious(page) == []
    given = label_twenty(page)
    expect(page.locator("text=Nothing to label right now")).to_be_visible()
    # The page asks the server why there is nothing left.
    page.wait_for_load_state("networkidle")
    newest = list(given)[-1]
    given[newest][0] = change_newest(page)
    page.goto("/p/bread/")
    rows = export(page, "annotations", tmp_path / "bread.jsonl")

    labels = stored(Project.objects.get(slug="bread"))
    assert len(labels) == len(rows) == 80
    found = {(row["instance_id"], row["criterion"]): row for row in rows}
    assert {key for key, _ in found} == {f"q{number}" for number in range(20)}
    for label in labels:
        row = found[label.instance.external_id, label.criterion.key]
        number = [name for name, _, _ in MULTIPREF].index(label.criterion.key)
        ranks = given[str(label.slot.key)][number]  # type: ignore[union-attr]
        assert [row["ranking"][place] for place in row["shown_order"]] == ranks
        assert 0 < row["seconds"] < 300
        assert row["confidence"] == 1
        # `-` left the last one unranked, where it was typed.
        left = [row["shown_order"][3]] if number and ranks == [1, 2, 3, 4] else row["unranked"]
        assert row["unranked"] == left
    assert len({tuple(row["shown_order"]) for row in rows}) > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["listwise", "pairwise", "rating", "groups", "steps"])
def test_axe_finds_nothing_serious(log_in: Open, scene: Scene, scheme: str, kind: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "pairwise": {"criteria": MULTIPREF, "ask_confidence": True, "reasons": ["clearer"]},
        "rating": {"kind": "rating", "criteria": MULTIPREF},
        "groups": {"kind": "listwise", "best_worst": True, "texts": TEXTS[:6]},
        "steps": {"mark_steps": True, "post_edit": True, "texts": ["One.\n\nTwo.", "Three."]},
    }
    project = multipref(2) if kind == "listwise" else make_kind(**kinds[kind])
    page = log_in("annotator", color_scheme=scheme)
    open_kind(page, project)
    press(page, "1")
    expect(page.locator(".status")).to_have_text("Draft saved")
    assert serious(page) == []
