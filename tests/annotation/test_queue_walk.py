"""The walk of the queue: what its one statement reads, and that a cursor misses nothing."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.queue import claiming
from annotation.queue.models import Opening, Skip, Slot, SlotState
from annotation.queue.openings import trim_openings
from annotation.queue.pools import pools_for
from annotation.queue.services import (
    AssignmentItem,
    add_slot,
    assign,
    claim,
    expire_leases,
    qualify,
    release,
    skip,
)
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def large_queue(instances: int, overlap: int) -> Project:
    """Instances without content, with open slots for anybody."""
    project = make_project()
    pool = pools_for(project, [("", ())])["", ()]
    rows = Instance.objects.bulk_create(
        Instance(
            project=project,
            external_id=str(number),
            content_hash=str(number),
            prompt_hash="",
            messages=[],
        )
        for number in range(instances)
    )
    slots = (
        Slot(project=project, instance=row, ordinal=ordinal, overlap=overlap, pool=pool)
        for row in rows
        for ordinal in range(overlap)
    )
    # A statement takes 65,535 parameters.
    Slot.objects.bulk_create(slots, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_slot, annotation_skip, annotation_annotator")
    return project


def explain(annotator: Annotator, options: str = "") -> str:
    now = timezone.now()
    values: dict[str, Any] = {
        "annotator": annotator.pk,
        "project": annotator.project_id,
        "cohort": annotator.cohort,
        "qualifications": annotator.qualifications,
        "place": float("-inf"),
        "slot": 0,
        "epoch": 0,
        "now": now,
        "until": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {options} {claiming.CLAIM}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_a_claim_is_one_statement_that_reads_indexes_only() -> None:
    annotator = make_annotator(large_queue(2000, 3))
    plan = explain(annotator)
    assert plan.count("Index Scan using slot_claim") == 2
    reads = [line for line in plan.splitlines() if "Scan" in line and "annotation_slot" in line]
    assert not [line for line in reads if "Seq Scan" in line]
    assert "Hash" not in plan
    # Sorted are only the best of the pools, one row each.
    assert plan.count("Sort Key") == 2


def read_by_claim(annotator: Annotator) -> int:
    """Entries of the claim's index that the next claim goes through."""
    counting = "SELECT pg_stat_get_xact_tuples_returned('slot_claim'::regclass)"
    with connection.cursor() as cursor:
        cursor.execute(counting)
        (before,) = cursor.fetchone()
        slot = claim(project=annotator.project, annotator=annotator)
        cursor.execute(counting)
        (after,) = cursor.fetchone()
    assert slot is not None
    release_quietly(slot)
    return int(after - before)


def release_quietly(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(state=SlotState.SUBMITTED, leased_until=None)


def test_somebody_alone_in_the_queue_never_walks_far() -> None:
    """Two places of each of their instances stay open, and are passed by once."""
    annotator = make_annotator(large_queue(300, 3))
    assert max(read_by_claim(annotator) for _ in range(250)) <= 12


def test_who_has_seen_all_reads_nothing_again() -> None:
    annotator = make_annotator(large_queue(50, 3))
    for _ in range(50):
        read_by_claim(annotator)
    assert claim(project=annotator.project, annotator=annotator) is None
    annotator.refresh_from_db()
    assert annotator.queue_priority == float("-inf")
    # A place that is added behind everything is found.
    instance = make_instance(annotator.project)
    add_slot(instance=instance)
    slot = claim(project=annotator.project, annotator=annotator)
    assert slot is not None
    assert slot.instance == instance


def test_a_cursor_older_than_the_notes_starts_in_front() -> None:
    project = large_queue(3, 1)
    away, here = make_annotator(project), make_annotator(project)
    first = claim(project=project, annotator=here)
    assert first is not None
    second = claim(project=project, annotator=away)
    assert second is not None
    release_quietly(second)
    release(slot=first, annotator=here)
    Opening.objects.all().delete()
    assert claim(project=project, annotator=away) == first


def test_old_notes_are_forgotten_but_not_the_newest() -> None:
    project = large_queue(1, 1)
    rows = [Opening(project=project, epoch=n, priority=0, slot_id=1) for n in range(1, 1051)]
    Opening.objects.bulk_create(rows)
    Protocol.objects.filter(project=project).update(queue_epoch=1050)
    assert trim_openings() == 50
    assert Opening.objects.filter(project=project).count() == 1000
    assert trim_openings() == 0


class Simulation:
    """Random acts in one project, and what a claim would find that scans everything."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.project = make_project(overlap=1)
        protocol = self.project.protocol
        protocol.gates, protocol.lease_minutes = ["lang:"], 30
        protocol.seats = self.chance.choice(
            [[], [{"cohort": "", "count": 2}, {"cohort": "expert", "count": 1}]]
        )
        protocol.save()
        self.people = [make_annotator(self.project) for _ in range(4)]
        self.acts = [self.claim] * 8 + [self.submit] * 5 + [self.give_back] * 3
        self.acts += [self.skip, self.expire, self.assign, self.assign, self.add, self.qualify]

    def run(self, steps: int) -> None:
        self.assign()
        for _ in range(steps):
            self.chance.choice(self.acts)()

    def held(self) -> Slot | None:
        return self.any_of(Slot.objects.filter(project=self.project, state=SlotState.LEASED))

    def any_of(self, rows) -> Slot | None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        found = list(rows.order_by("pk"))
        return self.chance.choice(found) if found else None

    def expected(self, annotator: Annotator) -> int | None:
        """The key of the slot that is due, by looking at each of them."""
        annotator.refresh_from_db()
        mine = set(Slot.objects.filter(annotator=annotator).values_list("instance", flat=True))
        mine |= set(Skip.objects.filter(annotator=annotator).values_list("instance", flat=True))
        rows = Slot.objects.filter(project=self.project, state=SlotState.OPEN)
        fitting = [
            slot
            for slot in rows.select_related("pool")
            if slot.instance_id not in mine
            and slot.pool is not None
            and slot.pool.cohort in ("", annotator.cohort)
            and set(slot.pool.requires) <= set(annotator.qualifications)
        ]
        return min(((-slot.priority, slot.pk) for slot in fitting), default=(0, None))[1]

    def claim(self) -> None:
        annotator = self.chance.choice(self.people)
        if Slot.objects.filter(annotator=annotator, state=SlotState.LEASED).count() > 1:
            return
        due = self.expected(annotator)
        slot = claim(project=self.project, annotator=annotator)
        assert (slot.pk if slot else None) == due

    def submit(self) -> None:
        if slot := self.held():
            release_quietly(slot)

    def give_back(self) -> None:
        if slot := self.held():
            assert slot.annotator is not None
            release(slot=slot, annotator=slot.annotator)

    def skip(self) -> None:
        if slot := self.held():
            assert slot.annotator is not None
            skip(slot=slot, annotator=slot.annotator)

    def expire(self) -> None:
        if slot := self.held():
            late = timezone.now() - timedelta(seconds=1)
            Slot.objects.filter(pk=slot.pk).update(leased_until=late)
            assert expire_leases() == 1

    def assign(self) -> None:
        items = [
            AssignmentItem(
                make_instance(self.project, tags=self.tags()).pk,
                "human",
                "routed",
                1.0,
                self.chance.randint(1, 3),
                priority=self.chance.choice([0.0, 0.0, 0.5, 2.0]),
            )
            for _ in range(self.chance.randint(1, 4))
        ]
        assign(project=self.project, items=items)

    def tags(self) -> list[str]:
        return self.chance.choice([[], ["plain"], ["lang:de"], ["lang:de", "lang:fr"]])

    def add(self) -> None:
        instance = self.chance.choice(list(Instance.objects.filter(project=self.project)))
        add_slot(instance=instance, cohort=self.chance.choice(["", "expert"]))

    def qualify(self) -> None:
        annotator = self.chance.choice(self.people)
        qualify(
            annotator,
            cohort=self.chance.choice(["", "expert"]),
            qualifications=self.chance.choice([[], ["lang:de"], ["lang:de", "lang:fr"]]),
        )


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_a_claim_finds_what_a_full_scan_finds(seed: int) -> None:
    simulation = Simulation(seed)
    simulation.run(120)
    taken = Slot.objects.filter(project=simulation.project).exclude(state=SlotState.OPEN)
    assert taken.count() > 5
