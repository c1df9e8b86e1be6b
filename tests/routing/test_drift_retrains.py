"""Drift that live routing finds makes the schedules that watch for it due."""

import pytest

from annotation.judges.models import JudgeReport
from annotation.projects.selectors import main_criterion
from jobs.models import RETRAIN, Job
from routing.live.services import live_of
from tests.endpoint.client import endpoint
from tests.routing.live_scene import route
from tests.routing.test_live_drift import fitted, plant_one
from training.runs import schedules
from training.runs.models import Schedule

pytestmark = pytest.mark.django_db


def test_a_judge_that_changed_starts_a_retrain_of_the_reward_model() -> None:
    with endpoint(accuracy=0.8) as server:
        project = fitted(server)
        watching = schedules.set_schedule(project=project, kind="reward", on_drift=True)
        Schedule.objects.update(last_annotation_id=0)  # labels are new to it
        assert schedules.tick() == []
        criterion, judge = main_criterion(project), live_of(project).judge
        assert judge is not None
        told = {"drift": {"change": {"p": 0.001}}}
        JudgeReport.objects.create(
            project=project,
            figures={"criteria": [{"key": criterion.key, "judges": {str(judge.pk): told}}]},
        )
        plant_one(project)
        route(project)
    watching.refresh_from_db()
    assert watching.drift["why"] == "judge drift"
    [job] = schedules.tick()
    assert (job.kind, job.arguments["why"]) == (RETRAIN, "judge drift")
    watching.refresh_from_db()
    assert watching.drift == {}
    assert schedules.tick() == []
    assert Job.objects.filter(kind=RETRAIN).count() == 1
