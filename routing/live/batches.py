"""Routing one batch of new instances: the arms are drawn first, then the router chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.queue.models import Arm, Destination
from jobs.context import JobContext
from routing.budgets.spending import Purchase
from routing.decisions.models import Decision
from routing.decisions.services import Choice
from routing.features.table import Bools, Floats, Ints
from routing.rules.matching import DROP
from routing.strategies.problem import VERIFIER
from routing.strategies.selection import worth

from . import money
from .asking import Planned, finish_run, plan
from .choosing import Arms, draw_arms, draw_wanted, propensities
from .drift import explore_share
from .scoring import Scored, ask_first, score
from .work import Row, Work, shuffled, waiting
from .writing import Written, write

# Instances of one transaction.
MOST = 500
REASONS = {
    Arm.AUDIT: "drawn at random for the audit arm",
    Arm.EXPLORE: "drawn at random to keep learning",
    Arm.SEED: "drawn at random for the dual-labelled seed",
}
CHEAPER = "others promise more for the money"
TIED = "others promise as much, and the draw went to them"
UNPAID = "wanted, but the budget is used up"
# Where neither people nor a judge label, and nothing is paid.
FREE = {VERIFIER: Destination.VERIFIER, DROP: Destination.DROP}


def seed_missing(work: Work) -> int:
    """How many instances the seed lacks before a router is fitted."""
    there = Decision.objects.filter(project=work.project, arm=Arm.SEED)
    return max(0, work.live.seed_size - there.count())


def collect_seed(context: JobContext, work: Work, missing: int) -> Written | None:
    """Dual-label the next instances in the order of a salted hash; None where nobody waits.

    Arms are drawn among them as ever. As many as can be paid are taken, in that order.

    Raises:
        Stalled: the audit arm, or not even one instance, can be paid.
    """
    order = shuffled(list(waiting(work.project).values_list("pk", "external_id")), work.salt)
    rows = rows_in_order(work, order[: min(MOST, missing)])
    if not rows:
        return None
    arms = arms_of(work, rows)
    asked = plan_judge(work, [row.pk for row in rows])
    choices = [
        _both(work, row, Arm.AUDIT if audited else Arm.EXPLORE if explored else Arm.SEED)
        for row, audited, explored in zip(rows, arms.audit, arms.explore, strict=True)
    ]
    audit = [each for each in choices if each.arm == Arm.AUDIT]
    paid = [row for row, audited in zip(rows, arms.audit, strict=True) if audited]
    others = [row for row, audited in zip(rows, arms.audit, strict=True) if not audited]
    first = money.of_judge(work.judge, asked.most, len(rows) * len(asked.criteria))
    fits = money.how_many(work, [*paid, *others], first=first)
    taken = {row.pk for row in others[: max(0, fits - len(paid))]}
    kept = [each for each in choices if each.arm != Arm.AUDIT and each.instance_id in taken]
    # Where nothing fits the refusal of all of them says what is missing.
    chosen = kept or [each for each in choices if each.arm != Arm.AUDIT]
    return carry_out(context, work, audit, chosen)


def _both(work: Work, row: Row, arm: Arm) -> Choice:
    price = row.cost + work.judge.annotator.price_micros
    return Choice(row.pk, Destination.BOTH, arm, 1.0, REASONS[arm], price, requires=row.requires)


def arms_of(work: Work, rows: Sequence[Row]) -> Arms:
    return draw_arms(
        [row.key for row in rows],
        work.salt,
        audit_share=work.live.audit_share,
        explore_share=explore_share(work),
    )


def plan_judge(work: Work, ids: Sequence[int]) -> Planned:
    return plan(work.judge, work.criteria, ids)


def rows_in_order(work: Work, ids: Sequence[int]) -> list[Row]:
    found = {row.pk: row for row in work.rows(work.project.instances.filter(pk__in=ids))}
    return [found[pk] for pk in ids if pk in found]


def carry_out(
    context: JobContext, work: Work, audit: Sequence[Choice], others: Sequence[Choice]
) -> Written:
    """Write it, then ask the judge about the audit arm out of the purse that was set aside."""
    asked = plan_judge(work, [choice.instance_id for choice in audit])
    written = write(work, audit, others, asked)
    for run in written.runs:
        finish_run(context, run)
    return written


@dataclass(frozen=True, eq=False)
class Chosen:
    """(n,) who of a batch goes to people, at which propensity, and who was wanted but unpaid."""

    people: Bools
    unpaid: Bools
    propensity: Floats
    explored: Bools


def route_batch(context: JobContext, work: Work, rows: Sequence[Row]) -> Written:
    """Draw the arms, score, choose, and write it.

    Raises:
        Stalled: the audit arm or the judge cannot be paid, or the judge cannot be asked.
    """
    arms = arms_of(work, rows)
    ask_first(context, work, rows, arms)
    scored = score(context, work, rows)
    chosen = choose_people(work, rows, arms, scored)
    batch = Batch(work, rows, arms, scored, chosen)
    choices = [batch.choice(i) for i in range(len(rows))]
    audit = [each for each in choices if each.arm == Arm.AUDIT]
    return carry_out(context, work, audit, [each for each in choices if each.arm != Arm.AUDIT])


def choose_people(work: Work, rows: Sequence[Row], arms: Arms, scored: Scored) -> Chosen:
    """Who is wanted, as far as the money goes: best gain for the money first.

    Where not all of the exploration can be paid none of it is: then x = 0 for this batch, and the
    router decides about those who were drawn for it.
    """
    asked = plan_judge(work, [row.pk for row in rows])
    labels = len(rows) * len(asked.criteria)
    first = money.of_judge(work.judge, asked.most, labels) if asked.most else []
    exploring = _can_explore(work, rows, arms, first)
    explored = arms.explore if exploring else np.zeros_like(arms.explore)
    drawn = draw_wanted([row.key for row in rows], scored.wanted, work.salt)
    drawn &= ~(arms.audit | explored)
    by_worth = np.argsort(-worth(scored.scores.gain, scored.scores.cost), kind="stable")
    order = by_worth[drawn[by_worth]]
    drawn_first = [*np.flatnonzero(arms.audit), *np.flatnonzero(explored)]
    fits = money.how_many(work, [rows[i] for i in (*drawn_first, *order)], first=first)
    people = np.zeros(len(rows), dtype=bool)
    people[order[: max(0, fits - len(drawn_first))]] = True
    unpaid = drawn & ~people
    e = propensities(
        _paid(scored.wanted, unpaid, by_worth),
        audit_share=work.live.audit_share,
        explore_share=explore_share(work) if exploring else 0.0,
    )
    return Chosen(people=people, unpaid=unpaid, propensity=e, explored=explored)


def _can_explore(work: Work, rows: Sequence[Row], arms: Arms, first: Sequence[Purchase]) -> bool:
    """Whether the exploration can be paid; where nobody is drawn, whether anybody could be."""
    explore = np.flatnonzero(arms.explore)
    if not len(explore):
        explore = np.flatnonzero(~arms.audit)[:1]
    drawn = [rows[i] for i in (*np.flatnonzero(arms.audit), *explore)]
    return money.how_many(work, drawn, first=first) >= len(drawn)


def _paid(wanted: Floats, unpaid: Bools, by_worth: Ints) -> Floats:
    """π (n,) with the money: 0 for whoever comes where it has ended or behind, whatever their arm.

    Those in the arms would not have been bought there either: their labels speak for the unpaid.
    """
    if not unpaid.any():
        return wanted
    ended = int(np.argmax(unpaid[by_worth]))
    found = wanted.copy()
    found[by_worth[ended:]] = 0.0
    return found


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch with everything that is known of it."""

    work: Work
    rows: Sequence[Row]
    arms: Arms
    scored: Scored
    chosen: Chosen

    def choice(self, i: int) -> Choice:
        gain = float(self.scored.scores.gain[i])
        arm, destination, price, reason = self._where(i)
        return Choice(
            instance_id=self.rows[i].pk,
            destination=destination,
            arm=arm,
            propensity=float(self.chosen.propensity[i]),
            reason=reason,
            price_micros=price,
            gain=gain if np.isfinite(gain) else None,
            priority=gain if np.isfinite(gain) else 0.0,
            requires=self.rows[i].requires,
            rules_id=self.work.rules.row_id if self._ruled(i, arm) else None,
        )

    def _ruled(self, i: int, arm: Arm) -> bool:
        return arm == Arm.ROUTED and self.rows[i].rule is not None

    def _where(self, i: int) -> tuple[Arm, Destination, int, str]:
        """Arm, destination, price in micros and reason."""
        scores, judge = self.scored.scores, self.work.judge.annotator.price_micros
        both = self.rows[i].cost + judge
        if self.arms.audit[i] or self.chosen.explored[i]:
            arm = Arm.AUDIT if self.arms.audit[i] else Arm.EXPLORE
            return arm, Destination.BOTH, both, REASONS[arm]
        if self.chosen.people[i]:
            # A strategy that reads the judge has had its label: such an instance carries both.
            if self.scored.reads_judge and self.rows[i].rule is None:
                return Arm.ROUTED, Destination.BOTH, both, scores.reason[i]
            return Arm.ROUTED, Destination.HUMAN, self.rows[i].cost, scores.reason[i]
        for rest, destination in FREE.items():
            if scores.rest is not None and scores.rest[i] == rest:
                return Arm.ROUTED, destination, 0, scores.reason[i]
        return Arm.ROUTED, Destination.JUDGE, judge, self._why_not(i)

    def _why_not(self, i: int) -> str:
        if self.chosen.unpaid[i] or self.arms.explore[i]:
            rule = self.rows[i].rule
            return f"{rule.sentence}; {UNPAID}" if rule else UNPAID
        if self.scored.scores.gain[i] == -np.inf:
            return self.scored.scores.reason[i]
        return TIED if 0 < self.scored.wanted[i] < 1 else CHEAPER
