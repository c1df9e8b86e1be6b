"""Artifacts and job folders of every test lie in its own temporary folder."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True)
def _folders(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    settings.MODEL_ROOTS = [tmp_path / "models"]
    settings.TRAINING_THREADS = 1
