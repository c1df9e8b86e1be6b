"""Each criterion is routed by itself: people are asked some, the judge the others."""

import pytest

from accounts.models import Project
from annotation.labels.models import Annotation
from annotation.ledger.models import Entry
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination, Slot
from jobs.context import JobContext
from jobs.models import Job
from routing.decisions.models import Decision
from routing.live.by_criterion import route_by_criterion
from routing.live.money import part_of
from routing.live.work import waiting
from routing.strategies import audit
from tests.annotation.judge_scene import plant
from tests.endpoint.client import endpoint
from tests.routing.live_scene import HUMAN, POUND, holds, route, scene, work_of

pytestmark = pytest.mark.django_db


def test_people_are_asked_the_chosen_criteria_and_the_judge_the_others() -> None:
    with endpoint(accuracy=0.7) as server:
        project = scene(
            server, 0, strategy="judge-uncertainty", per_criterion=True, people_share=0.3
        )
        add_tone(project)
        plant(project, 60)
        route(project)
    whole = Decision.objects.filter(criterion__isnull=True)
    apart = Decision.objects.filter(criterion__isnull=False)
    assert whole.count() == 60
    assert apart.count() == 2 * whole.filter(arm=Arm.ROUTED).count()
    for slot in Slot.objects.filter(instance__in=whole.filter(arm=Arm.ROUTED).values("instance")):
        asked = apart.filter(instance=slot.instance_id, destination=Destination.HUMAN)
        keys = set(asked.values_list("criterion__key", flat=True))
        assert keys == (set(slot.criteria) or {"overall", "tone"})
        entry = Entry.objects.get(subject=f"slot:{slot.key}", budget__name__startswith="all")
        assert entry.reserved == round(HUMAN * part_of(len(slot.criteria), 2))
    # The judge was read on both criteria of every instance.
    assert Annotation.objects.filter(annotator__kind="judge").count() == 120
    assert holds(project)


def test_two_criteria_cost_less_than_twice_one() -> None:
    assert part_of(0, 2) == part_of(2, 2) == 1
    assert part_of(1, 2) == pytest.approx(1 / 1.5)


def test_where_the_exploration_is_unpaid_the_audit_arm_is_the_only_way_to_people() -> None:
    keys = [f"pair-{number}" for number in range(40)]
    with endpoint() as server:
        project = scene(
            server, 0, strategy="random", per_criterion=True, audit_share=0.2, explore_share=0.5
        )
        add_tone(project)
        route(project)
        drawn = int(audit.draw(keys, project.protocol.salt, 0.2, at_least_one=False).sum())
        project.budgets.update(limit=drawn * HUMAN + POUND)
        plant(project, len(keys))
        route(project)
    apart = Decision.objects.filter(criterion__isnull=False)
    chances = {(row.destination, round(row.propensity, 9)) for row in apart}
    assert chances == {(Destination.HUMAN, 1.0), (Destination.JUDGE, 0.2)}
    assert holds(project)


def test_two_who_decide_about_the_same_instances_write_each_criterion_once() -> None:
    with endpoint() as server:
        project = scene(server, 0, strategy="random", per_criterion=True)
        add_tone(project)
        route(project)
        plant(project, 20)
        job = Job.objects.create(kind="routing.live", project=project)
        work = work_of(project)
        rows = work.rows(waiting(project))
        for _ in range(2):
            route_by_criterion(JobContext(job), work, rows)
    routed = Decision.objects.filter(criterion__isnull=True, arm=Arm.ROUTED)
    assert Decision.objects.filter(criterion__isnull=False).count() == 2 * routed.count() > 0


def add_tone(project: Project) -> None:
    Criterion.objects.create(
        project=project, key="tone", name="Tone", question="Which is kinder?", position=1
    )
