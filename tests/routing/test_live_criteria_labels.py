"""What comes of instances whose criteria went different ways: each label by whom it should be."""

import uuid

import pytest

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.instances.models import InstanceState, Signal
from annotation.judges.services import ask
from annotation.labels.answers import Answer
from annotation.labels.models import Annotation
from annotation.labels.services import submit
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from annotation.queue.services import claim
from routing.decisions.models import Decision
from routing.live.services import live_of
from tests.annotation.judge_scene import make_budget, plant
from tests.endpoint.client import endpoint
from tests.factories import make_annotator
from tests.routing.live_scene import holds, route, scene

pytestmark = pytest.mark.django_db
KEYS = ("overall", "tone")


def test_people_label_what_they_are_asked_and_the_judge_the_rest() -> None:
    with endpoint(accuracy=0.7) as server:
        project = scene(
            server, 0, strategy="judge-uncertainty", per_criterion=True, people_share=0.3
        )
        Criterion.objects.create(
            project=project, key="tone", name="Tone", question="Which is kinder?", position=1
        )
        unsure_of_the_first(project, plant(project, 60))
        route(project)
    # Those that go to the judge alone were labelled before they were sent there.
    alone = project.instances.filter(assignment__destination=Destination.JUDGE)
    assert set(alone.values_list("state", flat=True)) == {InstanceState.SETTLED}
    person = make_annotator(project, qualifications=[])
    while (slot := claim(project=project, annotator=person)) is not None:
        answers = [Answer(criterion_key=key, ranking=[1, 2]) for key in slot.criteria or KEYS]
        submit(slot_key=slot.key, annotator=person, client_id=uuid.uuid4(), answers=answers)

    apart = Decision.objects.filter(criterion__isnull=False)
    split = [pk for pk in apart.values_list("instance", flat=True).distinct() if mixed(pk)]
    assert split
    update(project=project, instance_ids=split)
    for pk in split:
        for row in apart.filter(instance=pk):
            labels = Annotation.objects.filter(instance=pk, criterion=row.criterion)
            people = labels.filter(annotator=person)
            assert people.exists() == (row.destination == Destination.HUMAN)
            assert labels.filter(annotator__kind="judge").exists()
            found = Consensus.objects.filter(instance=pk, criterion=row.criterion)
            assert found.filter(scope=Scope.HUMAN).exists() == people.exists()
            assert found.exclude(scope=Scope.HUMAN).exists()
    states = set(project.instances.values_list("state", flat=True))
    assert states == {InstanceState.SETTLED}
    assert holds(project)


def unsure_of_the_first(project: Project, ids: list[int]) -> None:
    """The judge was asked before; of the second criterion it is as sure as it said."""
    judge = live_of(project).judge
    assert judge is not None
    for criterion in project.criteria.all():
        ask(
            judge=judge,
            instance_ids=ids,
            criterion=criterion,
            budget=make_budget(project, name=criterion.key),
        )
    told = Signal.objects.filter(instance__in=ids)
    told.filter(name__startswith="judge_p:").update(value=0.6)


def mixed(pk: int) -> bool:
    rows = Decision.objects.filter(instance=pk, criterion__isnull=False, arm=Arm.ROUTED)
    return len(set(rows.values_list("destination", flat=True))) > 1
