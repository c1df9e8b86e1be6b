"""The tick over many projects: idle ones cost nothing, and what gives one work wakes it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import Project
from annotation.judges.models import Judge, JudgeReport
from annotation.judges.services import create_judge
from annotation.ledger.models import Budget
from annotation.queue.models import Arm, Destination
from audit.models import Event
from jobs.models import Job, State
from routing.budgets.models import Allowance
from routing.decisions.models import Decision, Router
from routing.lab import services as lab
from routing.lab.models import Replay
from routing.live import waking
from routing.live.again import mark_of
from routing.live.arrival import tick
from routing.live.models import LiveRouting, Mode, Stall
from routing.live.services import live_of
from routing.live.waking import awake
from routing.rules.models import RuleSet
from tests.annotation.judge_scene import plant
from tests.factories import make_annotation, make_annotator, make_instance, make_project
from tests.routing.live_scene import allow, work_of

pytestmark = pytest.mark.django_db
Queries = Callable[..., object]


def idle(number: int = 0) -> Project:
    """A project that routes live by a router, with nothing to do."""
    project = make_project(f"idle {number}", slug=f"idle-{number}")
    judge = create_judge(project=project, name="judge", model="judge")
    Judge.objects.filter(pk=judge.pk).update(stage="active")
    router = Router.objects.create(
        project=project,
        version=1,
        strategy="judge-uncertainty",
        parameters={},
        report={"options": {}},
        dual_labelled=0,
        judge=judge,
    )
    allow(project, 10**9)
    LiveRouting.objects.create(
        project=project,
        mode=Mode.STREAM,
        strategy="judge-uncertainty",
        judge=judge,
        router=router,
    )
    LiveRouting.objects.filter(project=project).update(rerouted_for=mark_of(work_of(project)))
    return project


def routed(project: Project, *, arm: str = Arm.ROUTED) -> Decision:
    return Decision.objects.create(
        project=project,
        instance=make_instance(project),
        destination=Destination.BOTH,
        arm=arm,
        propensity=1.0,
        reason="planted",
    )


@pytest.mark.parametrize("count", [3, 12])
def test_idle_projects_cost_one_query_together(
    count: int, django_assert_num_queries: Queries
) -> None:
    for number in range(count):
        idle(number)
    assert tick() == 0
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert tick() == 0


def import_labels(project: Project) -> None:
    make_annotation(make_instance(project, prompt="q"), make_annotator(project), ranking=[1, 2])


def end_a_run(project: Project) -> None:
    Job.objects.filter(project=project, kind="judge.run").update(state=State.SUCCEEDED)


def raise_limit(project: Project) -> None:
    Allowance.objects.filter(project=project).update(limit=F("limit") + 1)
    Budget.objects.filter(project=project).update(limit=F("limit") + 1)


def change_judge(project: Project) -> None:
    Judge.objects.filter(project=project).update(version=F("version") + 1)


def change_settings(project: Project) -> None:
    LiveRouting.objects.filter(project=project).update(people_share=0.5)


@pytest.mark.parametrize(
    "change",
    [
        lambda project: plant(project, 1),
        import_labels,
        end_a_run,
        raise_limit,
        change_judge,
        change_settings,
        routed,
        lambda project: JudgeReport.objects.create(project=project),
        lambda project: RuleSet.objects.create(project=project, version=1),
        lambda project: Event.objects.create(project=project, action="slot.withdrawn"),
        lambda project: create_judge(project=project, name="other", model="other"),
    ],
)
def test_every_change_has_its_project_looked_at_and_no_other(
    change: Callable[[Project], object],
) -> None:
    project, other = idle(1), idle(2)
    Job.objects.create(project=project, kind="judge.run")
    tick()
    assert awake() == []
    change(project)
    assert [each.live_id for each in awake()] == [live_of(project).pk]
    assert live_of(other).idle_for


def test_new_instances_ring_once_and_not_while_the_job_is_under_way() -> None:
    project = idle()
    assert tick() == 0
    plant(project, 1)
    assert tick() == 1
    assert awake() == []
    Job.objects.update(state=State.SUCCEEDED)
    assert tick() == 1


@pytest.mark.parametrize("change", [raise_limit, change_settings])
def test_open_decisions_are_looked_at_again_for_other_budgets(
    change: Callable[[Project], None],
) -> None:
    project = idle()
    assert tick() == 0
    change(project)
    assert tick() == 1


def test_labels_that_were_numbered_before_and_committed_after_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minute after the newest label its project is looked at once more."""
    project = idle()
    import_labels(project)
    assert tick() == 0
    assert awake() == []
    monkeypatch.setattr(waking, "LATE", timedelta(hours=-1))
    assert len(awake()) == 1


def test_what_stalls_is_tried_again_every_five_minutes() -> None:
    project = idle()
    LiveRouting.objects.update(stall=Stall.AUDIT)
    assert tick() == 1
    Job.objects.update(state=State.SUCCEEDED)
    assert tick() == 0
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert tick() == 1
    assert Job.objects.filter(project=project).count() == 2


def test_routing_that_is_off_or_archived_sleeps() -> None:
    off, archived = idle(1), idle(2)
    LiveRouting.objects.filter(project=off).update(mode=Mode.OFF)
    Project.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    assert awake() == []


@pytest.mark.parametrize("count", [3, 12])
def test_standing_comparisons_that_are_not_due_cost_one_query_together(
    count: int, django_assert_num_queries: Queries
) -> None:
    for number in range(count):
        project = idle(number)
        import_labels(project)
        make_annotation(
            routed(project, arm=Arm.AUDIT).instance, make_annotator(project), ranking=[1, 2]
        )
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        lab.refresh_all()


def test_only_projects_with_new_labels_of_their_audit_arm_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lab, "REFRESH_AFTER", 2)
    first, few, drawn = idle(1), idle(2), idle(3)
    for project, arm, labels in ((first, Arm.AUDIT, 2), (few, Arm.AUDIT, 1), (drawn, Arm.SEED, 2)):
        instance = routed(project, arm=arm).instance
        for _ in range(labels):
            make_annotation(instance, make_annotator(project), ranking=[1, 2])
    lab.refresh_all()
    assert Replay.objects.get().project == first
    Job.objects.update(state=State.SUCCEEDED)
    lab.refresh_all()
    assert Replay.objects.count() == 1
