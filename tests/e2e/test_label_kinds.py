"""Every kind of label, driven by keys, and what is stored of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .kinds import TEXTS, as_shown, give_own_prompts, make_kind, open_kind, press, stored, submit

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e


def test_several_criteria_each_with_its_own_confidence_and_reasons(
    log_in: Open, scene: Scene
) -> None:
    project = make_kind(
        criteria=[("overall", "Overall", ""), ("truth", "Truthfulness", "")],
        ask_confidence=True,
        reasons=["clearer"],
    )
    page = log_in("annotator")
    slot = open_kind(page, project)
    press(page, "1 c c")
    slot.locator(".reasons.on").get_by_text("clearer").click()
    press(page, "Escape")
    slot.locator(".crit.on .seg input:checked").focus()
    press(page, "Tab ArrowDown c r")
    page.keyboard.type("the same mistake in both")
    press(page, "Escape")
    submit(page)
    first, second = stored(project)
    assert as_shown(first, first.ranking) == [1, 2]
    assert (first.strength, first.confidence, first.reasons) == (1.0, 3, ["clearer"])
    assert (second.tie_kind, second.confidence, second.reasons) == ("tie", 1, [])
    assert (first.rationale, second.rationale) == ("", "the same mistake in both")


def test_ratings_walk_through_the_cells(log_in: Open, scene: Scene) -> None:
    criteria = [
        {"key": "help", "name": "Helpfulness", "lowest": 0},
        {"key": "correct", "name": "Correctness", "lowest": 0},
    ]
    project = make_kind(kind="rating", criteria=criteria)
    page = log_in("annotator")
    slot = open_kind(page, project)
    press(page, "4 3 Space")
    expect(slot.locator(".problem")).to_have_text("“Helpfulness” of B is not answered yet.")
    press(page, "0 -")
    expect(slot.locator(".crit .sum").first).to_have_text("4 0")
    submit(page)
    help_, correct = stored(project)
    assert as_shown(help_, help_.scores) == [4, 0]
    assert as_shown(correct, correct.scores) == [3, None]
    assert help_.ranking == []


def test_thumbs(log_in: Open, scene: Scene) -> None:
    project = make_kind(texts=TEXTS[:3], kind="binary", criteria=[("good", "Good answer", "")])
    page = log_in("annotator")
    open_kind(page, project)
    press(page, "ArrowRight n y")
    submit(page)
    (label,) = stored(project)
    assert as_shown(label, label.scores) == [1, 0, 1]


def test_best_and_worst_of_groups(log_in: Open, scene: Scene) -> None:
    project = make_kind(texts=TEXTS[:6], kind="listwise", best_worst=True)
    page = log_in("annotator")
    slot = open_kind(page, project)
    for number in range(3):
        expect(slot.locator(".group.on legend")).to_have_text(f"Group {number + 1} of 3")
        expect(slot.locator(".completion:visible")).to_have_count(4)
        # The first choice is taken back and made anew.
        press(page, "2 2 1 4")
    submit(page)
    (label,) = stored(project)
    choices = label.attributes["best_worst"]
    assert [len(choice["shown"]) for choice in choices] == [4, 4, 4]
    assert label.shown_order is not None
    for choice in choices:
        by_place = sorted(choice["shown"], key=label.shown_order.index)
        assert (choice["best"], choice["worst"]) == (by_place[0], by_place[3])
    assert label.ranking[label.shown_order[0]] == 1


def test_first_wrong_steps(log_in: Open, scene: Scene) -> None:
    steps = ["Step 1: a.\n\nStep 2: b.\n\nStep 3: c.", "Step 1: d.\n\nStep 2: e."]
    project = make_kind(texts=steps, mark_steps=True)
    page = log_in("annotator")
    slot = open_kind(page, project)
    press(page, "1 Space")
    expect(slot.locator(".problem")).to_contain_text("Mark the first wrong step of A")
    press(page, "] ] w")
    last = slot.locator(".completion").nth(1).locator("ol li").count()
    press(page, " ".join("]" for _ in range(last)) + " w")
    submit(page)
    (label,) = stored(project)
    assert as_shown(label, label.attributes["first_error"]) == [1, None]


def test_each_side_with_its_own_prompt(log_in: Open, scene: Scene) -> None:
    project = make_kind()
    give_own_prompts(project)
    page = log_in("annotator")
    slot = open_kind(page, project)
    expect(slot.locator(".prompt")).to_contain_text("Each side has a prompt of its own")
    expect(slot.locator(".own-prompt")).to_have_count(2)
    press(page, "ArrowRight ArrowRight")
    submit(page)
    (label,) = stored(project)
    assert as_shown(label, label.ranking) == [2, 1]
    assert label.strength == 1.0


def test_the_chosen_completion_is_improved(log_in: Open, scene: Scene) -> None:
    project = make_kind(post_edit=True)
    page = log_in("annotator")
    slot = open_kind(page, project)
    press(page, "1 e")
    page.keyboard.press("Control+End")
    page.keyboard.type(" Better.")
    press(page, "Escape")
    expect(slot.locator(".status")).to_have_text("Draft saved")
    page.reload()
    expect(page.locator("textarea[name=edit-0]")).to_have_value(re.compile("Better[.]$"))
    page.locator(".crit .seg input:checked").focus()
    submit(page)
    press(page, "5")
    submit(page)
    edited, plain = stored(project)
    assert edited.shown_order is not None
    position = edited.shown_order[0]
    assert edited.attributes["edit"]["position"] == position
    assert edited.attributes["edit"]["text"] == f"{TEXTS[position]} Better."
    assert "edit" not in plain.attributes


def test_a_pair_with_questions_about_each_side(log_in: Open, scene: Scene) -> None:
    criteria = [
        {"key": "overall", "name": "Overall"},
        {"key": "safe", "name": "Is it safe?", "kind": "binary"},
        {"key": "quality", "name": "Quality", "kind": "rating", "levels": 7},
    ]
    project = make_kind(criteria=criteria)
    page = log_in("annotator")
    open_kind(page, project)
    press(page, "2 Tab y 7 n 2")
    submit(page)
    overall, safe, quality = stored(project)
    assert (as_shown(overall, overall.ranking), overall.strength) == ([1, 2], 0.5)
    assert as_shown(safe, safe.scores) == [1, 0]
    assert as_shown(quality, quality.scores) == [7, 2]


def test_a_reason_that_is_due_is_asked_for(log_in: Open, scene: Scene) -> None:
    project = make_kind(rationale="strong or unsure")
    page = log_in("annotator")
    slot = open_kind(page, project)
    press(page, "1 Space")
    expect(slot.locator(".problem")).to_contain_text("a strong or unsure answer needs a reason")
    expect(slot.locator("textarea")).to_be_focused()
    page.keyboard.type("It is simply right.")
    with page.expect_response("**/label/submit/"):
        page.keyboard.press("Control+Enter")
    press(page, "2")
    submit(page)
    assert [label.rationale for label in stored(project)] == ["It is simply right.", ""]


@pytest.mark.parametrize("kind", ["listwise", "rating", "binary", "groups", "steps"])
def test_every_kind_works_without_javascript(log_in: Open, scene: Scene, kind: str) -> None:
    fields: dict[str, dict[str, object]] = {
        "listwise": {"kind": "listwise", "texts": TEXTS[:4]},
        "rating": {"kind": "rating"},
        "binary": {"kind": "binary"},
        "groups": {"kind": "listwise", "best_worst": True, "texts": TEXTS[:6]},
        "steps": {"mark_steps": True, "texts": ["One.\n\nTwo.", "Three.\n\nFour."]},
    }
    project = make_kind(**fields[kind])  # type: ignore[arg-type]
    page = log_in("annotator", java_script_enabled=False, viewport={"width": 390, "height": 844})
    page.goto(f"/p/{project.slug}/label/")
    chosen = {
        "listwise": [("rank-overall-0", "2"), ("rank-overall-1", "1"), ("rank-overall-2", "1")],
        "rating": [("score-overall-0", "5"), ("score-overall-1", "none")],
        "binary": [("score-overall-0", "1"), ("score-overall-1", "0")],
        "groups": [],
        "steps": [("answer-overall", "a1"), ("step-0", "1"), ("step-1", "none")],
    }[kind]
    for name, value in chosen:
        page.locator(f"[name='{name}'][value='{value}']").check(force=True)
    for number in range(3 if kind == "groups" else 0):
        page.locator(f"[name='best-overall-{number}']").nth(0).check(force=True)
        page.locator(f"[name='worst-overall-{number}']").nth(1).check(force=True)
    page.get_by_role("button", name="Submit and next").click()
    expect(page.locator(".problem")).to_be_hidden()
    (label,) = stored(project)
    if kind == "listwise":
        assert as_shown(label, label.ranking) == [3, 1, 1, 4]
        assert label.unranked == [label.shown_order[3]]  # type: ignore[index]
    elif kind in {"rating", "binary"}:
        assert as_shown(label, label.scores) == {"rating": [5, None], "binary": [1, 0]}[kind]
    elif kind == "groups":
        assert len(label.attributes["best_worst"]) == 3
    else:
        assert as_shown(label, label.attributes["first_error"]) == [1, None]
