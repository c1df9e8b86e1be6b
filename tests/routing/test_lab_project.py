"""A project's own labels replayed: what is read, the job, its page, and the standing comparison."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.judges.services import create_judge
from core.exceptions import Conflict, InvalidInput
from jobs.models import Job
from jobs.runner import run_queued
from routing.decisions.models import Decision, Router
from routing.lab import services
from routing.lab.models import Replay
from routing.lab.project import dual_of, report_of
from routing.lab.replay import CONSENSUS
from routing.lab.selectors import judges_of, standing_of
from routing.lab.services import Wanted, refresh_standing, start_replay
from routing.live.models import LiveRouting
from routing.strategies import audit
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_recorded_label,
    make_user,
)

pytestmark = pytest.mark.django_db
SIZE = 72


@pytest.fixture
def project() -> Project:
    """Three people and two judges on every pair; `critic` errs on a third, `other` hardly ever."""
    project = make_project("lab", owner=make_user("chief"), slug="lab")
    rng = np.random.default_rng(0)
    for number in range(SIZE):
        instance = make_instance(project, prompt=f"Question {number % 36}")
        side = [1, 2] if rng.random() < 0.5 else [2, 1]
        for person in ("ann", "bea", "cy"):
            make_recorded_label(instance, annotator=person, ranking=side)
        for judge, error in (("critic", 1 / 3), ("other", 0.1)):
            said = side[::-1] if rng.random() < error else side
            make_recorded_label(instance, annotator=judge, origin="judge", ranking=said)
    return project


@pytest.fixture
def critic(project: Project) -> Judge:
    create_judge(project=project, name="other", model="other")
    return create_judge(project=project, name="critic", model="critic")


def ran(row: Replay) -> Job:
    """The job of a replay, run here; the row then says what came out."""
    assert row.job
    job = run_queued(row.job)
    row.refresh_from_db()
    return job


def figures(row: Replay) -> dict[str, Any]:
    assert row.figures
    found: dict[str, Any] = row.figures
    return found


def wanted(critic: Judge, **values: object) -> Wanted:
    given = {"seeds": 2, "budgets": (0.5,), "strategies": ("learned",), "truth": CONSENSUS}
    return Wanted(judge=critic, **given | values)  # type: ignore[arg-type]


def test_recorded_labels_are_read_and_stay_hidden(project: Project, critic: Judge) -> None:
    dual = dual_of(project, critic)

    assert len(dual) == SIZE
    assert all(len(set(votes)) == 1 and len(votes) == 3 for votes in dual.votes)
    assert "panel_side_other" in dual.features.names
    assert dual.differences is None
    assert not project.annotations.exists()


def test_labels_of_people_here_count_and_singles_are_left_out(
    project: Project, critic: Judge
) -> None:
    alone = make_instance(project, prompt="Nobody asked the judge")
    make_annotation(alone, make_annotator(project), ranking=[1, 2])
    make_instance(project, prompt="Nobody was asked")

    dual = dual_of(project, critic)

    assert len(dual) == SIZE
    assert dual.left_out == {"have no label of the judge": 1}


def test_the_job_writes_figures_and_a_second_one_waits(project: Project, critic: Judge) -> None:
    row = start_replay(project=project, wanted=wanted(critic))
    with pytest.raises(Conflict):
        start_replay(project=project, wanted=wanted(critic))

    job = ran(row)

    assert job.state == "succeeded", job.error
    assert (job.done, job.total) == (2, 2)
    assert figures(row)["instances"] == SIZE
    assert {"learned", "random", "oracle"} <= {p["key"] for p in figures(row)["points"]}


def test_too_few_labels_fail_the_job_in_words(project: Project, critic: Judge) -> None:
    Instance.objects.filter(
        pk__in=list(project.instances.values_list("pk", flat=True)[:30])
    ).delete()
    row = start_replay(project=project, wanted=wanted(critic))

    job = ran(row)

    assert job.state == "failed"
    assert "42 instances" in job.error
    assert row.figures is None


def test_a_budget_below_the_audit_arm_names_the_minimum(project: Project, critic: Judge) -> None:
    row = start_replay(project=project, wanted=wanted(critic, budgets=(0.01,)))

    assert "give at least" in ran(row).error


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"budgets": ()}, "budget is empty"),
        ({"budgets": (1.5,)}, "budget is empty"),
        ({"seeds": 1}, "between 2 and"),
        ({"seeds": 1000}, "between 2 and"),
        ({"strategies": ("nonsense",)}, "nonsense"),
        ({"truth": "nonsense"}, "held against"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    critic: Judge, values: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        start_replay(project=critic.project, wanted=wanted(critic, **values))
    assert not Replay.objects.exists()


def decide(project: Project) -> None:
    """Every third instance to the audit arm, the others to the seed."""
    Decision.objects.bulk_create(
        Decision(
            project=project,
            instance=instance,
            destination="both",
            arm="audit" if number % 3 == 0 else "seed",
            propensity=1.0,
            reason="planted",
        )
        for number, instance in enumerate(project.instances.order_by("pk"))
    )


def test_a_report_is_scored_and_none_of_its_prompts_is_fitted_on(
    project: Project, critic: Judge
) -> None:
    decide(project)

    dual, fitted = report_of(project, critic)

    reported = audit.reporting(dual.prompts, project.protocol.salt)
    arms = dict(project.decisions.values_list("instance__external_id", "arm"))
    scored = {key for key, here in zip(dual.keys, fitted, strict=True) if not here}
    assert scored
    assert scored == {
        k for k, r in zip(dual.keys, reported, strict=True) if r and arms[k] == "audit"
    }
    prompts = np.array(dual.prompts)
    assert not set(prompts[fitted]) & set(prompts[~fitted])


def test_the_standing_comparison_comes_with_labels_and_not_twice(
    project: Project, critic: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(project)
    assert refresh_standing(project) is None
    router = Router.objects.create(
        project=project, version=1, strategy="learned", parameters={}, report={}, dual_labelled=9
    )
    LiveRouting.objects.update_or_create(
        project=project, defaults={"judge": critic, "router": router, "strategy": "learned"}
    )
    assert refresh_standing(project) is None
    monkeypatch.setattr(services, "REFRESH_AFTER", 1)
    person = make_annotator(project)
    audited = project.instances.filter(decisions__arm="audit")[0]
    make_annotation(audited, person, ranking=[1, 2])

    row = refresh_standing(project)

    assert row is not None
    assert refresh_standing(project) is None
    job = ran(row)
    assert job.state == "succeeded", job.error
    standing = standing_of(project)
    assert standing is not None
    assert figures(standing)["prompts"] < 12
    assert "few prompts" in figures(standing)["prompts_note"]
    assert refresh_standing(project) is None


@pytest.fixture
def chief(project: Project) -> Client:
    client = Client()
    client.force_login(project.memberships.get(role=Role.OWNER).user)
    return client


def test_the_page_starts_a_replay_and_shows_what_came_out(chief: Client, critic: Judge) -> None:
    assert judges_of(critic.project) == list(Judge.objects.order_by("name"))
    sent = {"judge": critic.pk, "budgets": "25, 50 %", "seeds": "2", "truth": CONSENSUS}
    sent |= {"strategy": ["learned", "signal:panel_disagreement"], "name": "<b>First</b>"}

    reply = chief.post(reverse("replay-start", args=["lab"]), sent)

    row = Replay.objects.get()
    assert reply["Location"] == reverse("replay", args=["lab", row.pk])
    assert row.options["budgets"] == [0.25, 0.5]
    assert "The replay is running" in chief.get(reply["Location"]).content.decode()
    ran(row)
    shown = chief.get(reply["Location"]).content.decode()
    assert "Learned combination" in shown
    assert "<b>First" not in shown
    assert shown.count("Budget of") == 2
    assert "&lt;b&gt;First" in chief.get(reverse("replays", args=["lab"])).content.decode()


def test_figures_are_downloaded_in_every_form(chief: Client, critic: Judge) -> None:
    row = start_replay(project=critic.project, wanted=wanted(critic))
    address = reverse("replay-download", args=["lab", row.pk, "csv"])
    assert chief.get(address).status_code == 404
    ran(row)

    rows = list(csv.DictReader(io.StringIO(chief.get(address).content.decode())))
    report = chief.get(reverse("replay-download", args=["lab", row.pk, "md"]))
    sent = chief.get(reverse("replay-download", args=["lab", row.pk, "json"])).json()

    assert len(rows) == len(figures(row)["points"])
    assert figures(row)["verdict"] in report.content.decode()
    assert sent == row.figures
    assert chief.get(reverse("replay-download", args=["lab", row.pk, "exe"])).status_code == 404


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"judge": "0"}, "Choose the judge"),
        ({"budgets": "lots"}, "Give budgets as per cent"),
        ({"budgets": "0"}, "budget is empty"),
        ({"seeds": "many"}, "number of seeds"),
    ],
)
def test_a_form_that_makes_no_sense_keeps_what_was_sent(
    chief: Client, critic: Judge, sent: dict[str, str], says: str
) -> None:
    given = {"judge": str(critic.pk), "budgets": "25", "seeds": "2", "name": "Kept", **sent}

    reply = chief.post(reverse("replay-start", args=["lab"]), given)

    assert reply.status_code == 422
    shown = reply.content.decode()
    assert says in shown
    assert 'value="Kept"' in shown
