"""Labels of judges under an older guideline, asked again; agreement under each version."""

import pytest

from annotation.judges.prompting import create_prompt
from annotation.judges.runs import start_run
from annotation.judges.workbench.drifting import agreement_by_guideline
from annotation.judges.workbench.promoting import promote
from annotation.judges.workbench.stale import stale, stale_labels
from annotation.judges.workbench.trials import Trial, try_prompt
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.selectors import guideline_of, main_criterion
from annotation.projects.services import publish_guideline
from tests.annotation.chat_server import serving
from tests.annotation.workbench_scene import follows_the_prompt, make_scene, trial_of
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
def test_a_new_guideline_makes_labels_stale_until_asked_again(shown: bool) -> None:
    with serving(follows_the_prompt) as server:
        project, judge, budget = make_scene(server.url, 6)
        publish_guideline(project=project, text="Kindness first.", by=None)
        prompt = create_prompt(
            project=project, name="kind", rubric="- be polite", show_guideline=shown
        )
        trial = Trial(prompt, judge, main_criterion(project), 6, budget)
        made = promote(judge=trial_of(try_prompt(trial=trial, by=None)).judge, by=None)
        assert stale(project) == []
        newest = publish_guideline(project=project, text="Kindness last.", by=None)
        (row,) = stale(project)
        assert (row.judge, row.labels, row.oldest, row.can_ask) == (made, 6, 2, True)
        bought = len(server.bodies)
        run = start_run(
            judge=made, criteria=["overall"], selection={"of": "stale"}, budget=budget, by=None
        )
        trial_of(run)
        # Only where the guideline is part of the question is it another question.
        assert len(server.bodies) - bought == (12 if shown else 0)
    assert stale(project) == []
    labels = current(project).filter(annotator=made.annotator)
    assert {label.guideline for label in labels} == {newest}
    assert labels.count() == 6
    assert Annotation.objects.filter(annotator=made.annotator).count() == 12


def test_labels_of_people_are_never_stale() -> None:
    project = make_project()
    first = publish_guideline(project=project, text="One.", by=None)
    make_annotation(make_instance(project), make_annotator(project), guideline=first)
    publish_guideline(project=project, text="Two.", by=None)
    assert not stale_labels(project).exists()


def test_agreement_is_told_apart_by_guideline() -> None:
    project = make_project()
    people = [make_annotator(project) for _ in range(2)]
    first = guideline_of(project)
    second = publish_guideline(project=project, text="Two.", by=None)
    for guideline, rankings in ((first, ((1, 2), (2, 1))), (second, ((1, 2), (1, 2)))):
        for _ in range(5):
            instance = make_instance(project)
            for person, ranking in zip(people, rankings, strict=True):
                make_annotation(instance, person, ranking, guideline=guideline)
    newer, older = agreement_by_guideline(project)
    assert (newer.version, newer.labels, older.labels) == (2, 10, 10)
    assert newer.people is not None
    assert older.people is not None
    assert (newer.people.value, older.people.value) == (1, 0)
    assert newer.judges is None
