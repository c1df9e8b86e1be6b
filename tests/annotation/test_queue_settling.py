"""An instance settles when every criterion has what it was sent for, and not before."""

import threading
import uuid

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.answers import Answer
from annotation.labels.models import Annotator
from annotation.labels.services import submit
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from annotation.queue.services import AssignmentItem, assign, claim, settle_instances
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
KEYS = ("overall", "style", "facts")


@pytest.fixture
def project() -> Project:
    project = make_project()
    for place, key in enumerate(KEYS[1:], 1):
        Criterion.objects.create(project=project, key=key, name=key, position=place)
    return project


@pytest.fixture
def judge(project: Project) -> Annotator:
    return make_annotator(project, kind="judge")


def send(project: Project, to: Destination, *criteria: str) -> Instance:
    instance = make_instance(project)
    item = AssignmentItem(instance.pk, to, Arm.ROUTED, 1.0, criteria=criteria)
    assign(project=project, items=[item])
    return instance


def judged(instance: Instance, judge: Annotator, key: str) -> str:
    """The state after the judge's label on that criterion."""
    criterion = Criterion.objects.get(project=instance.project, key=key)
    make_annotation(instance, judge, criterion=criterion)
    settle_instances([instance.pk])
    instance.refresh_from_db()
    return instance.state


def labelled(instance: Instance) -> str:
    """The state after somebody answered what people are asked."""
    person = make_annotator(instance.project, qualifications=[])
    slot = claim(project=instance.project, annotator=person)
    assert slot is not None
    answers = [Answer(criterion_key=key, ranking=[1, 2]) for key in slot.criteria or KEYS]
    submit(slot_key=slot.key, annotator=person, client_id=uuid.uuid4(), answers=answers)
    instance.refresh_from_db()
    return instance.state


def test_a_judge_alone_has_to_answer_everything_it_was_sent(
    project: Project, judge: Annotator
) -> None:
    instance = send(project, Destination.JUDGE, *KEYS)
    assert judged(instance, judge, "overall") == InstanceState.ROUTED
    assert judged(instance, judge, "facts") == InstanceState.ROUTED
    assert judged(instance, judge, "style") == InstanceState.SETTLED
    # Where none is named one speaks for all.
    assert judged(send(project, Destination.JUDGE), judge, "overall") == InstanceState.SETTLED


def test_a_judges_word_is_no_check_by_a_program(project: Project, judge: Annotator) -> None:
    program = make_annotator(project, kind="verifier")
    labelled_before = make_instance(project)
    make_annotation(labelled_before, judge)
    item = AssignmentItem(labelled_before.pk, Destination.VERIFIER, Arm.ROUTED, 1.0)
    assign(project=project, items=[item])
    for instance in (labelled_before, send(project, Destination.VERIFIER)):
        assert judged(instance, judge, "style") == InstanceState.ROUTED
        assert judged(instance, program, "overall") == InstanceState.SETTLED


def test_what_another_judge_labelled_before_still_waits_for_the_one_it_is_sent_to(
    project: Project, judge: Annotator
) -> None:
    known, other = make_instance(project), make_instance(project)
    make_annotation(known, judge)
    make_annotation(other, make_annotator(project, kind="judge"))
    items = [AssignmentItem(e.pk, Destination.JUDGE, Arm.ROUTED, 1.0) for e in (known, other)]
    assign(project=project, items=items, judge=judge.pk)
    states = dict(project.instances.values_list("pk", "state"))
    assert states == {known.pk: InstanceState.SETTLED, other.pk: InstanceState.ROUTED}


def test_the_judge_answers_what_people_are_not_asked(project: Project, judge: Annotator) -> None:
    people_first = send(project, Destination.BOTH, "style")
    assert labelled(people_first) == InstanceState.ROUTED
    # Its word on what people were asked is not what is waited for.
    assert judged(people_first, judge, "style") == InstanceState.ROUTED
    assert judged(people_first, judge, "overall") == InstanceState.ROUTED
    assert judged(people_first, judge, "facts") == InstanceState.SETTLED

    judge_first = send(project, Destination.BOTH, "style", "facts")
    assert judged(judge_first, judge, "overall") == InstanceState.ROUTED
    assert labelled(judge_first) == InstanceState.SETTLED


def test_without_a_judge_beside_them_people_settle_what_they_are_asked(project: Project) -> None:
    assert labelled(send(project, Destination.HUMAN, "style")) == InstanceState.SETTLED
    assert labelled(send(project, Destination.BOTH)) == InstanceState.SETTLED


def test_many_settle_with_as_many_queries_as_few(project: Project, judge: Annotator) -> None:
    counts = []
    for size in (2, 9):
        sent = [send(project, Destination.JUDGE, "overall") for _ in range(size)]
        for each in sent:
            make_annotation(each, judge)
        with CaptureQueriesContext(connection) as queries:
            assert settle_instances(each.pk for each in sent) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_a_person_and_the_judge_who_end_at_once_do_not_both_wait(
    project: Project, judge: Annotator
) -> None:
    instance = send(project, Destination.BOTH, "style", "facts")

    def answer() -> None:
        try:
            judged(Instance.objects.get(pk=instance.pk), judge, "overall")
        finally:
            connection.close()

    thread = threading.Thread(target=answer)
    with transaction.atomic():
        assert labelled(instance) == InstanceState.ROUTED
        thread.start()
        # Long enough for the judge to look, were it not for the lock.
        thread.join(timeout=1)
    thread.join(timeout=30)
    instance.refresh_from_db()
    assert instance.state == InstanceState.SETTLED
