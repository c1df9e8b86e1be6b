"""Each criterion is routed by itself: people are asked some, the judge the others."""

import pytest

from annotation.labels.models import Annotation
from annotation.ledger.models import Entry
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination, Slot
from routing.decisions.models import Decision
from routing.live.money import part_of
from tests.annotation.judge_scene import plant
from tests.endpoint.client import endpoint
from tests.routing.live_scene import HUMAN, holds, route, scene

pytestmark = pytest.mark.django_db


def test_people_are_asked_the_chosen_criteria_and_the_judge_the_others() -> None:
    with endpoint(accuracy=0.7) as server:
        project = scene(
            server, 0, strategy="judge-uncertainty", per_criterion=True, people_share=0.3
        )
        Criterion.objects.create(
            project=project, key="tone", name="Tone", question="Which is kinder?", position=1
        )
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
