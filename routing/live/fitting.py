"""Fitting the router on what carries a human and a judge label, and when a refit is due.

Fitted on: the seed, the exploration arm, and, for strategies that set a threshold of confidence,
A-calibrate. Prompts of A-report are never seen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef

from annotation.consensus import services as consensus
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Slot, SlotState
from core.exceptions import InvalidInput
from jobs.models import Job
from routing.decisions.models import Decision, Router
from routing.decisions.people import preferred_by_people
from routing.decisions.services import save_router
from routing.features.habits import KEPT, Habits
from routing.features.table import Bools, Floats
from routing.features.taught import habits_of
from routing.predictor.report import report_of
from routing.strategies import audit, registry
from routing.strategies.problem import Problem, Seed

from .features import features_of, problem_of
from .models import LiveRouting, Stall
from .work import Work
from .writing import Stalled

# Fewer dual-labelled instances fit no router.
FEWEST = 50
# Where something has changed so many new dual labels are enough: fewer would teach the same again.
DRIFTED = 5
CALIBRATED = frozenset({"escalation", "cascade"})


@dataclass(frozen=True)
class Due:
    """Why a fit is due, with the numbers that say so; they go into the router's report."""

    trigger: str
    labelled: int
    numbers: dict[str, Any]


def needs_seed(work: Work) -> bool:
    return registry.SEED in work.needs


def dual_labelled(work: Work) -> list[int]:
    """Ids of the instances that a router may be fitted on, all their places filled."""
    arms = [Arm.SEED, Arm.EXPLORE]
    if work.live.strategy in CALIBRATED:
        arms.append(Arm.AUDIT)
    open_place = Slot.objects.filter(
        instance=OuterRef("instance"), state__in=[SlotState.OPEN, SlotState.LEASED]
    )
    judged = Annotation.objects.filter(
        instance=OuterRef("instance"),
        criterion=work.criterion,
        annotator=work.judge.annotator.pk,
    )
    rows = Decision.objects.filter(
        ~Exists(open_place),
        Exists(judged),
        project=work.project,
        arm__in=arms,
        instance__state=InstanceState.SETTLED,
    )
    kept = _not_reported(work, list(rows.values_list("instance", "arm", "instance__prompt_hash")))
    return sorted(kept)


def _not_reported(work: Work, rows: Sequence[tuple[int, str, str]]) -> set[int]:
    """Without the prompts of A-report, also where another instance of the prompt is in the seed."""
    audited = Decision.objects.filter(project=work.project, arm=Arm.AUDIT)
    prompts = sorted(set(audited.values_list("instance__prompt_hash", flat=True)))
    reported = audit.reporting(prompts, work.salt)
    report = {prompt for prompt, held in zip(prompts, reported, strict=True) if held}
    return {pk for pk, _, prompt in rows if prompt not in report}


def due(work: Work, *, asked: bool = False) -> Due | None:
    """Whether a router is to be fitted now, and why; `asked`: somebody pressed the button."""
    router = work.live.router
    if not needs_seed(work):
        if router is None:
            return Due("first", 0, {})
        changed = _changed(work, router)
        return Due("settings" if changed else "asked", 0, {}) if changed or asked else None
    labelled = len(dual_labelled(work))
    new = labelled - work.live.fitted_on
    trigger = "asked" if asked else _trigger(work, router, labelled, new)
    numbers = {"dual_labelled": labelled, "new": new, "refit_after": work.live.refit_after}
    return Due(trigger, labelled, numbers | {"drift": work.live.drift}) if trigger else None


def _trigger(work: Work, router: Router | None, labelled: int, new: int) -> str:
    """The first that applies; blank where none does."""
    if router is None:
        ready = labelled >= work.live.seed_size or not _seed_open(work)
        return "first" if ready and new > 0 else ""
    if _changed(work, router):
        # What could not be fitted is tried again when there is more to learn from.
        return "settings" if new > 0 else ""
    if new >= work.live.refit_after:
        return "labels"
    return str(work.live.drift.get("trigger", "")) if new >= DRIFTED else ""


def _changed(work: Work, router: Router) -> bool:
    """Whether the settings ask for another router than this one."""
    fitted = (router.strategy, router.judge_id, router.report.get("options", {}))
    return fitted != (work.live.strategy, work.judge.pk, work.live.options)


def _seed_open(work: Work) -> bool:
    """Whether people still owe labels of the seed, or some of it is yet to be drawn."""
    decided = Decision.objects.filter(project=work.project, arm=Arm.SEED)
    if decided.count() < work.live.seed_size:
        return True
    open_place = Slot.objects.filter(state__in=[SlotState.OPEN, SlotState.LEASED])
    return open_place.filter(instance__in=decided.values("instance")).exists()


def fit(work: Work, why: Due, job: Job) -> Router:
    """Fit the strategy and store it as the project's router from now on.

    Raises:
        Stalled: there is too little to learn from, or the strategy can learn nothing from it.
    """
    try:
        # The main criterion's comes last: it is the one that makes the others count.
        for criterion in work.criteria[:0:-1]:
            _fit_one(work, why, job, criterion)
        router = _fit_one(work, why, job, None)
    except InvalidInput as error:
        # Not again with the same labels. What waits for features is tried with them.
        _note_fitted(work, why)
        raise Stalled(Stall.FIT, f"No router can be fitted: {error.message}"[:300]) from error
    LiveRouting.objects.filter(pk=work.live.pk).update(router=router, drift={})
    _note_fitted(work, why)
    return router


def _note_fitted(work: Work, why: Due) -> None:
    """Unless the settings have changed meanwhile: then another router is due anyway."""
    row = LiveRouting.objects.filter(pk=work.live.pk, version=work.live.version)
    row.update(fitted_on=why.labelled)


def _fit_one(work: Work, why: Due, job: Job, criterion: Criterion | None) -> Router:
    """A router that speaks of one criterion; None: of the main one."""
    about = criterion or work.criterion
    habits = habits_of(work.project, work.judge, about) if registry.SIDES in work.needs else None
    seed = seed_of(work, about, habits) if needs_seed(work) else None
    fitted = registry.fit(work.live.strategy, seed, options_of(work))
    return save_router(
        project=work.project,
        strategy=work.live.strategy,
        parameters=dict(fitted.to_json()) | ({KEPT: habits.to_json()} if habits else {}),
        report=report_of(fitted, seed) | {"why": asdict(why), "options": work.live.options},
        dual_labelled=len(seed) if seed else 0,
        judge=work.judge,
        criterion=criterion,
        extractors=features_of(work, []).extractors,
        job=job,
    )


def options_of(work: Work) -> dict[str, Any]:
    """What the fit is told; a strategy that draws gets the project's salt."""
    options = dict(work.live.options)
    return {"salt": work.salt} | options if work.live.strategy == "random" else options


def seed_of(work: Work, criterion: Criterion, habits: Habits | None = None) -> Seed:
    """What the router of a criterion is fitted on; with `habits` it reads what takes a side too.

    Raises:
        InvalidInput: fewer than 50 instances carry both labels.
    """
    ids = dual_labelled(work)
    consensus.update(project=work.project, instance_ids=ids)
    table = features_of(work, ids, criterion, habits)
    human = preferred_by_people(criterion, table.ids.tolist())
    both = ~(np.isnan(human) | np.isnan(table.judge))
    if both.sum() < FEWEST:
        raise InvalidInput(
            f"{int(both.sum())} instances carry a human and a judge label; a router takes at "
            f"least {FEWEST}: label more of the seed."
        )
    rows = work.rows(Instance.objects.filter(pk__in=ids).order_by("pk"))
    return _seed(problem_of(work, table, rows), table.prompts, human, table.judge, both)


def _seed(
    problem: Problem, prompts: Sequence[str], human: Floats, judge: Floats, both: Bools
) -> Seed:
    kept = problem.take(both)
    return Seed(
        problem=kept,
        prompts=tuple(prompt for prompt, here in zip(prompts, both, strict=True) if here),
        human=human[both],
        judge=judge[both],
        differences=kept.differences,
    )
