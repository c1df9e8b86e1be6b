"""`platform/` is an import root: the standard library's module must stay itself."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import config
import core

ROOT = Path(__file__).resolve().parents[2]


def test_platform_is_the_standard_library() -> None:
    assert Path(platform.__file__).parent == Path(sysconfig.get_paths()["stdlib"])
    assert platform.python_version() == sys.version.split()[0]
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_our_packages_come_from_this_repository() -> None:
    for package in (core, config):
        assert package.__file__ is not None
        assert Path(package.__file__).is_relative_to(ROOT / "platform")


def test_the_web_process_imports_no_torch() -> None:
    """`django.setup()` plus every route, in a fresh interpreter."""
    code = (
        "import sys, django; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().reverse_dict\n"
        "bad = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "PYTHONPATH": f"{ROOT}:{ROOT}/platform",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
