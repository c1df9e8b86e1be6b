"""Computing a project's judge report, and keeping what it learned: calibrations and signals."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from typing import Any

import numpy as np
from django.db import transaction

from accounts.models import Project
from annotation.consensus.services import method_of
from annotation.instances.models import Signal
from annotation.judges.families import family_of, shared_family
from annotation.judges.models import Calibration, Judge, JudgeReport, JudgeRun, Stage
from annotation.judges.services import set_accuracy
from annotation.judges.verdicts import signal_name
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion, Guideline
from annotation.projects.selectors import criteria_of
from annotation.quality.em import MODELS, ONE_COIN
from annotation.quality.figures import clean
from jobs.models import Job

from .calibration import IDENTITY, Fitted
from .combining import combine
from .figures import Calibrations, accuracy, calibrate, figures_of, matrix_of, panel_of
from .reading import Scene, scene_of
from .scopes import among_people, longest
from .units import Unit, plurality, side_of

PANEL = "panel"
BATCH = 1000
Progress = Callable[[int, int], object]
Json = dict[str, Any]


def measure(
    project: Project, job: Job | None = None, progress: Progress | None = None
) -> JudgeReport:
    """Compute and keep the report of all judges on all criteria; `progress(done, total)`.

    Calibrations are fitted on A-calibrate and kept with it; P(canonical first) of every pair is
    then written calibrated, as the signal `judge_p_cal:<judge>`, beside the raw one. What a hard
    verdict of a judge is worth is measured there too.
    """
    judges = list(
        Judge.objects.filter(project=project, annotator__isnull=False)
        .select_related("annotator", "prompt")
        .order_by("name")
    )
    criteria = criteria_of(project)
    steps = count(1)
    total = len(criteria) * (len(judges) + 1)

    def step() -> None:
        if progress:
            progress(min(next(steps), total), total)

    found, said = [], defaultdict[int, list[Unit]](list)
    by_criterion: dict[int, dict[str, Sequence[Unit]]] = defaultdict(dict)
    for place, criterion in enumerate(criteria):
        scene = scene_of(project, criterion, judges)
        found.append(_criterion(project, criterion, judges, scene, step, main=place == 0))
        for pk, units in scene.units.items():
            said[pk] += units
            by_criterion[pk][criterion.name] = units
    for pk, mine in by_criterion.items():
        found[0]["judges"].get(str(pk), {})["combined"] = _combined(mine)
    for judge in judges:
        learn_accuracy(judge, said[judge.pk])
    figures = {
        "judges": {str(judge.pk): _named(judge) for judge in judges},
        "criteria": found,
        "labels": sum(row["labels"] for row in found),
    }
    return JudgeReport.objects.create(project=project, job=job, figures=figures)


def learn_accuracy(judge: Judge, units: Sequence[Unit]) -> None:
    """What a hard verdict is worth from now on, over all criteria.

    An accuracy that lies within the interval of what is measured now stays, so that verdicts do
    not change with every label. Without enough labels nothing changes.
    """
    found = accuracy(units)
    if found is None:
        return
    if judge.accuracy is None or not found.low <= judge.accuracy <= found.high:
        set_accuracy(judge=judge, accuracy=found.value)


def _combined(units: Mapping[str, Sequence[Unit]]) -> Json | None:
    """People's choice on the first criterion from what the judge says of each; none of A-report."""
    first = next(iter(units.values()))
    known = [each for each in first if each.plurality and not each.reporting]
    columns = [{(u.instance, u.places): 2 * u.p - 1 for u in mine} for mine in units.values()]
    both = [u for u in known if all((u.instance, u.places) in column for column in columns)]
    said = np.array([[column[u.instance, u.places] for column in columns] for u in both])
    chosen = np.array([u.plurality for u in both], dtype=np.float64)
    return clean(combine(list(units), said, chosen, [u.prompt for u in both]))  # type: ignore[no-any-return]


def _named(judge: Judge) -> Json:
    return {
        "name": judge.name,
        "model": judge.model,
        "family": judge.family or family_of(judge.model),
        "prompt": f"{judge.prompt.name} {judge.prompt.version}"
        if judge.prompt
        else judge.prompt_version,
        "version": judge.version,
        "replaces": judge.replaces_id,
        "stage": judge.stage,
    }


def _criterion(
    project: Project,
    criterion: Criterion,
    judges: Sequence[Judge],
    scene: Scene,
    step: Callable[[], None],
    *,
    main: bool,
) -> Json:
    known = {judge.pk: judge for judge in judges}
    runs = JudgeRun.objects.filter(project=project).values_list("pk", flat=True)
    names: dict[str, dict[int, Any]] = {
        "runs": {pk: f"#{pk}" for pk in runs},
        "guidelines": dict(Guideline.objects.filter(project=project).values_list("pk", "version")),
    }
    rows: dict[str, Json] = {}
    for pk, units in scene.units.items():
        judge = known[pk]
        calibrations = calibrate(units)
        keep(judge, criterion, calibrations)
        name = signal_name("judge_p_cal", judge, None if main else criterion)
        _write_signals(name, judge, units, calibrations.apply(units))
        rows[str(pk)] = _figures(scene, units, calibrations, judge, names)
        step()
    active = {pk: mine for pk, mine in scene.units.items() if known[pk].stage == Stage.ACTIVE}
    method = chosen if (chosen := method_of(project)) in MODELS else ONE_COIN
    panel = panel_of(active, method)
    if panel:
        rows[PANEL] = _figures(scene, panel, calibrate(panel), None, names)
        rows[PANEL]["members"] = sorted(active)
        rows[PANEL]["method"] = method
    step()
    columns = {str(pk): mine for pk, mine in scene.units.items()}
    matrix = matrix_of(columns | ({PANEL: panel} if panel else {}), scene.people)
    return {
        "key": criterion.key,
        "name": criterion.name,
        "people": _people(scene),
        "judges": rows,
        "matrix": matrix,
        "pseudonyms": _pseudonyms(matrix),
        "labels": sum(len(mine) for mine in scene.units.values()),
    }


def _people(scene: Scene) -> Json:
    """People among themselves on everything they labelled, and how often the longer one wins."""
    rows = [
        (
            scene.about[instance].prompt,
            scene.about[instance].between(places),
            plurality([side_of(share) for _, share in given]),
        )
        for (instance, places), given in scene.people.items()
    ]
    found: Json = clean(
        {
            **among_people([[share for _, share in given] for given in scene.people.values()]),
            "longest": longest(rows),
        }
    )
    return found


def _pseudonyms(matrix: Sequence[Json]) -> dict[str, str]:
    people = [row["who"] for row in matrix if row["kind"] == "person"]
    rows = Annotator.objects.filter(pk__in=people)
    return {str(pk): name for pk, name in rows.values_list("pk", "pseudonym")}


def _figures(
    scene: Scene,
    units: Sequence[Unit],
    calibrations: Calibrations,
    judge: Judge | None,
    names: Mapping[str, Mapping[int, Any]],
) -> Json:
    family = (judge.family or family_of(judge.model)) if judge else ""
    found = figures_of(
        units,
        calibrations,
        family=family.lower(),
        coverage=scene.coverage(units),
        runs=names["runs"],
        guidelines={pk: str(version) for pk, version in names["guidelines"].items()},
    )
    own = shared_family(judge.model, judge.family, scene.generators) if judge else []
    return {**found, "family": family, "same_family": own[:20], "same_family_count": len(own)}


@transaction.atomic
def keep(judge: Judge, criterion: Criterion, calibrations: Calibrations) -> None:
    """Store what was fitted, over all instances and per domain; nothing where nothing was.

    An older calibration that would not be fitted any more is taken back.
    """
    fitted = {"": calibrations.overall, **calibrations.domains}
    rows = [
        _row(judge, criterion, domain, each)
        for domain, each in fitted.items()
        if each.method != IDENTITY
    ]
    gone = Calibration.objects.filter(judge=judge, criterion=criterion)
    gone.exclude(domain__in=[row.domain for row in rows]).delete()
    Calibration.objects.bulk_create(rows)


def _row(judge: Judge, criterion: Criterion, domain: str, fitted: Fitted) -> Calibration:
    assert fitted.before is not None and fitted.after is not None  # noqa: S101, PT018 - fitted
    return Calibration(
        judge=judge,
        criterion=criterion,
        domain=domain,
        method=fitted.method,
        knots=fitted.knots,
        labels=fitted.labels,
        prompts=fitted.prompts,
        ece_before=fitted.before.ece,
        ece_after=fitted.after.ece,
        curve={
            "before": [[b.confidence, b.right, b.labels] for b in fitted.before_bins],
            "after": [[b.confidence, b.right, b.labels] for b in fitted.after_bins],
            "brier": [asdict(fitted.before)["brier"], asdict(fitted.after)["brier"]],
        },
    )


def _write_signals(
    name: str, judge: Judge, units: Sequence[Unit], calibrated: Sequence[float]
) -> None:
    """P(canonical first), calibrated, of pairs; lists have no one P."""
    lists = {unit.instance for unit in units if unit.places != (0, 1)}
    signals = [
        Signal(
            instance_id=unit.instance,
            name=name,
            version=judge.prompt_version,
            value=p,
        )
        for unit, p in zip(units, calibrated, strict=True)
        if unit.instance not in lists
    ]
    Signal.objects.bulk_create(
        signals,
        update_conflicts=True,
        unique_fields=["instance", "name", "version"],
        update_fields=["value"],
        batch_size=BATCH,
    )
