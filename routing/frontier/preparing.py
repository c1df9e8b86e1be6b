"""Scoring the open instances once for a router, so that the frontier is drawn without a model."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.utils import timezone

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.projects.selectors import main_criterion
from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.decisions.models import Router
from routing.features.habits import Habits
from routing.features.project import ProjectTable, feature_table
from routing.features.table import Bools, FeatureTable, Floats, Ints
from routing.live.features import with_tiers
from routing.live.models import LiveRouting
from routing.live.work import Row, Work
from routing.predictor import proxy
from routing.predictor.gains import with_mean_bins
from routing.strategies import audit, registry
from routing.strategies.hyper import HyperRouter
from routing.strategies.hyper_seed import cross_accuracy, halves
from routing.strategies.judge_uncertainty import SIGNALS, JudgeUncertainty
from routing.strategies.learned_error import disagrees
from routing.strategies.problem import Problem, Scores, Seed, Strategy
from routing.strategies.selecting import Selecting, select

from .curve import Line, buying_order, grid, grouped
from .ends import (
    OURS,
    UNCERTAINTY,
    Known,
    Pool,
    facts_of,
    label_lines,
    measured_oracle,
    model_lines,
)
from .labelled import Dual, candidates, dual_labelled, judge_beside
from .sheet import LABELS, MODEL, Sheet

MICROS = 1_000_000
TAGS = ("domain", "complexity", "safety")
# Fewer dual-labelled instances say nothing about how often the judge is wrong.
FEWEST_DUAL = 20
# Those that no router has seen are used alone from so many on.
ENOUGH_FRESH = 50
STEPS = 20


@dataclass(frozen=True, eq=False)
class Scoring:
    """One router, and the instances it is asked about."""

    project: Project
    row: Router

    @cached_property
    def live(self) -> LiveRouting:
        """The settings of live routing; where there are none, what they would begin with."""
        known = LiveRouting.objects.filter(project=self.project).select_related("judge").first()
        return known or LiveRouting(project=self.project)

    @cached_property
    def router(self) -> Strategy:
        return registry.load(self.row.parameters)

    @cached_property
    def judge(self) -> Judge | None:
        return judge_beside(self.project, self.row, self.live)

    @cached_property
    def salt(self) -> str:
        return str(self.project.protocol.salt)

    @cached_property
    def asked(self) -> tuple[str, list[Row]]:
        kind, instances = candidates(self.project)
        rows = Work(self.live).rows(instances)
        if not rows:
            raise InvalidInput("Nothing waits: every instance has a label of people.")
        return kind, rows

    @cached_property
    def table(self) -> ProjectTable:
        return self.features([row.pk for row in self.asked[1]], embeddings=self.embeds)

    def features(self, ids: list[int] | tuple[int, ...], embeddings: bool = False) -> ProjectTable:
        return feature_table(
            self.project,
            ids,
            judge=self.judge,
            criterion=self.row.criterion,
            embeddings=embeddings,
            habits=self.habits,
        )

    @cached_property
    def habits(self) -> Habits | None:
        """What the judges' habits were when the router was fitted, where it reads them."""
        return Habits.kept_in(self.row.parameters)

    @property
    def embeds(self) -> bool:
        """Whether scoring reads embeddings; HyPER reads them in its fit only."""
        reads = registry.EMBEDDINGS in registry.needed_by(self.row.parameters)
        return reads and not isinstance(self.router, HyperRouter)

    @cached_property
    def problem(self) -> Problem:
        cost = np.array([row.cost / MICROS for row in self.asked[1]])
        table = self.table
        return self.problem_of(table, cost)

    def problem_of(self, table: ProjectTable, cost: Floats) -> Problem:
        """The table as strategies read it, with what stronger judges and programs said."""
        D = None if table.differences is None else np.nan_to_num(table.differences)
        return Problem(
            table.keys,
            with_tiers(Work(self.live), table),
            cost,
            table.judge,
            None if D is None else D.astype(np.float64),
        )

    @cached_property
    def dual(self) -> Dual | None:
        """None where too few are labelled by people and the judge."""
        if self.judge is None:
            return None
        criterion = self.row.criterion or main_criterion(self.project)
        found = dual_labelled(self.project, self.judge, criterion)
        return found if len(found) >= FEWEST_DUAL else None

    @cached_property
    def calibrating(self) -> Bools:
        """(m,) the dual-labelled instances that say how often the judge is wrong."""
        dual = self.dual
        if dual is None:
            return np.zeros(0, dtype=bool)
        decided = np.asarray(dual.human != 0.5)
        fresh = decided & dual.fresh
        return fresh if fresh.sum() >= ENOUGH_FRESH else decided


def prepare(project: Project, row: Router) -> Sheet:
    """Score the open instances with the router, and draw every line of the picture.

    Raises:
        InvalidInput: nothing is open, or the router's lines cannot be estimated.
    """
    work = Scoring(project, row)
    kind, rows = work.asked
    audited = audit.draw([r.key for r in rows], work.salt, work.live.audit_share)
    pool = Pool(audited, grid(len(rows), int(audited.sum())))
    scores = {OURS: work.router.score(work.problem)}
    if _unsure(work.table.table) and row.strategy != UNCERTAINTY:
        scores[UNCERTAINTY] = JudgeUncertainty().score(work.problem)
    orders = {key: _order(work, key, found, pool) for key, found in scores.items()}
    is_model = isinstance(work.router, HyperRouter)
    lines = _model(work, pool, orders) if is_model else _labels(work, pool, scores, orders)
    bought = orders[OURS]
    return Sheet(
        kind=MODEL if is_model else LABELS,
        audit=int(audited.sum()),
        money=np.array([r.cost for r in rows], dtype=np.int64)[bought],
        labels=np.array([r.places for r in rows], dtype=np.int64)[bought],
        lines=tuple(lines),
        groups={
            name: grouped(given, bought)
            for name in TAGS
            if (given := work.table.table.categories.get(name))
        },
        facts=_facts(work, kind, scores[OURS]),
    )


def _unsure(table: FeatureTable) -> bool:
    """Whether the judge has said something of most instances."""
    known = [table.column(name) for name in SIGNALS]
    return any(column is not None and np.isfinite(column).mean() > 0.5 for column in known)


def _order(work: Scoring, key: str, found: Scores, pool: Pool) -> Ints:
    """The audit arm first, then as the strategy buys: the best for the money, or its own choice."""
    keys = work.problem.keys
    ties = np.array([unit_interval(work.salt, "tie", each) for each in keys])
    if key != OURS or not isinstance(work.router, Selecting):
        return buying_order(found.gain, found.cost, pool.audited, ties)
    # What a smaller budget buys comes before what only a larger one does.
    turn = np.full(len(keys), STEPS + 1)
    whole = float(found.cost[~pool.audited].sum())
    for step in range(STEPS, 0, -1):
        chosen = select(
            work.router,
            work.problem,
            found,
            whole * step / STEPS,
            salt=work.salt,
            closed=pool.audited,
        )
        turn[chosen] = step
    return np.lexsort((ties, -found.gain, turn, ~pool.audited))


def _model(work: Scoring, pool: Pool, orders: dict[str, Ints]) -> list[Line]:
    router = work.router
    assert isinstance(router, HyperRouter)  # noqa: S101 - narrows the type
    one_hot = router.binning.one_hot(work.table.table)
    # As the gains read them: an unknown value counts as the mean bin of its feature.
    columns = with_mean_bins(one_hot, router.binning.groups)
    lines = model_lines(router, columns, pool, orders)
    oracle = _oracle(work, pool)
    return [*lines, *([oracle] if oracle else [])]


def _oracle(work: Scoring, pool: Pool) -> Line | None:
    """Measured by proxies on the dual-labelled instances; None without embeddings of them."""
    dual = work.dual
    if dual is None:
        return None
    table = work.features(dual.ids, embeddings=True)
    if table.differences is None:
        return None
    known: Bools = np.asarray(np.isfinite(table.differences).all(axis=1))
    if known.sum() < FEWEST_DUAL:
        return None
    prompts = tuple(p for p, has in zip(dual.prompts, known, strict=True) if has)
    problem = work.problem_of(table, np.ones(len(table))).take(known)
    D = problem.differences
    assert D is not None  # noqa: S101 - narrows the type
    seed = Seed(problem, prompts, dual.human[known], dual.judge[known], D)
    half = halves(prompts, "frontier")

    def accuracy(labels: Floats) -> Floats:
        return cross_accuracy(D, labels, seed.human, half, proxy.RIDGE)

    return measured_oracle(seed, accuracy, pool)


def _labels(
    work: Scoring, pool: Pool, scores: dict[str, Scores], orders: dict[str, Ints]
) -> list[Line]:
    dual = work.dual
    if dual is None:
        raise InvalidInput(
            f"Fewer than {FEWEST_DUAL} instances are labelled by people and the judge: how often "
            "the judge is wrong cannot be told yet."
        )
    decided = work.calibrating
    table = work.features(dual.ids, embeddings=work.embeds)
    problem = work.problem_of(table, np.ones(len(table))).take(decided)
    seen = {OURS: work.router.score(problem).gain}
    if UNCERTAINTY in scores:
        seen[UNCERTAINTY] = JudgeUncertainty().score(problem).gain
    known = Known(
        {key: _finite(gain) for key, gain in seen.items()},
        disagrees(dual.human, dual.judge)[decided].astype(np.float64),
        tuple(p for p, has in zip(dual.prompts, decided, strict=True) if has),
    )
    return label_lines({k: _finite(s.gain) for k, s in scores.items()}, known, pool, orders)


def _finite(gain: Floats) -> Floats:
    """What is never bought comes after everything."""
    return np.where(gain == -np.inf, gain[gain > -np.inf].min(initial=0.0) - 1.0, gain)


def _facts(work: Scoring, kind: str, found: Scores) -> dict[str, Any]:
    dual = work.dual
    price = work.judge.annotator.price_micros if work.judge else 0
    return {
        "router": work.row.pk,
        "version": work.row.version,
        "strategy": work.row.strategy,
        "population": kind,
        "newest": max(row.pk for row in work.asked[1]),
        "prepared": timezone.now().isoformat(),
        "judge": work.judge.name if work.judge else "",
        "judge_price": price,
        "reads_judge": bool(work.router.reads_judge),
        "never": int((found.gain == -np.inf).sum()),
        "dual": len(dual) if dual else 0,
        "used": int(work.calibrating.sum()),
        "unseen": bool(dual is not None and dual.fresh[work.calibrating].all()),
        "missing": work.table.missing,
        **facts_of(work.router),
    }
