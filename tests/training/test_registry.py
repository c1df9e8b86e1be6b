"""The registry: versions are numbered, and one of a kind is in production."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError

from audit.models import Event
from core.exceptions import InvalidInput, NotFound
from tests.factories import make_project, make_user
from tests.training.small import OPTIONS, make_snapshot
from training.registry import selectors, services
from training.registry.models import ModelVersion
from training.runs.models import Run
from training.runs.services import create_run

pytestmark = pytest.mark.django_db


def finished_runs(count: int) -> list[Run]:
    project = make_project()
    snapshot = make_snapshot(project)
    runs = []
    for _ in range(count):
        run = create_run(project=project, kind="reward", snapshot=snapshot, options=OPTIONS)
        model = Path(settings.MEDIA_ROOT) / run.folder / "model"
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        runs.append(run)
    return runs


# What a run that goes through the default gate reports.
GOOD = {
    "prompts": 40,
    "accuracy": 0.8,
    "accuracy_interval": [0.7, 0.9],
    "expected_calibration_error": 0.05,
    "length_controlled_accuracy": 0.75,
    "length_correlation": 0.2,
}


def good_versions(count: int) -> list[ModelVersion]:
    versions = [services.register_model(run=run) for run in finished_runs(count)]
    for version in versions:
        version.metrics = GOOD
        version.save(update_fields=["metrics"])
    return versions


def compared(version: ModelVersion, with_: ModelVersion) -> None:
    """As after a run: the same pairs are judged as well as by `with_`."""
    paired = {"version": with_.pk, "difference": 0.0, "interval": [-0.01, 0.01]}
    version.metrics = GOOD | {"probe": {"production": paired}}
    version.save(update_fields=["metrics"])


def test_versions_are_numbered_and_registering_twice_gives_the_same() -> None:
    runs = finished_runs(2)
    versions = [services.register_model(run=run) for run in runs]
    assert [version.version for version in versions] == [1, 2]
    assert services.register_model(run=runs[0]) == versions[0]
    assert list(selectors.versions_of(runs[0].project)) == versions[::-1]


def test_a_run_without_a_model_is_not_registered() -> None:
    project = make_project()
    snapshot = make_snapshot(project)
    run = create_run(project=project, kind="reward", snapshot=snapshot, options=OPTIONS)
    with pytest.raises(InvalidInput, match="has left no model"):
        services.register_model(run=run)
    assert not ModelVersion.objects.exists()


def test_production_is_handed_over_and_the_old_one_archived() -> None:
    actor = make_user()
    first, second = good_versions(2)
    services.promote(version=first, stage="production", actor=actor)
    compared(second, first)
    services.promote(version=second, stage="production", actor=actor)
    first.refresh_from_db()
    assert (first.stage, second.stage) == ("archived", "production")
    assert selectors.production(second.project, "reward") == second
    assert selectors.production(second.project, "policy") is None
    services.promote(version=second, stage="archived", actor=actor)
    assert selectors.production(second.project, "reward") is None
    changes = Event.objects.filter(action="model stage changed").order_by("pk")
    assert [event.data["after"] for event in changes] == ["production", "production", "archived"]


def test_the_database_refuses_a_second_version_in_production() -> None:
    first, second = good_versions(2)
    services.promote(version=first, stage="production", actor=None)
    with pytest.raises(IntegrityError, match="model_version_one_production"):
        ModelVersion.objects.filter(pk=second.pk).update(stage="production")


def test_an_unknown_stage_and_a_foreign_version_are_refused() -> None:
    [version] = (services.register_model(run=run) for run in finished_runs(1))
    with pytest.raises(InvalidInput, match="candidate, production, archived"):
        services.promote(version=version, stage="best", actor=None)
    with pytest.raises(NotFound):
        selectors.version_in(make_project(), version.pk)
