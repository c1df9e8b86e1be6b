"""Settings of live routing, and ringing for its job."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.judges.models import Judge, Stage
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from jobs import runner
from jobs.models import Job, State
from jobs.services import submit
from routing.strategies.registry import SPECS

from .fitting import FEWEST
from .loop import KIND
from .models import LiveRouting, Mode
from .options import check_options
from .setaside import give_back

# What the settings form may change.
FIELDS = (
    "mode",
    "strategy",
    "judge",
    "strong_judge",
    "per_criterion",
    "batch_size",
    "seed_size",
    "audit_share",
    "explore_share",
    "people_share",
    "human_price_micros",
    "expert_price_micros",
    "seconds_per_label",
    "refit_after",
    "options",
)
# A smaller audit arm is none: nothing could be said of what the judge labels.
LEAST_AUDIT = 0.001
# It knows the answer: for comparisons only.
NOT_LIVE = frozenset({"oracle"})


def live_of(project: Project) -> LiveRouting:
    """The project's live routing; made, and off, where there is none."""
    related = ("judge", "strong_judge", "router", "project")
    row, _created = LiveRouting.objects.select_related(*related).get_or_create(project=project)
    return row


@transaction.atomic
def change_settings(
    *, project: Project, version: int, by: User | None, **changes: Any
) -> LiveRouting:
    """Change what is named in `FIELDS`; what is not given stays.

    Raises:
        Conflict: somebody else saved since `version`.
        InvalidInput: a value is out of range, or routing is to begin without a judge.
    """
    if unknown := sorted(set(changes) - set(FIELDS)):
        raise InvalidInput(_("Live routing has no setting %(name)s.") % {"name": unknown[0]})
    live_of(project)
    row = LiveRouting.objects.select_for_update(of=("self",)).get(project=project)
    if row.version != version:
        raise Conflict(
            _("Somebody else has saved these settings meanwhile: look at them, then change yours.")
        )
    before = (row.strategy, row.judge_id, row.options)
    for name, value in changes.items():
        setattr(row, name, value)
    if (row.strategy, row.judge_id, row.options) != before:
        # Another router is due, whatever the last one was fitted on.
        row.fitted_on = 0
    _check(row)
    row.version, row.changed_by = row.version + 1, by
    row.save()
    record(
        action="live routing changed",
        actor=by,
        project=project,
        target=f"live:{row.pk}",
        **{name: str(value) for name, value in changes.items()},
    )
    if row.mode == Mode.OFF:
        give_back(project)
    else:
        ring(project, by=by)
    return row


def _check(row: LiveRouting) -> None:
    """Raises InvalidInput for what cannot be routed by."""
    if row.strategy not in SPECS or row.strategy in NOT_LIVE:
        raise InvalidInput(_("Choose one of the strategies."))
    check_options(row.strategy, row.options)
    if row.mode not in Mode.values:
        raise InvalidInput(_("Choose whether routing is off, streams or goes by batches."))
    if row.mode != Mode.OFF and row.judge is None:
        raise InvalidInput(_("Choose the judge that labels what people do not."))
    for judge in (row.judge, row.strong_judge):
        _check_judge(row, judge)
    if not LEAST_AUDIT <= row.audit_share <= 0.5:
        raise InvalidInput(_("The audit share lies between 0.1 and 50 per cent: it is never 0."))
    if not 0 <= row.explore_share <= 0.5:
        raise InvalidInput(_("The share of exploration lies between 0 and 0.5."))
    if not 0 < row.people_share <= 1:
        raise InvalidInput(_("The share of people lies above 0 and up to 1."))
    if row.seed_size < FEWEST:
        raise InvalidInput(
            _("A router is fitted on at least %(fewest)s instances: enlarge the seed.")
            % {"fewest": FEWEST}
        )
    for name in ("batch_size", "refit_after", "human_price_micros", "expert_price_micros"):
        if getattr(row, name) < 1:
            raise InvalidInput(_("Sizes and prices are above 0."))


def _check_judge(row: LiveRouting, judge: Judge | None) -> None:
    if judge is None:
        return
    if judge.project_id != row.project_id:
        raise InvalidInput(_("Choose a judge of this project."))
    if judge.stage != Stage.ACTIVE:
        raise InvalidInput(
            _("Choose a judge that is in use: drafts and retired ones label nothing.")
        )


def pause(*, project: Project, by: User | None) -> LiveRouting:
    """Route nothing more; what is being done ends with its step."""
    row = live_of(project)
    return change_settings(project=project, version=row.version, by=by, mode=Mode.OFF)


def ring(
    project: Project, *, by: User | None = None, everything: bool = False, refit: bool = False
) -> Job | None:
    """Ask for the job; None where it is queued or runs already.

    `everything`: route what waits, also if it is no full batch or routing is off; `refit`: fit
    the router anew.
    """
    asked = {"all": everything, "refit": refit}
    try:
        with transaction.atomic():
            return submit(
                kind=KIND,
                project=project,
                arguments={name: True for name, wanted in asked.items() if wanted},
                created_by=by,
                unique_key=f"{KIND}:{project.pk}",
            )
    except Conflict:
        return None


def start(*, project: Project, by: User, refit: bool = False) -> Job:
    """Route what waits now, or fit the router anew.

    Raises:
        Conflict: the job is running.
        InvalidInput: there is no judge yet.
    """
    _require_judge(live_of(project))
    job = ring(project, by=by, everything=not refit, refit=refit)
    if job is None:
        raise Conflict(_("Routing is at work already: wait until it has ended."))
    return job


def run_here(*, project: Project, everything: bool = False, refit: bool = False) -> list[Job]:
    """Do in this process what a worker would do, to its end; the jobs with their results.

    What is queued already is done first.

    Raises:
        Conflict: a worker is at it.
        InvalidInput: there is no judge yet.
    """
    _require_judge(live_of(project))
    waiting = Job.objects.filter(kind=KIND, project=project, state=State.QUEUED).first()
    done = [runner.run_queued(waiting)] if waiting is not None else []
    if done and not (everything or refit):
        return done
    job = ring(project, everything=everything, refit=refit)
    if job is None:
        raise Conflict(_("Routing is at work already: wait until it has ended."))
    return [*done, runner.run_queued(job)]


def _require_judge(row: LiveRouting) -> None:
    if row.judge is None:
        raise InvalidInput(_("Choose the judge that labels what people do not."))
