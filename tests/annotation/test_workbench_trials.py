"""A prompt tried where people have labelled, compared with another, and promoted."""

import pytest

from annotation.datasets.models import Snapshot
from annotation.judges.models import CallState, Judge, JudgeCall, Prompt, Stage
from annotation.judges.prompting import create_prompt, new_version
from annotation.judges.workbench.comparing import difference
from annotation.judges.workbench.forecasting import of_trial
from annotation.judges.workbench.people import draw
from annotation.judges.workbench.promoting import consequences_of, promote
from annotation.judges.workbench.results import disagreements, instances_of, trial_result
from annotation.judges.workbench.trials import Trial, try_prompt
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Arm, Assignment, Destination
from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from core.hashing import unit_interval
from frontend.workbench.fields import values_of
from frontend.workbench.preview import preview_of
from tests.annotation.chat_server import serving
from tests.annotation.workbench_scene import (
    follows_the_prompt,
    make_pairs,
    make_scene,
    trial_of,
)
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def test_a_trial_measures_and_labels_nothing() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url)
        prompt = create_prompt(project=project, name="kind", rubric="- be polite")
        trial = Trial(prompt, judge, main_criterion(project), 12, budget)
        told = of_trial(trial)
        assert not Judge.objects.filter(stage=Stage.DRAFT).exists()
        run = trial_of(try_prompt(trial=trial, by=None))
        before = len(server.bodies)
        after = of_trial(trial)
        again = trial_of(try_prompt(trial=trial, by=None))
    assert (run.state, run.judge.stage, run.judge.replaces) == ("finished", "draft", judge)
    result = trial_result(run)
    assert (result.instances, result.answered, result.calls) == (12, 12, 24)
    assert result.figures.agreement is not None
    assert result.figures.agreement.value == 1
    assert result.figures.flips is not None
    assert result.figures.flips.value == 0
    assert disagreements(result) == []
    assert (told.instances, told.calls, told.stored) == (12, 24, 0)
    assert result.cost_micros <= told.most_micros
    assert 0 < told.expected_micros < told.most_micros
    assert (after.calls, after.stored, after.most_micros) == (0, 24, 0)
    assert result.cost_micros == run.spent_micros == state(budget).settled > 0
    assert not Annotation.objects.filter(annotator__judge__isnull=False).exists()
    # The same prompt and model again: the same draft, and nothing is bought.
    assert again.judge == run.judge
    assert before == len(server.bodies) == 24


def test_disagreements_hold_both_reasons() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 8)
        prompt = create_prompt(project=project, name="plain", instructions="Think.")
        trial = Trial(prompt, judge, main_criterion(project), 8, budget)
        run = trial_of(try_prompt(trial=trial, by=None))
    result = trial_result(run)
    # It takes the longer one, which is the polite one of half of the pairs.
    assert result.figures.agreement is not None
    assert result.figures.agreement.value == 0.5
    found = disagreements(result)
    assert len(found) == 4
    first = found[0]
    assert first.kind in {"01", "10"}
    assert [label.rationale[:15] for label in first.labels] == ["It is kinder, s"] * 2
    assert all(call.rationale == "It reads better in every way." for call in first.calls)
    assert {first.people_position, first.judge_position} == {0, 1}


def test_versions_are_compared_on_the_same_instances() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url)
        criterion = main_criterion(project)
        first = create_prompt(project=project, name="kind", instructions="backwards")
        second = new_version(prompt=first, rubric="- be polite", instructions="Think.")
        runs = [
            trial_of(try_prompt(trial=Trial(each, judge, criterion, 20, budget), by=None))
            for each in (first, second)
        ]
    results = [trial_result(run) for run in runs]
    assert instances_of(runs[0]) == instances_of(runs[1])
    # Whatever stands first: the orders cancel out to a tie each time.
    assert results[0].figures.flips is not None
    assert results[0].figures.flips.value == 1
    found = difference(results[0].people, results[0].said, results[1].said)
    assert found is not None
    assert (found.units, found.value, found.only_second) == (20, 0.5, 20)
    assert found.low > 0
    assert found.p < 0.001


def test_promoting_labels_from_what_was_said() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 10)
        prompt = create_prompt(project=project, name="kind", rubric="- be polite")
        trial = Trial(prompt, judge, main_criterion(project), 10, budget)
        run = trial_of(try_prompt(trial=trial, by=None))
        told = consequences_of(run.judge)
        made = promote(judge=run.judge, by=project.memberships.get().user)
        assert len(server.bodies) == 20
    assert (told.older, told.instances, told.older_labels) == (judge, 10, 0)
    judge.refresh_from_db()
    assert (made.stage, judge.stage) == (Stage.ACTIVE, Stage.RETIRED)
    labels = Annotation.objects.filter(annotator=made.annotator)
    assert labels.count() == 10
    assert {label.guideline.version for label in labels if label.guideline} == {1}
    assert Prompt.objects.get().promoted_at is not None
    event = Event.objects.get(action="judge promoted")
    assert event.data == {"prompt": "kind v1", "retired": "critic", "labels": 10}
    with pytest.raises(Conflict):
        promote(judge=made, by=None)
    assert Annotation.objects.filter(annotator=made.annotator).count() == 10


def test_the_next_draft_replaces_what_was_promoted() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 8)
        criterion = main_criterion(project)
        first = create_prompt(project=project, name="kind", rubric="- be polite")
        second = new_version(prompt=first, rubric="- be polite\n- be brief")
        runs = [
            trial_of(try_prompt(trial=Trial(each, judge, criterion, 8, budget), by=None))
            for each in (first, second)
        ]
    promote(judge=runs[0].judge, by=None)
    assert consequences_of(runs[1].judge).older == runs[0].judge
    promote(judge=runs[1].judge, by=None)
    stages = dict(Judge.objects.values_list("pk", "stage"))
    assert stages[runs[0].judge_id] == stages[judge.pk] == Stage.RETIRED
    assert stages[runs[1].judge_id] == Stage.ACTIVE


def test_nothing_is_tried_on_the_reported_half_of_the_audit_arm() -> None:
    project = make_project()
    made = make_pairs(project, 30)
    for instance in made:
        Assignment.objects.create(
            instance=instance, destination=Destination.BOTH, arm=Arm.AUDIT, propensity=1.0
        )
    salt = project.protocol.salt
    reported = {
        instance.pk
        for instance in made
        if unit_interval(salt, "audit-report", instance.prompt_hash) < 0.5
    }
    drawn = set(draw(main_criterion(project), 30))
    assert 0 < len(reported) < 30
    assert drawn == {instance.pk for instance in made} - reported


def test_nothing_is_tried_on_what_a_data_set_takes_for_tests() -> None:
    project = make_project()
    person = make_annotator(project, "person", kind="import")
    made = [make_instance(project) for _ in range(40)]
    for instance in made:
        make_annotation(instance, person, (1, 2))
    salt = project.protocol.salt
    # A fifth of the prompts, which are taken by the lowest hashes, and two of forty for luck.
    train = {
        instance.pk
        for instance in made
        if unit_interval(salt, "split", instance.prompt_hash) >= 0.25
    }
    assert 0 < len(train) < 40
    assert set(draw(main_criterion(project), 40)) == train
    # A data set names the prompts that it holds out.
    named = max(made, key=lambda instance: unit_interval(salt, "split", instance.prompt_hash))
    Snapshot.objects.create(
        project=project,
        name="by name",
        query={"splits": {"assigned": {named.prompt_hash: "validation"}}},
        manifest={},
    )
    assert set(draw(main_criterion(project), 40)) == train - {named.pk}
    preview = preview_of(project, values_of(None), {"instance": str(named.pk)})
    assert named not in preview.instances
    assert {each.pk for each in preview.instances} < train


def test_a_draw_is_the_same_every_time() -> None:
    project = make_project()
    make_pairs(project, 40)
    criterion = main_criterion(project)
    assert draw(criterion, 10) == draw(criterion, 10)
    assert set(draw(criterion, 10)) <= set(draw(criterion, 20))


def test_a_trial_without_labels_of_people_is_refused() -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 1)
        prompt = create_prompt(project=project, name="kind", rubric="- be polite")
        trial = Trial(prompt, judge, main_criterion(project), 10, budget)
        with pytest.raises(InvalidInput, match="too few instances"):
            try_prompt(trial=trial, by=None)
        with pytest.raises(InvalidInput, match="2 to 500"):
            try_prompt(trial=Trial(prompt, judge, main_criterion(project), 501, budget), by=None)
        assert server.bodies == []
    assert not Judge.objects.filter(stage=Stage.DRAFT).exists()


def test_what_could_not_be_read_is_counted_apart() -> None:
    with serving(lambda body, number: (200, {}, {"choices": []})) as server:
        project, judge, budget = make_scene(server.url, 4)
        prompt = create_prompt(project=project, name="kind", rubric="- be polite")
        trial = Trial(prompt, judge, main_criterion(project), 4, budget)
        run = trial_of(try_prompt(trial=trial, by=None))
    result = trial_result(run)
    assert (result.answered, result.figures.agreement) == (0, None)
    assert (
        sum(result.failures.values()) == JudgeCall.objects.exclude(state=CallState.ANSWERED).count()
    )
