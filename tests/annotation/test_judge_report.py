"""The job: what it reads, what it keeps, and that A-report is never fitted on."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from accounts.models import Project
from annotation.instances.models import Instance, Signal
from annotation.judges.models import Calibration, Judge, JudgeCall, JudgeReport
from annotation.judges.report.reading import reports
from annotation.judges.report.selectors import (
    calibration_of,
    judge_labels_since,
    newest_judge_report,
)
from annotation.judges.report.services import PANEL, measure
from annotation.judges.report.tasks import KIND, compute_judge_report
from annotation.judges.services import create_judge, set_accuracy
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion, Protocol
from annotation.projects.selectors import main_criterion, protocol_of
from annotation.quality.services import exclude
from annotation.queue.models import Assignment
from core.exceptions import Conflict
from jobs.runner import run
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """The salt decides which prompts are A-report: a fixed one makes the halves the same."""
    project = make_project()
    Protocol.objects.filter(project=project).update(salt="salt")
    return project


def says(judge: Judge, instance: Instance, p: float, criterion: Criterion | None = None) -> None:
    """A verdict as the engine writes it: the annotation, and both replies."""
    ranking = [1, 2] if p > 0.5 else [2, 1] if p < 0.5 else [1, 1]
    criterion = criterion or main_criterion(judge.project)
    make_annotation(
        instance,
        judge.annotator,
        ranking,
        criterion,
        attributes={"verdict": {"p": p, "gap": 0.1, "flipped": False}},
    )
    for order in ([0, 1], [1, 0]):
        JudgeCall.objects.create(
            judge=judge,
            instance=instance,
            criterion=criterion,
            shown_order=order,
            cache_key=f"{instance.pk}-{order[0]}",
            state="answered",
            ranking=ranking,
        )


def audited(
    project: Project, judge: Judge, count: int, *, seed: int = 0, tags: Sequence[str] = ()
) -> list[Instance]:
    """An audit arm on which the judge is far too sure of itself: it says 0.95 and is right 0.7."""
    rng = random.Random(seed)
    person = make_annotator(project, kind="import")
    found = []
    for place in range(count):
        instance = make_instance(project, prompt=f"Prompt {seed} {place // 2}?", tags=list(tags))
        Assignment.objects.create(
            instance=instance, destination="both", arm="audit", propensity=1.0
        )
        first = rng.random() < 0.5
        says(judge, instance, 0.95 if first else 0.05)
        right = rng.random() < 0.7
        make_annotation(instance, person, [1, 2] if first == right else [2, 1])
        found.append(instance)
    return found


def figures(report: JudgeReport, judge: Judge | str, place: int = 0) -> Any:
    key = judge if isinstance(judge, str) else str(judge.pk)
    return report.figures["criteria"][place]["judges"][key]


def test_the_job_keeps_report_calibration_and_signals(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    audited(project, judge, 240)
    job = compute_judge_report(project=project, by=make_user())
    assert job.kind == KIND
    with pytest.raises(Conflict):
        compute_judge_report(project=project, by=make_user())
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    report = newest_judge_report(project)
    assert report
    assert job.result == {"report": report.pk}
    row = figures(report, judge)
    assert row["labels"] == 240
    assert row["calibration"]["before"]["ece"] > 0.15
    for scope in ("calibration", "reported"):
        assert row[scope]["after"]["ece"] < row[scope]["before"]["ece"] - 0.05
        assert row[scope]["after"]["brier"] < row[scope]["before"]["brier"]
    kept = calibration_of(judge, main_criterion(project))
    assert kept
    assert (kept.method, kept.labels) == (
        row["calibration"]["method"],
        row["calibration"]["labels"],
    )
    assert kept.ece_after < kept.ece_before
    signals = Signal.objects.filter(name="judge_p_cal:critic")
    assert signals.count() == 240
    assert {round(value, 4) for value in signals.values_list("value", flat=True)} == {
        round(p, 4) for p in calibrated(kept)
    }
    assert Annotation.objects.filter(annotator=judge.annotator)[0].attributes["verdict"]["p"] in {
        0.95,
        0.05,
    }


def test_what_a_hard_verdict_is_worth_is_measured_on_a_calibrate(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    few = create_judge(project=project, name="newcomer", model="gpt-y")
    made = audited(project, judge, 240)
    for instance in made[:20]:
        says(few, instance, 0.95)
    # On the half that is reported people always say the opposite: it takes no part.
    salt = protocol_of(project).salt
    labels = Annotation.objects.filter(annotator__kind="import").select_related("instance")
    right = total = 0
    for label in labels:
        said = Annotation.objects.get(annotator=judge.annotator, instance=label.instance).ranking
        if reports(salt, label.instance.prompt_hash):
            make_annotation(label.instance, label.annotator, said[::-1], supersedes=label)
        else:
            right, total = right + (said == label.ranking), total + 1
    measure(project)
    judge.refresh_from_db()
    few.refresh_from_db()
    assert judge.accuracy == pytest.approx(right / total)
    assert few.accuracy is None
    # One that fits what is measured stays as it is; one that does not is measured anew.
    for accuracy, stays in ((right / total - 0.01, True), (0.99, False)):
        set_accuracy(judge=judge, accuracy=accuracy)
        measure(project)
        judge.refresh_from_db()
        assert (judge.accuracy == accuracy) is stays
    assert judge.accuracy == pytest.approx(right / total)


def calibrated(kept: Calibration) -> list[float]:
    from annotation.judges.report.calibration import apply

    found: list[float] = apply(kept.method, kept.knots, [0.05, 0.95]).tolist()
    return found


def test_what_people_say_on_a_report_changes_no_calibration(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    audited(project, judge, 140)
    before = figures(measure(project), judge)
    knots = Calibration.objects.latest("pk").knots
    salt = protocol_of(project).salt
    turned = 0
    for label in Annotation.objects.filter(annotator__kind="import").select_related("instance"):
        if reports(salt, label.instance.prompt_hash):
            turned_round = label.ranking[::-1]
            make_annotation(label.instance, label.annotator, turned_round, supersedes=label)
            turned += 1
    assert 35 < turned < 105
    after = figures(measure(project), judge)
    assert Calibration.objects.latest("pk").knots == knots
    assert after["calibration"] == before["calibration"]
    value, turned_value = (each["report"]["plain"]["value"] for each in (before, after))
    assert turned_value == pytest.approx(1 - value)


def test_what_people_say_on_a_calibrate_changes_no_plain_figure_of_a_report(
    project: Project,
) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    audited(project, judge, 80)
    before = figures(measure(project), judge)["report"]["plain"]
    salt = protocol_of(project).salt
    for label in Annotation.objects.filter(annotator__kind="import").select_related("instance"):
        if not reports(salt, label.instance.prompt_hash):
            make_annotation(label.instance, label.annotator, [], supersedes=label, retracted=True)
    assert figures(measure(project), judge)["report"]["plain"] == before


def test_routed_labels_are_described_and_not_inferred_from(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    person = make_annotator(project, kind="import")
    for place in range(30):
        instance = make_instance(project)
        arm = "routed" if place % 2 else "seed"
        Assignment.objects.create(instance=instance, destination="both", arm=arm, propensity=0.5)
        says(judge, instance, 0.8)
        make_annotation(instance, person, [1, 2])
    row = figures(measure(project), judge)
    assert row["all"]["verdicts"]["strict"]["labels"] == 30
    assert row["all"]["replies"]["strict"]["labels"] == 60
    assert row["report"]["plain"] is None
    assert row["calibration"]["why"] == "none"
    assert not Calibration.objects.exists()


def test_a_calibration_that_no_longer_stands_is_taken_back(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    audited(project, judge, 140)
    measure(project)
    assert Calibration.objects.exists()
    Assignment.objects.update(arm="routed")
    measure(project)
    assert not Calibration.objects.exists()
    value = Signal.objects.filter(name="judge_p_cal:critic").values_list("value", flat=True)
    assert {round(p, 4) for p in value} == {0.95, 0.05}


def test_a_domain_with_enough_labels_is_calibrated_by_itself(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    audited(project, judge, 140, tags=["domain:law"])
    row = figures(measure(project), judge)
    assert list(row["domains"]) == ["domain:law"]
    criterion = main_criterion(project)
    law = calibration_of(judge, criterion, "domain:law")
    assert law
    assert law.domain == "domain:law"
    other = calibration_of(judge, criterion, "domain:cooking")
    assert other
    assert other.domain == ""
    assert [tag["tag"] for tag in row["tags"]] == ["domain:law"]


def test_a_panel_of_judges_is_one_more_judge(project: Project) -> None:
    judges = [create_judge(project=project, name=name, model=name) for name in ("a", "b", "c")]
    person = make_annotator(project, kind="import")
    rng = random.Random(0)
    for _ in range(40):
        instance = make_instance(project)
        make_annotation(instance, person, [1, 2])
        for judge, right in zip(judges, (0.9, 0.85, 0.5), strict=True):
            says(judge, instance, 0.8 if rng.random() < right else 0.2)
    report = measure(project)
    panel = figures(report, PANEL)
    assert panel["members"] == [judge.pk for judge in judges]
    worst = figures(report, judges[2])["all"]["verdicts"]["strict"]["value"]
    assert panel["all"]["verdicts"]["strict"]["value"] > worst + 0.2
    rows = report.figures["criteria"][0]["matrix"]
    assert [row["kind"] for row in rows] == ["person", "judge", "judge", "judge", "judge"]


def test_a_judge_of_a_generators_family_is_flagged(project: Project) -> None:
    instance = make_instance(project, generators=("gpt-3.5-turbo", "llama-2-7b"))
    judge = create_judge(project=project, name="critic", model="gpt-4o")
    other = create_judge(project=project, name="other", model="claude-sonnet-4")
    says(judge, instance, 0.8)
    says(other, instance, 0.8)
    report = measure(project)
    assert figures(report, judge)["same_family"] == ["gpt-3.5-turbo"]
    assert figures(report, other)["same_family"] == []


def test_lists_are_compared_by_their_pairs(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    instance = make_instance(project, ["one", "two", "three"])
    make_annotation(instance, judge.annotator, [1, 2, 3])
    make_annotation(instance, make_annotator(project, kind="import"), [1, 3, 2])
    JudgeCall.objects.create(
        judge=judge,
        instance=instance,
        criterion=main_criterion(project),
        shown_order=[2, 0],
        cache_key="x",
        state="answered",
        # Of the completions shown, by ascending position: the first of all wins.
        ranking=[1, 2],
    )
    row = figures(measure(project), judge)
    assert (row["labels"], row["instances"]) == (3, 1)
    assert row["all"]["verdicts"]["strict"]["value"] == pytest.approx(2 / 3)
    assert row["all"]["replies"]["strict"]["labels"] == 1
    assert not Signal.objects.filter(name__startswith="judge_p_cal").exists()


def test_gold_the_excluded_and_the_retracted_count_for_nothing(project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x")
    known, plain = make_instance(project, state="gold"), make_instance(project)
    person = make_annotator(project, kind="import")
    gone = make_annotator(project, kind="import")
    for instance in (known, plain):
        says(judge, instance, 0.8)
        make_annotation(instance, person, [1, 2])
        make_annotation(instance, gone, [2, 1])
    exclude(annotator=gone, because="noise", by=make_user())
    row = figures(measure(project), judge)
    assert (row["labels"], row["all"]["verdicts"]["strict"]["value"]) == (1, 1.0)


def test_every_criterion_has_its_own_figures(project: Project) -> None:
    other = Criterion.objects.create(project=project, key="clear", name="Clear", position=1)
    judge = create_judge(project=project, name="critic", model="gpt-x")
    person = make_annotator(project, kind="import")
    instance = make_instance(project)
    says(judge, instance, 0.8)
    make_annotation(instance, person, [1, 2])
    make_annotation(instance, judge.annotator, [1, 2], other, attributes={"verdict": {"p": 0.8}})
    make_annotation(instance, person, [2, 1], other)
    report = measure(project)
    assert figures(report, judge, 0)["all"]["verdicts"]["strict"]["value"] == 1
    assert figures(report, judge, 1)["all"]["verdicts"]["strict"]["value"] == 0
    names = set(Signal.objects.values_list("name", flat=True))
    assert names == {"judge_p_cal:critic", "judge_p_cal@clear:critic"}


def test_a_project_without_judges_has_an_empty_report(project: Project) -> None:
    make_annotation(make_instance(project))
    report = measure(project)
    assert report.figures["judges"] == {}
    assert report.figures["criteria"][0]["judges"] == {}
    judge = create_judge(project=project, name="late", model="gpt-x")
    says(judge, make_instance(project), 0.9)
    assert judge_labels_since(report) == 1
