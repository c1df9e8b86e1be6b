"""Handing out slots: one statement, whose cost does not grow with the project.

An annotator's cursor stands behind all that is theirs already or not for them, so that a claim
reads one or two entries of the index `slot_claim`. `openings` says what moves a cursor back.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from core.exceptions import Conflict, InvalidInput

from . import checks
from .barriers import barrier
from .leases import ASIDE, draw_order, expire_leases, give_back, lease_end
from .models import Slot, SlotState
from .openings import start_of

# The one in front of the annotator and the next one, already rendered.
MOST_HELD = 2

# A statement of its own, after the claim: it sees what was set aside until now.
SHOWN = """
UPDATE annotation_slot AS slot SET shown_order = %s::jsonb
FROM annotation_instance AS instance
WHERE slot.id = %s AND instance.id = slot.instance_id RETURNING instance.*
"""
# NO KEY: annotations that point at the annotator are written meanwhile.
LOCK = "SELECT * FROM annotation_annotator WHERE id = %s FOR NO KEY UPDATE"
HELD = """
SELECT * FROM annotation_slot WHERE annotator_id = %s AND state = 'leased' ORDER BY leased_at, id
"""
# The next slot of a pool behind a place. OFFSET keeps the two questions from becoming joins: they
# are asked of one slot after the other, until one is free.
WALK = """
  SELECT slot.id, slot.priority * -1 AS place FROM annotation_slot AS slot
  WHERE slot.project_id = %(project)s AND slot.pool_id = pool.id AND slot.state = 'open'
    AND (slot.priority * -1, slot.id) > (@PLACE, @SLOT)
    AND NOT EXISTS (
      SELECT 1 FROM annotation_slot AS mine
      WHERE mine.instance_id = slot.instance_id AND mine.annotator_id = %(annotator)s OFFSET 0)
    AND NOT EXISTS (
      SELECT 1 FROM annotation_skip AS skip
      WHERE skip.instance_id = slot.instance_id AND skip.annotator_id = %(annotator)s OFFSET 0)
  ORDER BY slot.priority * -1, slot.id LIMIT 1
"""
# `first` is the next slot as committed, `chosen` the next that nobody has locked. A lock may be
# given back (a claim that failed, a submit that was refused), so the cursor never passes a locked
# slot: it stops right before `first` unless that is the one chosen.
CLAIM = """
WITH pool AS (
  SELECT id FROM annotation_pool
  WHERE project_id = %(project)s AND cohort IN ('', %(cohort)s)
    AND requires <@ %(qualifications)s::varchar[]),
first AS (
  SELECT best.id, best.place FROM pool
  CROSS JOIN LATERAL (@FIRST) AS best ORDER BY best.place, best.id LIMIT 1),
chosen AS (
  SELECT best.id, best.place FROM pool
  CROSS JOIN LATERAL (@CHOSEN FOR NO KEY UPDATE OF slot SKIP LOCKED) AS best
  ORDER BY best.place, best.id LIMIT 1),
leased AS (
  UPDATE annotation_slot SET
    state = 'leased', annotator_id = %(annotator)s, leased_at = %(now)s,
    leased_until = %(until)s, shown_order = NULL
  WHERE id = (SELECT id FROM chosen)
  RETURNING *),
moved AS (
  UPDATE annotation_annotator SET
    queue_epoch = %(epoch)s,
    queue_priority = COALESCE((SELECT place * -1 FROM first), '-infinity'),
    queue_slot = COALESCE(
      (SELECT CASE WHEN id = (SELECT id FROM leased) THEN id ELSE id - 1 END FROM first), 0)
  WHERE id = %(annotator)s)
SELECT leased.*, (
  SELECT count(*) FROM annotation_completion AS completion
  WHERE completion.instance_id = leased.instance_id) AS completion_count
FROM leased
"""
for name, place, slot in (
    ("@FIRST", "%(place)s::float8", "%(slot)s"),
    ("@CHOSEN", "(SELECT place FROM first)", "(SELECT id - 1 FROM first)"),
):
    CLAIM = CLAIM.replace(name, WALK.replace("@PLACE", place).replace("@SLOT", slot))


@dataclass(frozen=True)
class Claimant:
    """The annotator, their row locked, with their project's protocol."""

    annotator: Annotator
    protocol: Protocol
    held: list[Slot]


@transaction.atomic
def claim(*, project: Project, annotator: Annotator, resume: bool = False) -> Slot | None:
    """Lease the next slot to the annotator; None when there is none (`why_empty` says why).

    They get no instance on which they have a slot already or which they skipped. With `resume`
    the lease they took first and still hold is handed out again before a new one.

    Raises:
        Conflict: they hold two slots already.
    """
    claimant = _enter(project, annotator)
    if resume and claimant.held:
        return claimant.held[0]
    if len(claimant.held) >= MOST_HELD:
        raise Conflict(_("You hold two instances already: submit or skip one first."))
    return _lease_next(claimant)


@transaction.atomic
def prefetch(
    *, project: Project, annotator: Annotator, protocol: Protocol | None = None
) -> Slot | None:
    """The slot after the one in front of the annotator, leased so that it is theirs in time.

    `protocol` is the project's as this request has read it.
    """
    claimant = _enter(project, annotator, protocol)
    return claimant.held[1] if len(claimant.held) > 1 else _lease_next(claimant)


def _enter(project: Project, annotator: Annotator, protocol: Protocol | None = None) -> Claimant:
    """Lock the annotator (one claim at a time) and see what they hold."""
    if annotator.project_id != project.pk:
        raise InvalidInput(_("This annotator belongs to another project."))
    (row,) = Annotator.objects.raw(LOCK, [annotator.pk])
    row.project = project
    protocol = protocol or protocol_of(project)
    return Claimant(row, protocol, _held_by(row, protocol, timezone.now()))


def _held_by(annotator: Annotator, protocol: Protocol, now: datetime) -> list[Slot]:
    """What they hold, the one taken first in front.

    A lease that ran out while nobody else wanted the slot starts anew: it is on their screen.
    """
    held = list(Slot.objects.raw(HELD, [annotator.pk]))
    if any(slot.leased_until is None or slot.leased_until <= now for slot in held):
        rows = Slot.objects.filter(annotator=annotator, state=SlotState.LEASED)
        rows.filter(leased_until__lte=now).update(leased_until=lease_end(protocol, now))
        held = list(Slot.objects.raw(HELD, [annotator.pk]))
    for slot in held:
        slot.project, slot.annotator = annotator.project, annotator
    return held


def _lease_next(claimant: Claimant) -> Slot | None:
    annotator, protocol = claimant.annotator, claimant.protocol
    if barrier(annotator, protocol):
        return None
    check = checks.due(annotator, protocol)
    if check is not None or checks.qualifying(annotator, protocol):
        return check
    return _walk(annotator, protocol)


def _walk(annotator: Annotator, protocol: Protocol) -> Slot | None:
    """The next slot by the index; leases that ran out are taken back only if there is none."""
    slot = _take(annotator, protocol)
    if slot is None and expire_leases(project=annotator.project):
        annotator.refresh_from_db(fields=["queue_epoch", "queue_priority", "queue_slot"])
        protocol.refresh_from_db(fields=["queue_epoch"])
        slot = _take(annotator, protocol)
    return slot


def _take(annotator: Annotator, protocol: Protocol) -> Slot | None:
    while (slot := _claim(annotator, protocol)) is not None:
        slot.project, slot.annotator = annotator.project, annotator
        slot.shown_order = draw_order(protocol, slot, annotator, vars(slot)["completion_count"])
        (instance,) = Instance.objects.raw(SHOWN, [json.dumps(slot.shown_order), slot.pk])
        if instance.state not in ASIDE:
            slot.instance = instance
            return slot
        # Locked by somebody at the moment when its instance was set aside.
        give_back(slot.project_id, [slot.pk])
        annotator.refresh_from_db(fields=["queue_epoch", "queue_priority", "queue_slot"])
    return None


def _claim(annotator: Annotator, protocol: Protocol) -> Slot | None:
    """The slot with `completion_count` beside its own columns."""
    # A cursor set after the protocol was read (its lock was waited for) is the newer one.
    epoch = max(protocol.queue_epoch, annotator.queue_epoch)
    place, slot = start_of(annotator, epoch)
    now = timezone.now()
    values = {
        "annotator": annotator.pk,
        "project": annotator.project_id,
        "cohort": annotator.cohort,
        "qualifications": annotator.qualifications,
        "place": place,
        "slot": slot,
        "epoch": epoch,
        "now": now,
        "until": lease_end(protocol, now),
    }
    return next(iter(Slot.objects.raw(CLAIM, values)), None)
