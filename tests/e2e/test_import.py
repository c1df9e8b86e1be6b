"""Bringing a table whose columns have to be named: by keyboard, without scripts, on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from annotation.instances.models import Instance

from .axe import serious
from .journey import work_off

if TYPE_CHECKING:
    from .conftest import Open
    from .scene import Scene

pytestmark = pytest.mark.e2e
COLUMNS = ("frage", "links", "rechts", "besser", "wer")
ROLES = ("prompt", "completions", "completions", "winner", "annotator")
LOOKS = [(1440, "light", True), (390, "dark", False)]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.IMPORT_ROOTS = [tmp_path / "corpora"]
    (tmp_path / "corpora").mkdir()
    lines = [",".join(COLUMNS)]
    lines += [f"Was ist {each}?,{'Viel ' * 40},Nein,A,anna" for each in range(5)]
    lines += ["Und dann?,Ja,Nein,vielleicht,anna"]
    (tmp_path / "corpora" / "stimmen.csv").write_text("\n".join(lines))


def sound(page: Page, width: int, scripts: bool) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if scripts:
        assert serious(page) == []


def press(page: Page, button: str) -> None:
    """A button as the keyboard reaches it."""
    page.get_by_role("button", name=button, exact=True).focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.parametrize(("width", "scheme", "scripts"), LOOKS)
def test_a_table_is_named_tried_and_imported(
    log_in: Open, scene: Scene, width: int, scheme: str, scripts: bool
) -> None:
    slug, before = scene.project.slug, Instance.objects.count()
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = log_in("researcher", java_script_enabled=scripts, **look)
    page.goto(f"/p/{slug}/upload/")
    for place in ("URL", "Hugging Face", "Folder of the server"):
        page.get_by_role("navigation", name="Sources").get_by_role("link", name=place).click()
        expect(page.locator(".places [aria-current=page]")).to_have_text(place)
        sound(page, width, scripts)
    page.get_by_role("link", name="corpora/").click()
    page.get_by_label("stimmen.csv").check()
    press(page, "Look into it")
    expect(page.locator("main")).to_contain_text("It is not clear what this file is")
    for column, role in zip(COLUMNS, ROLES, strict=True):
        page.get_by_label(column, exact=True).select_option(role)
    press(page, "Read it with these columns")
    expect(page.locator(".outcome")).to_contain_text("5 new")
    expect(page.locator(".outcome")).to_contain_text("1 refused")
    sound(page, width, scripts)
    press(page, "Dry run of the whole file")
    work_off()
    page.reload()
    page.get_by_role("link", name="Read the report").click()
    expect(page.locator("h1")).to_contain_text("Dry run of stimmen.csv")
    sound(page, width, scripts)
    assert Instance.objects.count() == before
    press(page, "Import it")
    work_off()
    assert Instance.objects.count() == before + 5
