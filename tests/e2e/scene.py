"""What the browser tests find: a project with a queue, a finished round, a run and an export."""

from dataclasses import dataclass

from accounts.models import Project, Role
from accounts.services import add_member, create_user
from annotation.instances.services import import_records
from annotation.projects.services import create_project
from annotation.queue.services import AssignmentItem, assign
from jobs.models import Job
from routing.decisions.models import Decision, Router
from routing.rounds.demo import embedded_lines
from routing.rounds.models import Round
from tests.frontend.world import make_export, make_snapshot
from training.runs.models import Metric, Run

PASSWORD = "a-long-password"


@dataclass(frozen=True)
class Scene:
    """The project, and the password of its three people."""

    project: Project
    run: Run
    password: str = PASSWORD


def make_scene() -> Scene:
    users = {
        name: create_user(username=name, password=PASSWORD)
        for name in ("admin", "researcher", "annotator")
    }
    project = create_project(
        name="Answers", owner=users["admin"], reasons=["more correct", "clearer"]
    )
    add_member(project=project, user=users["researcher"], role=Role.RESEARCHER)
    add_member(project=project, user=users["annotator"], role=Role.ANNOTATOR)
    import_records(project=project, lines=embedded_lines(24), reveal=False)
    _route(project)
    return Scene(project, _train(project))


def _route(project: Project) -> None:
    """Half of the instances to people, with a decision each."""
    router = Router.objects.create(
        project=project,
        version=1,
        strategy="hyper-linear",
        parameters={},
        report={
            "spearman": 0.4,
            "rmse": 0.02,
            "prompts": 12,
            "explanation": [{"column": "domain: code", "contrast": 0.001, "instances": 9}],
        },
        dual_labelled=20,
    )
    ids = list(project.instances.order_by("pk").values_list("pk", flat=True))
    decisions = [
        Decision(
            project=project,
            instance_id=pk,
            router=router,
            destination="human" if place % 2 else "judge",
            arm="routed",
            gain=0.001,
            propensity=0.5,
            reason="domain: code",
        )
        for place, pk in enumerate(ids)
    ]
    Decision.objects.bulk_create(decisions)
    assign(
        project=project,
        items=[
            AssignmentItem(row.instance_id, row.destination, row.arm, 0.5, decision_id=row.pk)
            for row in decisions
        ],
    )


def _train(project: Project) -> Run:
    """A run that is still going, with the figures of its first steps, and an export."""
    snapshot = make_snapshot(project)
    make_export(snapshot)
    job = Job.objects.create(
        kind="training.fit", project=project, state="queued", done=20, total=60, note="train"
    )
    run = Run.objects.create(
        project=project, kind="reward", snapshot=snapshot, config={"preset": "bt"}, job=job
    )
    add_steps(run, 1, 20)
    Round.objects.create(project=project, number=1, job=job, reward_run=run, snapshot=snapshot)
    return run


def add_steps(run: Run, first: int, last: int) -> None:
    Metric.objects.bulk_create(
        Metric(run=run, step=step, values={"loss": 1 / step, "accuracy": 1 - 1 / (step + 1)})
        for step in range(first, last + 1)
    )
