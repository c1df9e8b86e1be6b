"""What a run leaves for other machines is enough to go on with, at whatever moment one dies."""

from pathlib import Path

import pytest
from django.test import override_settings

from config.env import storage_from_url
from tests.factories import make_project
from tests.training.small import make_snapshot
from training.runs import artifacts, services
from training.runs.models import Run

pytestmark = pytest.mark.django_db


def test_a_run_that_others_see_as_finished_has_its_model_with_them(tmp_path: Path) -> None:
    """A machine died after the report was written and before its job had ended."""
    project = make_project()
    run = Run.objects.create(
        project=project,
        kind="reward",
        snapshot=make_snapshot(project),
        config={"preset": "bt"},
        folder="runs/one",
    )
    storages = {"artifacts": storage_from_url(f"file://{tmp_path / 'shared'}")}
    with override_settings(MEDIA_ROOT=tmp_path / "one", STORAGES=storages):
        workdir = services.workdir_of(run)
        (workdir / "model").mkdir(parents=True)
        (workdir / "model" / "config.json").write_text("{}")
        (workdir / "report.json").write_text("{}")
        artifacts.publish_state(run, workdir)
    with override_settings(MEDIA_ROOT=tmp_path / "two", STORAGES=storages):
        workdir = services.workdir_of(run)
        artifacts.fetch_state(run, workdir)
        assert (workdir / "report.json").is_file()
        assert (workdir / "model" / "config.json").read_text() == "{}"
