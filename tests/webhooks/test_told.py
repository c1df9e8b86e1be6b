"""What projects tell of: each event where it happens."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Project
from annotation.consensus.services import catch_up
from jobs import registry, runner, services
from jobs.models import Job
from routing.budgets.alerts import raise_alerts
from routing.rounds.models import Round
from routing.rounds.services import finish_round
from tests.annotation.test_submit_label import leased, send
from tests.factories import make_project
from tests.routing.budget_scene import allow
from webhooks.events import BUDGET, CONSENSUS, EVENTS, JOB, LABEL, ROUND, RUN
from webhooks.models import Message, Webhook

pytestmark = pytest.mark.django_db


def listen(project: Project) -> None:
    Webhook.objects.create(project=project, url="https://example.org/", events=list(EVENTS))


def told(event: str) -> list[dict[str, Any]]:
    return [row.data for row in Message.objects.filter(event=event).order_by("created_at")]


def test_a_submitted_label_and_the_consensus_behind_it() -> None:
    slot = leased()
    project = slot.instance.project
    listen(project)
    rows = send(slot)
    assert told(LABEL) == [{"count": 1, "annotations": [rows[0].pk]}]
    catch_up(project=project)
    (data,) = told(CONSENSUS)
    assert data["instances"] == [slot.instance_id]


def test_a_label_costs_one_statement_more_whoever_listens() -> None:
    """The same submits with and without a webhook ask the database as often."""
    counts = []
    for name in ("plain", "listened"):
        slot = leased(name=name)
        if name == "listened":
            listen(slot.instance.project)
        with CaptureQueriesContext(connection) as queries:
            send(slot)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_jobs_that_end_in_every_way() -> None:
    project = make_project()
    listen(project)
    registry.register("test.good", lambda context: {"a": 1})
    registry.register("test.bad", lambda context: {"a": 1 // 0}, event=RUN)
    for kind, arguments in (("test.good", {}), ("test.bad", {"run": 7})):
        job = services.submit(kind=kind, project=project, arguments=arguments)
        runner.run(job.pk, owner="test", heartbeat=False)
    waiting = services.submit(kind="test.good", project=project, arguments={})
    services.cancel(job=waiting)
    services.cancel(job=waiting)
    assert [(data["kind"], data["state"]) for data in told(JOB)] == [
        ("test.good", "succeeded"),
        ("test.good", "cancelled"),
    ]
    (failed,) = told(RUN)
    assert (failed["state"], failed["run"]) == ("failed", 7)
    assert "ZeroDivisionError" in failed["error"]


def test_a_job_whose_worker_was_lost_for_good() -> None:
    project = make_project()
    listen(project)
    Job.objects.create(
        kind="test.good",
        project=project,
        state="running",
        attempt=5,
        max_attempts=5,
        lease_until=timezone.now() - timedelta(minutes=1),
    )
    assert services.sweep()["failed"] == 1
    assert [data["state"] for data in told(JOB)] == ["failed"]


def test_training_jobs_are_told_as_runs() -> None:
    assert registry.event_of("training.fit") == RUN
    assert registry.event_of("training.retrain") == RUN
    assert registry.event_of("annotation.import") == JOB


def test_a_budget_that_is_used_up_is_told_once_a_threshold() -> None:
    project = make_project()
    listen(project)
    window = allow(project, "all", 10).windows.get()
    budget = window.budget
    budget.settled = 8_500_000
    budget.save(update_fields=["settled"])
    raise_alerts()
    raise_alerts()
    assert [data["percent"] for data in told(BUDGET)] == [50, 80]


def test_a_round_that_is_over() -> None:
    project = make_project()
    listen(project)
    row = Round.objects.create(project=project, number=3, stages={"compare": {}})
    finish_round(row=row)
    assert told(ROUND)[0]["round"] == 3
