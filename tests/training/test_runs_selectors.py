"""Curves and comparisons of runs."""

import pytest
from django.conf import settings as django_settings

from core.exceptions import NotFound
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from training.runs import folders, selectors
from training.runs.models import Metric, Run
from training.runs.services import create_run

pytestmark = pytest.mark.django_db


def make_run(like: Run | None = None, **options: object) -> Run:
    project = like.project if like else make_project()
    snapshot = like.snapshot if like else make_snapshot(project)
    return create_run(project=project, kind="reward", snapshot=snapshot, options=OPTIONS | options)


def add(run: Run, split: str, steps: range) -> None:
    Metric.objects.bulk_create(
        Metric(run=run, split=split, step=step, values={"loss": step / 2, "note": "text"})
        for step in steps
    )


def test_a_curve_has_one_series_per_figure_ordered_by_step() -> None:
    run = make_run()
    add(run, "train", range(3, 0, -1))
    add(run, "eval", range(3, 4))
    assert selectors.curve(run) == {
        "train": {"loss": [(1, 0.5), (2, 1.0), (3, 1.5)]},
        "eval": {"loss": [(3, 1.5)]},
    }


def test_a_long_curve_is_thinned_and_keeps_its_last_step() -> None:
    run = make_run()
    add(run, "train", range(1, 2502))
    series = selectors.curve(run)["train"]["loss"]
    assert len(series) == 834
    assert series[-1] == (2501, 1250.5)


def test_a_comparison_shows_only_what_differs() -> None:
    first = make_run(seed=1)
    second = make_run(first, seed=2, preset="bt_soft")
    first.report = {"eval": {"accuracy": 0.7, "pairs": 24, "accuracy_interval": [0.5, 0.9]}}
    second.report = {}
    found = selectors.compare([first, second])
    assert found.settings == {"preset": ["bt", "bt_soft"], "seed": [1, 2]}
    assert found.figures == {"accuracy": [0.7, None], "pairs": [24, None]}


def test_settings_hide_the_paths_of_the_server() -> None:
    run = make_run()
    assert "data" in run.config
    assert "data" not in selectors.settings_of(run)
    assert str(django_settings.MEDIA_ROOT) not in str(selectors.settings_of(run))


def test_a_run_of_another_project_is_not_found() -> None:
    run = make_run()
    assert selectors.run_in(run.project, run.pk) == run
    with pytest.raises(NotFound):
        selectors.run_in(make_project(), run.pk)


def test_models_at_hand_are_folders_with_safetensors() -> None:
    assert folders.models_at_hand() == []
    root = django_settings.MODEL_ROOTS[0]
    for name in ("base", "pickled"):
        (root / name).mkdir(parents=True)
        (root / name / "config.json").write_text("{}")
    (root / "base" / "model.safetensors").touch()
    (root / "pickled" / "pytorch_model.bin").touch()
    assert folders.models_at_hand() == ["base"]
