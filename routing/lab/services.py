"""Start replays, and keep the standing comparison of a live project up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, Max, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.judges.models import Judge
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.queue.models import Arm
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import ENDED
from routing.decisions.models import Decision
from routing.live.models import LiveRouting

from .contestants import contestant
from .curves import replay
from .models import Replay
from .plan import Options
from .project import dual_of, report_of
from .replay import BUDGETS, CONSENSUS, HELD_OUT, TRUTHS, Asked

KIND = "routing.replay"
MOST_SEEDS, MOST_BUDGETS = 50, 10
# The standing comparison is made again when so many labels came since.
REFRESH_AFTER = 25


@dataclass(frozen=True)
class Wanted:
    """What somebody asks of a replay; no strategy means all that the data can try."""

    judge: Judge
    criterion: Criterion | None = None
    strategies: Sequence[str] = ()
    budgets: Sequence[float] = BUDGETS
    seeds: int = 10
    truth: str = HELD_OUT
    name: str = ""


@transaction.atomic
def start_replay(*, project: Project, wanted: Wanted, by: User | None = None) -> Replay:
    """Queue a replay of everything in the project with both labels.

    Raises:
        InvalidInput: an unknown strategy, no budget or one outside 0–100 %, seeds outside 2–50.
        Conflict: one is running already.
    """
    _check(wanted)
    row = Replay.objects.create(
        project=project, name=wanted.name.strip()[:80], options=_stored(wanted), created_by=by
    )
    _queue(row, by)
    return row


@transaction.atomic
def refresh_standing(project: Project) -> Replay | None:
    """Queue the standing comparison on A-report where it is due; None where it is not.

    Due: the project routes live, and `REFRESH_AFTER` labels came on its audit arm since the last.
    """
    live = LiveRouting.objects.filter(project=project).select_related("judge", "router").first()
    judge = live.judge if live else None
    if live is None or judge is None or live.router is None:
        return None
    last = Replay.objects.select_for_update().filter(project=project, standing=True).last()
    if last and last.figures is None and last.job and last.job.state not in ENDED:
        return None
    newest, count = _labels_since(project, last)
    if count < REFRESH_AFTER:
        return None
    wanted = Wanted(judge=judge, truth=CONSENSUS, strategies=_standing_arms(live.strategy))
    row = Replay.objects.create(
        project=project, options=_stored(wanted), standing=True, newest_annotation=newest
    )
    try:
        _queue(row, None)
    except Conflict:
        row.delete()
        return None
    return row


def refresh_all() -> None:
    """The standing comparison of every project that routes live, where it is due.

    One query where none is.
    """
    last = Replay.objects.filter(project=OuterRef("project"), standing=True).order_by("-pk")
    read = Coalesce(Subquery(last.values("newest_annotation")[:1]), 0)
    live = LiveRouting.objects.filter(router__isnull=False, judge__isnull=False)
    # Most have no new label at all: that is seen at once, and asked first as it costs least.
    rows = live.annotate(read=read, newest=Subquery(_newest_label())).filter(
        Exists(_enough_labels()), newest__gt=F("read")
    )
    for each in rows.select_related("project").order_by("pk"):
        refresh_standing(each.project)


def _newest_label() -> QuerySet[Any, Any]:
    """The newest label of a project: in the order of the index its own, or else another's."""
    rows = Annotation.objects.filter(project_id__lte=OuterRef("project"))
    mine = Case(When(project_id=OuterRef("project"), then="pk"))
    return rows.order_by("-project_id", "-pk").values_list(mine)[:1]


def _enough_labels() -> QuerySet[Annotation]:
    """The last of the labels that a new comparison of a row of `LiveRouting` needs."""
    audited = Decision.objects.filter(instance=OuterRef("instance"), arm=Arm.AUDIT)
    # The project is the one of the row around it.
    new = current(OuterRef("project")).filter(  # type: ignore[arg-type]
        Exists(audited), pk__gt=OuterRef("read")
    )
    return new[REFRESH_AFTER - 1 : REFRESH_AFTER]


def run_replay(context: JobContext) -> dict[str, Any]:
    """The job: read, replay, keep the figures; tells its progress after every seed.

    Raises:
        InvalidInput, BudgetExceeded: it cannot be done with these data; says why.
    """
    row = Replay.objects.select_related("project").get(pk=context.arguments["replay"])
    options = row.options
    judge = Judge.objects.select_related("annotator").get(pk=options["judge"])
    asked = Asked(
        arms=tuple(options["strategies"]),
        budgets=tuple(options["budgets"]),
        seeds=options["seeds"],
        truth=options["truth"],
        options=_options(row.project),
    )
    if row.standing:
        dual, fitted = report_of(row.project, judge)
        replayed = replay(dual, asked, context.progress, fitted=fitted)
    else:
        dual = dual_of(row.project, judge, _criterion(row))
        replayed = replay(dual, asked, context.progress)
    row.figures = replayed.to_json()
    row.save(update_fields=["figures"])
    return {"replay": row.pk, "instances": replayed.instances}


def _options(project: Project) -> Options:
    return Options(**(vars(Asked().options) | {"salt": project.protocol.salt}))


def _criterion(row: Replay) -> Criterion | None:
    key = row.options.get("criterion")
    return row.project.criteria.get(key=key) if key else None


def _check(wanted: Wanted) -> None:
    for key in wanted.strategies:
        contestant(key)
    if not wanted.budgets or not all(0 < share <= 1 for share in wanted.budgets):
        raise InvalidInput(_("The budget is empty: give shares between 0 and 100 %."))
    if len(wanted.budgets) > MOST_BUDGETS:
        raise InvalidInput(_("Give at most %(most)s budgets.") % {"most": MOST_BUDGETS})
    if not 2 <= wanted.seeds <= MOST_SEEDS:
        raise InvalidInput(_("Give between 2 and %(most)s seeds.") % {"most": MOST_SEEDS})
    if wanted.truth not in TRUTHS:
        raise InvalidInput(_("Choose what the labels are held against."))


def _stored(wanted: Wanted) -> dict[str, Any]:
    return {
        "judge": wanted.judge.pk,
        "judge_name": wanted.judge.name,
        "criterion": wanted.criterion.key if wanted.criterion else "",
        "strategies": list(wanted.strategies),
        "budgets": sorted(set(wanted.budgets)),
        "seeds": wanted.seeds,
        "truth": wanted.truth,
    }


def _queue(row: Replay, by: User | None) -> None:
    row.job = jobs.submit(
        kind=KIND,
        project=row.project,
        arguments={"replay": row.pk},
        created_by=by,
        unique_key=f"replay:{row.project_id}:{'standing' if row.standing else 'asked'}",
    )
    row.save(update_fields=["job"])


def _standing_arms(strategy: str) -> tuple[str, ...]:
    """The strategy in use beside the combination and every signal there is."""
    known = ("all-human", "all-judge", "random", "oracle")
    mine = () if strategy in known else (strategy,)
    return tuple(dict.fromkeys((*mine, "learned", "judge-uncertainty")))


def _labels_since(project: Project, last: Replay | None) -> tuple[int, int]:
    rows = current(project).filter(
        instance__decisions__arm=Arm.AUDIT, pk__gt=last.newest_annotation if last else 0
    )
    newest = rows.aggregate(newest=Max("pk"))["newest"] or 0
    return newest, rows.values("pk").distinct().count()
