"""The prose names only what exists: files, links, commands, options, variables, presets."""

import ast
import json
import re
import shlex
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string
from django.utils.text import slugify
from typer.main import get_command

from annotation.instances.parsing import Notes, parse_instances
from annotation.projects.models import Kind
from routing.lab.plan import Options
from routing.rounds.options import RoundOptions
from tandem_client.cli import app
from training.objectives.presets import PRESETS, names

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "CHANGELOG.md"
)
TOP = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
ROOMS = {"accounts", "annotation", "core", "jobs", "routing", "training"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"(?:\]\(|src=\")([^)\"\s]+)")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def fences(path: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text_of(path)) if name == language]


def quoted(path: Path) -> list[str]:
    """Everything in backticks outside the fenced blocks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text_of(path)))


def commands(path: Path) -> list[str]:
    """Command lines: those of the fenced blocks without a language, and those in backticks."""
    lines = [line for body in fences(path, "") for line in body.splitlines()]
    return [line.split("  #")[0].split("# ")[0].strip() for line in [*lines, *quoted(path)]]


def words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.M))


def make_variables() -> set[str]:
    return set(re.findall(r"^([A-Z]+) \??=", text_of(ROOT / "Makefile"), re.M))


def environment() -> set[str]:
    """Variables of `.env.example`, and those that name a file instead of a value."""
    example = set(re.findall(r"^([A-Z_]+)=", text_of(ROOT / ".env.example"), re.M))
    client = "".join(map(text_of, (ROOT / "platform/tandem_client").glob("*.py")))
    read = set(re.findall(r'"(TANDEM_[A-Z]+)"', client))
    return example | read | {"SECRET_KEY_FILE", "DATABASE_URL_FILE"}


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(path)), re.M)
    return {slugify(re.sub(r"[`*]", "", heading)) for heading in headings}


def python_modules(words: list[str]) -> Iterator[str]:
    for before, flag, name in zip(words, words[1:], words[2:], strict=False):
        if before.endswith("python") and flag == "-m":
            yield name


def management(words: list[str]) -> tuple[str, list[str]] | None:
    """The management command of a line and its arguments."""
    for place, word in enumerate(words[:-1]):
        if word.endswith("manage.py"):
            return words[place + 1], words[place + 2 :]
    return None


parametrised = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


@parametrised
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(text_of(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@parametrised
def test_files_exist(page: Path) -> None:
    """`room/file.py` and the like; a name with `<noun>` or `_fragment` stands for any."""
    for name in quoted(page):
        first = name.split("/")[0]
        if "/" in name and first in TOP - {"var"} and " " not in name:
            pattern = re.sub(r"<\w+>", "*", name.rstrip("/"))
            assert any(ROOT.glob(pattern)), name


@parametrised
def test_make_targets_and_their_variables_exist(page: Path) -> None:
    for command in commands(page):
        words = words_of(command)
        if "make" in words:
            start = words.index("make")
            if any("=" not in word for word in words[:start]):
                continue
            for word in words[start + 1 :]:
                name, assigned, _ = word.partition("=")
                assert name in (make_variables() if assigned else make_targets()), command


@parametrised
def test_management_commands_take_what_is_written(page: Path) -> None:
    for command in commands(page):
        found = management(words_of(command))
        if found is None:
            continue
        name, arguments = found
        assert name in get_commands(), command
        app = get_commands()[name]
        loaded = load_command_class(app, name) if isinstance(app, str) else app
        parser = loaded.create_parser("manage.py", name)
        # An upper-case word stands for a value; an app and a name in brackets for any.
        if not any(word.startswith("<") for word in arguments):
            parser.parse_args([word for word in arguments if word != "…"])


@parametrised
def test_commands_of_the_client_take_what_is_written(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PROJECT", "any")
    monkeypatch.setenv("TANDEM_TOKEN", "any")
    for command in commands(page):
        words = words_of(command)
        if words[:1] == ["tandem"]:
            follow(get_command(app), words[1:])


def follow(command: Any, words: list[str]) -> None:
    """Parse a line of the client down to the command that it names, without running it."""
    groups = getattr(command, "commands", None)
    if groups is None:
        command.make_context("tandem", list(words))
    elif words:
        assert words[0] in groups, words
        follow(groups[words[0]], words[1:])


@parametrised
def test_options_of_the_loop_exist(page: Path) -> None:
    known = "".join(map(text_of, (ROOT / "routing/management/commands").glob("*.py")))
    known += text_of(ROOT / "platform/embedded/__main__.py")
    known += text_of(ROOT / "platform/tandem_client/cli.py").replace("/--", '", "--')
    for name in quoted(page):
        if re.fullmatch(r"--[a-z-]+( [\w.-]+)?", name):
            assert f'"{name.split()[0]}"' in known, name


@parametrised
def test_modules_that_are_run_exist(page: Path) -> None:
    for command in commands(page):
        for name in python_modules(words_of(command)):
            assert find_spec(name) is not None, command


@parametrised
def test_names_in_the_code_exist(page: Path) -> None:
    """Dotted names such as `annotation.datasets.services.build_snapshot`."""
    for name in quoted(page):
        if re.fullmatch(r"[a-z_]+(\.\w+){2,}", name) and name.split(".")[0] in ROOMS:
            assert callable(import_string(name)), name


@parametrised
def test_variables_exist(page: Path) -> None:
    known = environment() | make_variables()
    constants = {
        "OVERALL",
        "NAMES",
        "ROWS",
        "ALLOWED",
        "README",
        "OMP_WAIT_POLICY",
        "POSTGRES_PASSWORD",
        "NAME",
    }
    for name in quoted(page):
        bare = name.split("=")[0]
        if re.fullmatch(r"[A-Z][A-Z_]+", bare) and " " not in name:
            assert bare in known | constants, name


def test_the_example_lines_are_instances() -> None:
    (example,) = fences(ROOT / "README.md", "json")
    notes = Notes()
    made = [
        parse_instances(json.loads(line), Kind.PAIRWISE, notes)
        for line in example.split("\n")
        if line
    ]
    assert [len(instances) for instances in made] == [1, 1, 1, 1, 3, 1, 1]
    assert not notes


def test_python_examples_compile_and_import() -> None:
    for page in PAGES:
        for body in fences(page, "python"):
            compile(body, str(page), "exec")
            for module, wanted in re.findall(r"^from ([\w.]+) import ([\w, ]+)$", body, re.M):
                for name in wanted.split(", "):
                    assert import_string(f"{module}.{name}")


def test_the_table_of_presets_is_the_code() -> None:
    page = text_of(ROOT / "docs/presets.md")
    rewards, policies = page.split("## Reward models")[1].split("## Policies")
    for kind, part in (("reward", rewards), ("policy", policies.split("## What")[0])):
        rows = re.findall(r"^\| `(\w+)` \|.*$", part, re.M)
        assert rows == names("reward" if kind == "reward" else "policy")
    for name, preset in PRESETS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.M)
        if re.fullmatch(r"\d{4}\.\d{5}", preset.paper):
            assert f"https://arxiv.org/abs/{preset.paper}" in row


def test_the_options_of_a_round_are_the_code() -> None:
    page = text_of(ROOT / "docs/researchers.md").split("## A round and its options")[1]
    rows = re.findall(r"^\| (`.*?) \|.*\| (`.*`) \|$", page.split("\n## ")[0], re.M)
    told = {
        name: ast.literal_eval(value)
        for left, right in rows
        for name, value in zip(
            re.findall(r"`(.+?)`", left), re.findall(r"`(.+?)`", right), strict=True
        )
    }
    assert told == RoundOptions().as_dict()


def test_the_seed_of_the_comparison_is_the_code() -> None:
    page = text_of(ROOT / "docs/researchers.md")
    assert f"the seed (at most {100 * Options().seed_share:.0f} % of what is left)" in page


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs/adr"
    pages = sorted(path.name for path in folder.glob("0*.md"))
    assert [name[:4] for name in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    assert LINK.findall(text_of(folder / "README.md")) == pages
    for name in pages:
        assert text_of(folder / name).startswith(f"# {int(name[:4])}. ")
        assert "**Decision.**" in text_of(folder / name)


def test_the_readme_opens_with_the_two_commands() -> None:
    head = text_of(ROOT / "README.md").split("```")[1]
    assert [line.split("  ")[0] for line in head.strip().splitlines()] == ["make demo", "make test"]


def test_the_counts_of_the_embedded_set_are_right() -> None:
    folder = ROOT / "annotation/instances/embedded"
    prompts = sum(len(text_of(path).splitlines()) for path in folder.glob("*.jsonl"))
    domains = {9: "nine", 10: "ten", 11: "eleven"}[len(list(folder.glob("*.jsonl")))]
    assert f"{prompts} prompts in {domains} domains" in text_of(ROOT / "README.md")


def test_the_loop_is_drawn_for_light_and_dark_and_says_what_it_shows() -> None:
    path = ROOT / "docs/images/loop.svg"
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    space = "{http://www.w3.org/2000/svg}"
    title, description = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None
    assert description is not None
    assert title.text
    assert description.text
    assert "prefers-color-scheme: dark" in text_of(path)


def test_screenshots_are_pictures_of_a_page() -> None:
    """Whole PNG files as wide as a page at 1440 px, small enough for a checkout."""
    for path in sorted((ROOT / "docs/images").glob("*.png")):
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n", path.name
        assert struct.unpack(">I", data[16:20])[0] >= 1000, path.name
        assert len(data) < 1_000_000, path.name
