"""Who may import whom: import-linter's contracts, and what it cannot say about one package."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = ("platform", "annotation", "training", "routing", "frontend")
# What of Django speaks HTTP: import-linter forbids whole external packages only.
HTTP = (
    "django.http",
    "django.shortcuts",
    "django.urls",
    "django.views",
    "django.template",
    "django.contrib.messages",
)
DJANGO_FREE_ROOMS = ("training/objectives", "training/batching", "training/fit")


def configuration() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["tool"]["importlinter"])


def contract(name: str) -> dict[str, Any]:
    return next(c for c in configuration()["contracts"] if c["name"].startswith(name))


def lint(config: Path) -> tuple[int, str]:
    """Exit status and output of import-linter on a configuration."""
    code = "from importlinter.cli import lint_imports_command as main; main()"
    arguments = ["--no-cache", "--no-logo", "--config", str(config)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}", "COLUMNS": "200"},
    )
    return done.returncode, done.stdout + done.stderr


def module_name(path: Path) -> str:
    """The import name of a file; `platform/` is an import root, so it is no part of it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "platform" else parts)


def service_modules() -> list[Path]:
    """Every services.py but the supervisor's, which is no room of the application."""
    found = [path for top in TOP for path in (ROOT / top).rglob("services.py")]
    return sorted(path for path in found if "embedded" not in path.parts)


def imports_of(path: Path) -> set[str]:
    """Every absolute module a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_contract_is_kept() -> None:
    status, output = lint(ROOT / "pyproject.toml")
    assert status == 0, output
    assert f"Contracts: {len(configuration()['contracts'])} kept, 0 broken." in output


def test_a_back_edge_is_found(tmp_path: Path) -> None:
    """With the layers turned over, what the tree does every day is a breach."""
    turned = tmp_path / "turned.toml"
    turned.write_text(
        "[tool.importlinter]\n"
        'root_packages = ["core", "accounts", "annotation"]\n'
        "[[tool.importlinter.contracts]]\n"
        'name = "turned over"\n'
        'type = "layers"\n'
        'layers = ["core", "annotation"]\n'
    )
    status, output = lint(turned)
    assert status == 1, output
    assert "turned over BROKEN" in output


def test_the_layers_name_every_room() -> None:
    layers = {room for layer in contract("layers")["layers"] for room in layer.split(" : ")}
    rooms = {path.parent for top in TOP for path in (ROOT / top).glob("**/apps.py")}
    assert layers == {path.name for path in rooms}


def test_every_services_module_is_under_the_contract() -> None:
    named = set(contract("services know no HTTP")["source_modules"])
    assert named >= {module_name(path) for path in service_modules()}


@pytest.mark.parametrize("path", service_modules(), ids=module_name)
def test_services_know_no_http(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.startswith(HTTP)}


@pytest.mark.slow
def test_the_training_core_never_reaches_django() -> None:
    """The contract allows indirect imports; these rooms run without Django, so they have none."""
    files = [path for room in DJANGO_FREE_ROOMS for path in sorted((ROOT / room).glob("*.py"))]
    names = [module_name(path).removesuffix(".__init__") for path in files]
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {names!r}]\n"
        "sys.exit('django' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"},
    )
    assert done.returncode == 0, done.stderr or "django was imported"


def test_nothing_is_imported_through_the_name_of_the_import_root() -> None:
    wrong = {
        str(path.relative_to(ROOT)): name
        for top in (*TOP, "tests")
        for path in (ROOT / top).rglob("*.py")
        for name in imports_of(path)
        if name.startswith("platform.") and (ROOT / "platform" / name.split(".")[1]).is_dir()
    }
    assert not wrong


def test_only_the_settings_read_the_environment() -> None:
    """Except programs that have no settings: the supervisor, the client, a child's command line."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for top in TOP
        for path in (ROOT / top).rglob("*.py")
        if "os.environ" in path.read_text(encoding="utf-8")
    }
    allowed = {
        "platform/config/env.py",
        "platform/config/settings_test.py",
        "platform/config/celery.py",
        "platform/config/wsgi.py",
        "platform/config/asgi.py",
        "platform/tandem_client/login.py",  # where its user keeps settings
        "annotation/judges/verifier/walls.py",  # looks that there is none in the sandbox
        "training/__main__.py",
        "training/fit/board.py",  # the child: Weights & Biases' own variables
        "training/fit/models/hub.py",  # the child: hub models that the operator names
        "training/fit/launched.py",  # the child: what its launcher says
        "training/fit/team.py",
        "training/runs/commands.py",  # hands a few variables on to the child process
        "training/runs/devices.py",  # the GPUs that the child will see
        "training/runs/memory.py",  # where the child will find models of the hub
    }
    assert {name for name in readers if not name.startswith("platform/embedded/")} <= allowed
