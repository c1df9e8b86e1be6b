"""Open decisions are looked at again; what people have begun with is left alone."""

import threading

import pytest
from django.db import connection, transaction

from accounts.models import Project
from annotation.ledger.models import Entry, EntryState
from annotation.queue.models import Assignment, Destination, Slot, SlotState
from annotation.queue.moving import Move, move
from annotation.queue.services import claim
from routing.budgets.services import change_limit
from routing.decisions.models import Decision
from routing.live.again import open_again
from routing.live.services import change_settings, live_of
from tests.endpoint.client import endpoint
from tests.factories import make_annotator
from tests.routing.live_scene import POUND, holds, label, route, scene, work_of

pytestmark = pytest.mark.django_db

TO_PEOPLE = [Destination.HUMAN, Destination.BOTH]


def routed(project: Project, to_people: bool) -> set[int]:
    rows = Decision.objects.filter(project=project, arm="routed", superseded_by__isnull=True)
    rows = (
        rows.filter(destination__in=TO_PEOPLE)
        if to_people
        else rows.exclude(destination__in=TO_PEOPLE)
    )
    return set(rows.values_list("instance", flat=True))


def turn(project: Project, **values: object) -> None:
    row = live_of(project)
    change_settings(project=project, version=row.version, by=None, **values)


def test_a_larger_share_sends_more_to_people_and_supersedes_their_decisions() -> None:
    with endpoint() as server:
        project = scene(server, 60, strategy="random", people_share=0.2)
        route(project)
        before = routed(project, True)
        turn(project, people_share=0.6)
        result = route(project)
    after = routed(project, True)
    assert before < after
    assert result["moved"] == len(after - before) > 5
    new = Decision.objects.filter(project=project, supersedes__isnull=False)
    assert set(new.values_list("instance", flat=True)) == after - before
    # The judge has labelled them: they carry both now. Each has its place and its money.
    assert set(new.values_list("destination", flat=True)) == {Destination.BOTH}
    assert Slot.objects.filter(instance__in=after, state=SlotState.OPEN).count() == len(after)
    assert holds(project)


def test_nothing_is_written_where_nothing_changes() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="random")
        route(project)
        allowance = project.allowances.get()
        before = Decision.objects.count()
        change_limit(allowance=allowance, limit=20_000 * POUND, version=1, by=None)
        assert route(project).get("moved", 0) == 0
    assert Decision.objects.count() == before


def test_places_that_close_give_their_money_back() -> None:
    with endpoint() as server:
        project = scene(server, 60, strategy="random", people_share=0.6)
        route(project)
        before = routed(project, True)
        turn(project, people_share=0.1)
        route(project)
    after = routed(project, True)
    assert after < before
    closed = Slot.objects.filter(instance__in=before - after)
    assert set(closed.values_list("state", flat=True)) == {SlotState.WITHDRAWN}
    subjects = [f"slot:{key}" for key in closed.values_list("key", flat=True)]
    states = Entry.objects.filter(subject__in=subjects).values_list("state", flat=True)
    assert set(states) == {EntryState.RELEASED}
    assert holds(project)


def test_leases_and_labels_are_not_disturbed() -> None:
    with endpoint() as server:
        project = scene(server, 60, strategy="random", people_share=0.6)
        route(project)
        person, other = make_annotator(project), make_annotator(project)
        held = claim(project=project, annotator=person)
        done = claim(project=project, annotator=other)
        assert held is not None
        assert done is not None
        label(done, other)
        decisions = {
            pk: Assignment.objects.get(instance=pk).decision_id
            for pk in (held.instance_id, done.instance_id)
        }
        turn(project, people_share=0.01)
        route(project)
    for pk, decision in decisions.items():
        assert Assignment.objects.get(instance=pk).decision_id == decision
    held.refresh_from_db()
    assert (held.state, held.annotator) == (SlotState.LEASED, person)
    label(held, person)
    assert holds(project)


@pytest.mark.django_db(transaction=True)
def test_a_claim_under_way_is_passed_over() -> None:
    """The claim has the place's row locked and has not committed."""
    with endpoint() as server:
        project = scene(server, 30, strategy="random", people_share=0.9)
        route(project)
    slot = Slot.objects.order_by("pk").first()
    assert slot is not None
    locked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Slot.objects.select_for_update(no_key=True).get(pk=slot.pk)
            locked.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert locked.wait(10)
        decision = Decision.objects.get(instance=slot.instance_id)
        moved = move(
            project=project,
            moves=[
                Move(pk, Destination.JUDGE, decision.propensity, decision.pk)
                for pk in open_again(work_of(project))
            ],
        )
    finally:
        go_on.set()
        thread.join()
    assert slot.instance_id not in moved
    slot.refresh_from_db()
    assert slot.state == SlotState.OPEN
