"""Drift brings the next router: of what comes in, and of the judge; never without new labels."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import JudgeReport
from annotation.projects.selectors import main_criterion
from routing.decisions.models import Router
from routing.live import fitting
from routing.live.services import live_of
from tests.annotation.judge_scene import plant
from tests.endpoint.client import endpoint
from tests.routing.live_scene import label_everything, route, scene, work_of

pytestmark = pytest.mark.django_db


def fitted(server: Any) -> Project:
    """A project with its first router and instances routed by it, some to people."""
    project = scene(
        server, 110, strategy="learned", seed_size=50, refit_after=10_000, explore_share=0.3
    )
    project.instances.update(tags=["domain:coding"])
    route(project)
    label_everything(project, wrong_every=5)
    route(project)
    return project


def test_other_prompts_bring_a_router_as_soon_as_there_are_labels() -> None:
    with endpoint(accuracy=0.8) as server:
        project = fitted(server)
        first = Router.objects.get()
        label_everything(project, wrong_every=5)
        route(project)
        # New labels alone are too few for a refit.
        assert Router.objects.get() == first
        for row in project.instances.all():
            row.external_id, row.content_hash = f"old-{row.pk}", f"{row.pk:064d}"
            row.save(update_fields=["external_id", "content_hash"])
        fresh = plant(project, 120)
        project.instances.filter(pk__in=fresh).update(tags=["domain:law"])
        route(project)
        drift = live_of(project).drift
        if Router.objects.count() == 1:
            assert drift["trigger"] == "feature drift"
            assert drift["index"] > 0.25
            label_everything(project, wrong_every=5)
            route(project)
    second = Router.objects.get(version=2)
    assert second.report["why"]["trigger"] == "feature drift"
    assert second.report["why"]["numbers"]["drift"]["feature"].startswith("domain")
    assert second.report["why"]["numbers"]["new"] > 0


def test_a_judge_that_changed_brings_a_router_once() -> None:
    with endpoint(accuracy=0.8) as server:
        project = fitted(server)
        label_everything(project, wrong_every=5)
        criterion, judge = main_criterion(project), live_of(project).judge
        assert judge is not None
        told = {"drift": {"change": {"p": 0.001}}}
        JudgeReport.objects.create(
            project=project,
            figures={"criteria": [{"key": criterion.key, "judges": {str(judge.pk): told}}]},
        )
        plant_one(project)
        route(project)
        route(project)
    second = Router.objects.get(version=2)
    assert second.report["why"]["trigger"] == "judge drift"
    assert second.report["why"]["numbers"]["drift"]["judge_p"] == 0.001
    # The report is older than the router by now.
    assert fitting.due(work_of(project)) is None


def plant_one(project: Project) -> None:
    """One more instance: drift is looked for when a batch has been routed."""
    for row in project.instances.all():
        row.external_id, row.content_hash = f"old-{row.pk}", f"{row.pk:064d}"
        row.save(update_fields=["external_id", "content_hash"])
    plant(project, 1)
