"""The main job end to end: replayed on simulated labels, and live with people's labels."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project, User
from accounts.services import create_user
from annotation.consensus.models import Consensus
from annotation.datasets.models import Export, Snapshot
from annotation.instances.services import import_records
from annotation.judges.models import JudgeCall
from annotation.labels.models import Annotation
from annotation.ledger.models import Budget
from annotation.projects.services import create_project
from annotation.queue.models import Arm, Assignment, Destination, Slot
from core.exceptions import Conflict, InvalidInput
from jobs.context import JobContext
from jobs.runner import run_queued
from routing.decisions.models import Decision
from routing.rounds import services
from routing.rounds.deciding import fit_router, route
from routing.rounds.demo import embedded_lines
from routing.rounds.models import Round
from routing.rounds.options import STRATEGIES
from routing.rounds.population import POOL
from routing.rounds.selectors import stages_of, waiting_for
from routing.rounds.summary import render
from routing.rounds.work import PEOPLE, Work

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TINY = {
    "base": {"scratch": {"hidden_size": 32, "layers": 1, "heads": 2, "vocab_size": 300}},
    "steps": 3,
    "max_length": 96,
}


@pytest.fixture
def owner() -> User:
    return create_user(username="alice", password="correct horse battery")


@pytest.fixture
def project(owner: User, settings: Settings, tmp_path: Path) -> Project:
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "artifacts"
    project = create_project(name="Loop", owner=owner)
    import_records(project=project, lines=embedded_lines(every=5), reveal=False)
    return project


def start(project: Project, **options: Any) -> Round:
    policy = TINY | {"sft_warmup_steps": 2}
    asked = {"mixes": 20, "seeds": 2, "reward": TINY, "policy": policy} | options
    return services.start_round(project=project, options=asked)


def run(row: Round) -> Round:
    assert row.job is not None
    job = run_queued(row.job)
    assert job.state == "succeeded", job.error
    row.refresh_from_db()
    return row


def traces(project: Project) -> dict[str, Any]:
    """What the stages before training leave in the database."""
    budgets = Budget.objects.filter(project=project).order_by("name")
    consensus = Consensus.objects.filter(instance__project=project).order_by("instance", "scope")
    return {
        "annotations": Annotation.objects.filter(project=project).count(),
        "decisions": set(Decision.objects.filter(project=project).values_list("pk", flat=True)),
        "slots": Slot.objects.filter(project=project).count(),
        "calls": JudgeCall.objects.filter(judge__project=project).count(),
        "money": list(budgets.values_list("name", "limit", "reserved", "settled", "unknown")),
        "consensus": list(consensus.values_list("instance", "scope", "worth")),
        "states": sorted(project.instances.values_list("pk", "state")),
        "snapshots": list(Snapshot.objects.filter(project=project).values_list("pk", flat=True)),
    }


def tie_gains(project: Project) -> set[float | None]:
    """Gains of the pool where the judge names no winner: its signal is there when it is routed."""
    ties = Decision.objects.filter(
        project=project,
        gain__isnull=False,
        instance__signals__name__startswith="judge_p:",
        instance__signals__value=0.5,
    )
    return set(ties.values_list("gain", flat=True))


def test_a_replayed_round_goes_through_every_stage(project: Project) -> None:
    row = run(start(project, replay=True, strategy="hyper"))

    assert [stage.state for stage in stages_of(row)] == ["done"] * 12
    assert "all-human" in render(row)
    assert "simulated" in render(row)
    assert row.summary["comparison"]["simulated"]
    for budget in Budget.objects.filter(project=project):
        assert budget.settled + budget.reserved + budget.unknown <= budget.limit
        assert (budget.reserved, budget.unknown) == (0, 0)

    # Recorded human labels are revealed where an instance went to people, and nowhere else.
    human = set(
        Annotation.objects.filter(project=project, annotator__kind="import").values_list(
            "instance_id", flat=True
        )
    )
    sent = set(
        Assignment.objects.filter(
            instance__project=project, destination__in=[Destination.HUMAN, Destination.BOTH]
        ).values_list("instance_id", flat=True)
    )
    assert human == sent
    judged = Annotation.objects.filter(project=project, annotator__kind="judge")
    assert not judged.filter(instance__assignment__destination=Destination.HUMAN).exists()
    assert all(label.annotator.simulated for label in judged.select_related("annotator")[:5])

    # Every instance has one decision with its reason and propensity; no prompt crosses a split.
    assert Decision.objects.filter(project=project).count() == project.instances.count()
    assert not Decision.objects.filter(project=project, reason="").exists()
    assert not Decision.objects.filter(project=project, propensity__lte=0).exists()
    assert row.reward_run is not None
    assert row.policy_run is not None
    assert row.reward_run.model_version.stage == "candidate"
    with pytest.raises(Conflict, match="finished"):
        services.continue_round(row=row)

    # An export that was written and not noted is not written again.
    exports = list(Export.objects.values_list("pk", "sha256"))
    row.stages = {name: row.stages[name] for name in row.stages if name != "export"}
    row.summary = {}
    row.save()
    run(services.continue_round(row=row))
    assert list(Export.objects.values_list("pk", "sha256")) == exports


def test_a_failed_round_goes_on_where_it_stopped(project: Project) -> None:
    row = start(project, replay=True, reward={"steps": 3, "preset": "bt", "max_length": 0})
    assert row.job is not None
    job = run_queued(row.job)
    assert job.state == "failed"
    assert "max_length" in job.error
    row.refresh_from_db()
    assert "snapshot" in row.stages
    assert "reward" not in row.stages

    # The worker was killed after the work of these stages and before it could note them.
    before = traces(project)
    row.stages = {"embed": row.stages["embed"]}
    row.options |= {"reward": TINY}
    row.save()
    run(services.continue_round(row=row))
    row.refresh_from_db()
    assert row.summary
    assert traces(project) == before


def test_a_live_round_waits_for_people_and_then_goes_on(project: Project, owner: User) -> None:
    from annotation.labels import services as labels
    from annotation.queue.services import claim

    row = run(start(project, strategy="learned-error", budget_share=0.5))
    owed = waiting_for(row)
    assert owed == Slot.objects.filter(project=project, state="open").count() > 0
    assert services.continue_settled() == 0

    # What is imported while the round waits belongs to the next one.
    taking_part = project.instances.count()
    import_records(project=project, lines=embedded_lines(every=4), reveal=False)
    assert project.instances.count() > taking_part

    annotator = labels.annotator_for(project=project, user=owner)
    while waiting_for(row):
        while slot := claim(project=project, annotator=annotator):
            better = slot.pk % 2
            labels.submit(
                slot_key=slot.key,
                annotator=annotator,
                client_id=slot.key,
                answers=[labels.Answer("overall", [1 + better, 2 - better])],
                seconds=2.0,
            )
        assert services.continue_settled() == 1
        row.refresh_from_db()
        run(row)
        if waiting_for(row):
            # Killed after the pool was routed and its money set aside: that is not done twice.
            before, routed = traces(project), row.stages["route"]
            assert tie_gains(project) == {1.0}
            row.stages = {name: row.stages[name] for name in row.stages if name != "route"}
            row.save()
            run(services.continue_round(row=row))
            row.refresh_from_db()
            assert traces(project) == before
            assert row.stages["route"] | {"seconds": 0} == routed | {"seconds": 0}
    assert [stage.state for stage in stages_of(row)] == ["done"] * 12
    assert row.router is not None
    assert row.router.strategy == "learned-error"
    assert Decision.objects.filter(project=project).count() == taking_part
    people = Budget.objects.get(project=project, name="people, round 1")
    assert people.settled > 0
    assert people.settled + people.reserved <= people.limit
    # One vote for each instance leaves none to score labels against, and the page says so.
    assert "one human vote" in render(row) or row.summary.get("not_compared")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 1}, "no option 'budget'"),
        ({"budget_share": 0}, "budget_share"),
        ({"test_share": 1.5}, "test_share"),
        ({"strategy": "magic"}, "strategy"),
        ({"mixes": 1}, "mixes"),
        ({"human_price_micros": 0}, "human_price_micros"),
    ],
)
def test_wrong_options_are_refused_and_nothing_starts(
    project: Project, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        services.start_round(project=project, options=options)
    assert not Round.objects.exists()


def test_a_project_without_instances_says_so(owner: User) -> None:
    empty = create_project(name="Empty", owner=owner)
    row = services.start_round(project=empty, options={"replay": True})
    assert row.job is not None
    job = run_queued(row.job)
    assert job.state == "failed"
    assert "judge" in job.error


def test_one_round_at_a_time(project: Project) -> None:
    start(project, replay=True)
    with pytest.raises(Conflict):
        start(project, replay=True)
    assert Round.objects.count() == 1


def test_a_round_takes_every_strategy_whose_needs_it_meets(project: Project) -> None:
    """Labelled through, it is routed again by each of them inside the same budget."""
    row = start(project, replay=True, reward={"steps": 3, "preset": "bt", "max_length": 0})
    assert row.job is not None
    assert run_queued(row.job).state == "failed"
    row.refresh_from_db()
    Budget.objects.filter(name="people, round 1").update(settled=0)
    for key in STRATEGIES:
        row.options |= {"strategy": key}
        work = Work(JobContext(row.job), row)
        row.router = fit_router(work)
        choices = route(work, work.population.of(POOL))
        people = [each for each in choices if each.destination != Destination.JUDGE]
        spent = sum(work.human_price for _ in people)
        assert spent <= work.budget(PEOPLE).limit, key
        assert len(people) > sum(each.arm == Arm.AUDIT for each in choices) or key == "all-judge"
        assert all(0 < each.propensity <= 1 and each.reason for each in choices), key
