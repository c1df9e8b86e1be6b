"""From a project's rows to the sheet: who is open, what is learned from, and by which router."""

from pathlib import Path

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project
from annotation.consensus import services as consensus
from annotation.instances.models import Instance, InstanceState, Signal
from annotation.judges.models import Judge
from annotation.judges.verdicts import signal_name
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Arm, Destination
from core.exceptions import Conflict, InvalidInput, NotFound
from jobs.runner import run_queued
from routing.decisions.models import Router
from routing.decisions.services import Choice, decide, save_router
from routing.features.store import text_features
from routing.frontier import explanation
from routing.frontier.behind import behind, decision_counts
from routing.frontier.labelled import JUDGED, OPEN, candidates, dual_labelled
from routing.frontier.preparing import prepare
from routing.frontier.selectors import router_in_use, sheet_of
from routing.frontier.services import prepare_frontier
from routing.frontier.sheet import LABELS, MODEL
from routing.predictor.report import report_of
from routing.strategies import audit, registry
from tests.factories import make_annotation, make_annotator, make_instance, make_project
from tests.routing.planted import seed

pytestmark = pytest.mark.django_db

DUAL, WAITING = 60, 40


@pytest.fixture
def project(settings: Settings, tmp_path: Path) -> Project:
    settings.MEDIA_ROOT = tmp_path
    return make_project("Frontier")


@pytest.fixture
def judge(project: Project) -> Judge:
    found = Judge.objects.create(project=project, name="bot", model="bot", stage="active")
    make_annotator(project, "bot", kind="judge", judge=found, price_micros=10_000)
    return found


def fill(project: Project, judge: Judge) -> list[Instance]:
    """Dual-labelled seed instances and open ones; the judge errs where it is unsure."""
    rng = np.random.default_rng(0)
    person, name = make_annotator(project, "alice"), signal_name("judge_p", judge)
    rows, choices = [], []
    for number in range(DUAL + WAITING):
        prompt = f"prompt {number} " + "long " * int(rng.integers(1, 60))
        row = make_instance(project, prompt=prompt, tags=[f"domain:{number % 2}"])
        rows.append(row)
        sure = rng.random() < 0.6
        Signal.objects.create(instance=row, name=name, value=0.95 if sure else 0.6)
        if number < DUAL:
            first = sure or rng.random() < 0.4
            make_annotation(row, person, ranking=[1, 2] if first else [2, 1])
            choices.append(Choice(row.pk, Destination.BOTH, Arm.SEED, 1.0, "seed", 310_000))
    decide(project=project, choices=choices, open_slots=False)
    text_features({row.pk: (f"prompt {row.pk}", ("a b c", "d e")) for row in rows})
    consensus.update(project=project)
    return rows


def fitted(project: Project, judge: Judge, key: str) -> Router:
    """A router of planted instances, so that it needs no encoder."""
    known = seed(120)
    strategy = registry.fit(key, known, {})
    return save_router(
        project=project,
        strategy=key,
        parameters=dict(strategy.to_json()),
        report=report_of(strategy, known),
        dual_labelled=len(known),
        judge=judge,
    )


def test_the_dual_labelled_are_not_open_and_the_report_half_is_never_learned_from(
    project: Project, judge: Judge
) -> None:
    rows = fill(project, judge)
    kind, found = candidates(project)
    assert kind == OPEN
    assert set(found) == set(rows[DUAL:])
    dual = dual_labelled(project, judge, main_criterion(project))
    assert len(dual) == DUAL
    assert not dual.fresh.any()
    project.decisions.update(arm=Arm.AUDIT)
    for row in project.instances.filter(assignment__isnull=False):
        row.assignment.arm = Arm.AUDIT
        row.assignment.save()
    calibrating = dual_labelled(project, judge, main_criterion(project))
    assert 0 < len(calibrating) < DUAL
    assert not audit.reporting(calibrating.prompts, project.protocol.salt).any()


def test_where_nothing_waits_the_judged_ones_are_shown(project: Project, judge: Judge) -> None:
    rows = fill(project, judge)
    open_ids = [row.pk for row in rows[DUAL:]]
    project.instances.filter(pk__in=open_ids).update(state=InstanceState.SETTLED)
    kind, found = candidates(project)
    assert kind == JUDGED
    assert sorted(row.pk for row in found) == open_ids


@pytest.mark.parametrize(
    ("key", "kind"), [("hyper-linear", MODEL), ("learned-error", LABELS), ("random", LABELS)]
)
def test_a_sheet_has_every_line_and_the_audit_arm_first(
    key: str, kind: str, project: Project, judge: Judge
) -> None:
    rows = fill(project, judge)
    router = fitted(project, judge, key)
    made = prepare(project, router)
    lines = {line.key for line in made.lines}
    assert made.kind == kind
    assert len(made) == WAITING
    keys = [row.external_id for row in rows[DUAL:]]
    assert made.audit == audit.draw(keys, project.protocol.salt).sum() > 0
    assert {"ours", "random", "judge-uncertainty"} <= lines
    assert ("oracle" in lines) == (kind == LABELS)
    assert made.groups["domain"].words == ("0", "1")
    assert np.isfinite(made.ours.value).all()
    assert made.ours.at[-1] == WAITING


def test_the_random_mix_of_a_linear_predictor_is_a_straight_line(
    project: Project, judge: Judge
) -> None:
    fill(project, judge)
    made = prepare(project, fitted(project, judge, "hyper-linear"))
    drawn = next(line for line in made.lines if line.key == "random")
    rest = drawn.at >= made.audit
    slope = np.diff(drawn.value[rest]) / np.diff(drawn.at[rest])
    assert np.allclose(slope, slope[0])
    # Everything to people is the same whatever came first.
    assert drawn.value[-1] == pytest.approx(made.ours.value[-1])


def test_too_few_dual_labelled_say_nothing_of_the_judge(project: Project, judge: Judge) -> None:
    make_instance(project)
    router = fitted(project, judge, "learned-error")
    with pytest.raises(InvalidInput, match="Fewer than 20"):
        prepare(project, router)


def test_the_job_writes_the_sheet_of_the_router_in_use(project: Project, judge: Judge) -> None:
    with pytest.raises(InvalidInput):
        prepare_frontier(project=project)
    fill(project, judge)
    old = fitted(project, judge, "learned-error")
    job = run_queued(prepare_frontier(project=project))
    assert job.state == "succeeded", job.error
    assert sheet_of(old) is not None
    new = fitted(project, judge, "hyper-linear")
    assert router_in_use(project) == new
    waiting = prepare_frontier(project=project)
    with pytest.raises(Conflict):
        prepare_frontier(project=project)
    assert run_queued(waiting).state == "succeeded"
    found = sheet_of(new)
    assert found is not None
    assert found.facts["version"] == new.version
    assert sheet_of(old) is None


def test_a_job_with_nothing_open_fails_with_the_reason(project: Project, judge: Judge) -> None:
    fitted(project, judge, "learned-error")
    job = run_queued(prepare_frontier(project=project))
    assert job.state == "failed"
    assert "Nothing waits" in job.error


def test_behind_a_column_are_the_dual_labelled_that_have_it(project: Project, judge: Judge) -> None:
    fill(project, judge)
    router = fitted(project, judge, "learned-error")
    effects = explanation.effects_of(router)
    found, count = behind(project, router, effects[0].column)
    assert count == len(found)
    apart = [abs(row.human - row.judge) for row in found]
    assert apart == sorted(apart, reverse=True)
    with pytest.raises(NotFound):
        behind(project, router, "no such column")


def test_what_changed_between_versions(project: Project, judge: Judge) -> None:
    def router(rows: dict[str, tuple[float, float, float]], **report: object) -> Router:
        table = [
            {"column": name, "contrast": value, "low": low, "high": high, "instances": 9}
            for name, (value, low, high) in rows.items()
        ]
        return save_router(
            project=project,
            strategy="hyper-linear",
            parameters={},
            report={"explanation": table} | report,
            dual_labelled=100,
        )

    before = router({"a": (1, 0.5, 1.5), "b": (1, 0, 2), "old": (0, 0, 0)}, spearman=0.2)
    now = router({"a": (3, 2.5, 3.5), "b": (1.5, 1, 2), "new": (1, 0, 2)}, spearman=0.4)
    found = {(row.kind, row.column) for row in explanation.changes(now, before)}
    assert found == {("moved", "a"), ("new", "new"), ("gone", "old")}
    figures = {row.name: (row.before, row.now) for row in explanation.figure_changes(now, before)}
    assert figures == {"dual_labelled": (100, 100), "spearman": (0.2, 0.4)}
    assert explanation.changes(before, None) == []


def test_decisions_are_counted_by_router_and_destination(project: Project, judge: Judge) -> None:
    router = fitted(project, judge, "random")
    rows = [make_instance(project) for _ in range(3)]
    sent = [Destination.HUMAN, Destination.JUDGE, Destination.JUDGE]
    choices = [
        Choice(row.pk, to, Arm.ROUTED, 0.5, "because", 1)
        for row, to in zip(rows, sent, strict=True)
    ]
    decide(project=project, choices=choices, router=router, open_slots=False)
    assert decision_counts(project) == {router.pk: {"human": 1, "judge": 2}}
