"""Looking at routed instances again after a new router or other budgets.

Only what the router itself routed, what no person has labelled and nobody holds a lease on. The
arms that were drawn stay as drawn. An instance whose destination does not change keeps its
decision: no row is written for it. A judge's label stays where there is one; such an instance that
goes to people then carries both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef

from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from annotation.queue.models import Arm, Destination, Slot
from annotation.queue.moving import MOVABLE, UNTOUCHED, Move, lock_untouched, move
from core.hashing import content_hash
from jobs.context import JobContext
from routing.budgets.spending import free
from routing.decisions.models import Decision
from routing.decisions.selectors import replaced
from routing.decisions.services import Choice, write_decisions
from routing.features.table import Floats, Ints
from routing.rules.matching import DROP, VERIFIER
from routing.strategies.selection import worth

from . import money
from .batches import MOST
from .choosing import draw_wanted, propensities
from .models import LiveRouting, Stall
from .scoring import Scored, score
from .work import MACHINES, Row, Work
from .writing import reserve_slots

TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})
# Rules that say so about new instances only: what was sent somewhere stays there.
NEW_ONLY = frozenset({VERIFIER, DROP})
OUTBID = "others promise more for the money by now"


def mark_of(work: Work) -> str:
    """The router, the strategy's share and the limits of the windows: what decisions rest on."""
    limits = [[left.window.pk, left.limit] for left in free(work.project)]
    router = work.live.router_id or 0
    rests_on = [limits, work.live.people_share, work.rules.version]
    return f"{router}:{content_hash(rests_on)[:32]}"


def due(work: Work) -> bool:
    """Whether there is something to look at again."""
    # What a place asks, and what was set aside for it, is fixed when it opens: see the docs.
    if work.live.router is None or work.by_criterion:
        return False
    return work.live.rerouted_for != mark_of(work)


def open_again(work: Work) -> list[int]:
    """Ids of the instances that may still go elsewhere, newest first."""
    routed = Decision.objects.filter(pk=OuterRef("assignment__decision_id"), arm=Arm.ROUTED)
    people = Annotation.objects.filter(instance=OuterRef("pk")).exclude(
        annotator__kind__in=MACHINES
    )
    apart = Decision.objects.filter(instance=OuterRef("pk"), criterion__isnull=False)
    busy = Slot.objects.filter(instance=OuterRef("pk")).exclude(state__in=UNTOUCHED)
    rows = Instance.objects.filter(
        Exists(routed),
        ~Exists(people),
        ~Exists(busy),
        ~Exists(apart),
        project=work.project,
        state__in=MOVABLE,
    )
    return list(rows.order_by("-pk").values_list("pk", flat=True))


def look_again(context: JobContext, work: Work) -> int:
    """Score them again, some hundred at a time, and move what belongs elsewhere; returns how many.

    The money of places that close is free for those that open. Noted when all were seen; a killed
    attempt begins again and finds those that moved where they belong.
    """
    mark, ids = mark_of(work), open_again(work)
    moved = 0
    for start in range(0, len(ids), MOST):
        context.progress(start, len(ids), "looking at open decisions again")
        moved += _look(context, work, ids[start : start + MOST])
    LiveRouting.objects.filter(pk=work.live.pk).update(rerouted_for=mark)
    return moved


@dataclass(frozen=True, eq=False)
class _Seen:
    rows: list[Row]
    scored: Scored
    standing: dict[int, Decision]


def _look(context: JobContext, work: Work, ids: Sequence[int]) -> int:
    rows = work.rows(Instance.objects.filter(pk__in=ids).order_by("pk"))
    scored = score(context, work, rows)
    with transaction.atomic():
        untouched = set(lock_untouched(work.project, [row.pk for row in rows]))
        standing = _standing(work, untouched)
        seen = _Seen(
            [row for row in rows if row.pk in standing], _of(scored, rows, standing), standing
        )
        return _move(work, seen)


def _standing(work: Work, ids: set[int]) -> dict[int, Decision]:
    rows = Decision.objects.filter(
        ~replaced(), project=work.project, instance__in=ids, arm=Arm.ROUTED
    )
    return {row.instance_id: row for row in rows.order_by("created_at")}


def _of(scored: Scored, rows: Sequence[Row], standing: dict[int, Decision]) -> Scored:
    """The scores of those rows alone that may be moved."""
    kept = np.array([i for i, row in enumerate(rows) if row.pk in standing], dtype=np.int64)
    return scored.take(kept)


def _move(work: Work, seen: _Seen) -> int:
    """Close places first, so that their money is free; then open as many as can be paid."""
    wanted = draw_wanted([row.key for row in seen.rows], seen.scored.wanted, work.salt)
    there = np.array([seen.standing[row.pk].destination in TO_PEOPLE for row in seen.rows], bool)
    stays = np.array([row.rule is not None and row.rule.to in NEW_ONLY for row in seen.rows], bool)
    leaving, coming = np.flatnonzero(there & ~wanted & ~stays), np.flatnonzero(~there & wanted)
    e = propensities(
        seen.scored.wanted,
        audit_share=work.live.audit_share,
        explore_share=work.live.explore_share,
    )
    gone = _write(work, seen, leaving, e, to_people=False)
    values = worth(seen.scored.scores.gain, seen.scored.scores.cost)[coming]
    order = coming[np.argsort(-values, kind="stable")]
    fits = max(0, money.how_many(work, [seen.rows[i] for i in order]))
    come = _write(work, seen, order[:fits], e, to_people=True)
    if come:
        reserve_slots(work, come, Stall.NONE)
    return len(gone) + len(come)


def _write(work: Work, seen: _Seen, places: Ints, e: Floats, *, to_people: bool) -> list[int]:
    choices = [_choice(work, seen, int(i), float(e[i]), to_people=to_people) for i in places]
    decisions = write_decisions(project=work.project, choices=choices, router=work.live.router)
    moves = [
        Move(
            instance_id=choice.instance_id,
            destination=choice.destination,
            propensity=choice.propensity,
            decision_id=row.pk,
            overlap=work.protocol.overlap,
            priority=choice.priority,
            requires=choice.requires,
        )
        for choice, row in zip(choices, decisions, strict=True)
    ]
    judge = work.judge.annotator.pk
    return move(project=work.project, moves=moves, judge=judge) if moves else []


def _choice(work: Work, seen: _Seen, i: int, e: float, *, to_people: bool) -> Choice:
    row, before, scores = seen.rows[i], seen.standing[seen.rows[i].pk], seen.scored.scores
    judge = work.judge.annotator.price_micros
    gain = float(scores.gain[i]) if np.isfinite(scores.gain[i]) else None
    judged = before.destination in {Destination.JUDGE, Destination.BOTH}
    if to_people:
        destination = Destination.BOTH if judged else Destination.HUMAN
        price, reason = row.cost + (judge if judged else 0), scores.reason[i]
    else:
        destination, price = Destination.JUDGE, judge
        reason = row.rule.sentence if row.rule else OUTBID
    return Choice(
        instance_id=row.pk,
        destination=destination,
        arm=Arm.ROUTED,
        propensity=e,
        reason=reason,
        price_micros=price,
        gain=gain,
        priority=gain or 0.0,
        supersedes=before.pk,
        requires=row.requires,
        rules_id=work.rules.row_id if row.rule else None,
    )
