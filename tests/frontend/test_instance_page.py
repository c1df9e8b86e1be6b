"""The page of an instance: every label of people and judges, and the calls behind a judge's."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from annotation.consensus.services import update
from annotation.instances.models import Instance
from annotation.judges.models import CallState, Failure, Judge, JudgeCall
from annotation.judges.services import create_judge
from annotation.labels.people import annotator_for
from annotation.projects.models import Criterion, Guideline
from annotation.projects.selectors import main_criterion
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def project() -> Project:
    return make_project("shown", owner=make_user("chief"), slug="shown")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


@pytest.fixture
def judge(project: Project) -> Judge:
    return create_judge(project=project, name="critic", model="gpt-x")


def page(client: Client, instance: Instance) -> str:
    response = client.get(f"/p/shown/instances/{instance.pk}/")
    assert response.status_code == 200
    return response.content.decode()


def call(judge: Judge, instance: Instance, **fields: Any) -> JudgeCall:
    values = {
        "criterion": main_criterion(judge.project),
        "shown_order": [0, 1],
        "cache_key": uuid.uuid4().hex,
        "state": CallState.ANSWERED,
        "ranking": [1, 2],
    }
    return JudgeCall.objects.create(judge=judge, instance=instance, **(values | fields))


def test_people_stand_under_their_pseudonyms(chief: Client, project: Project) -> None:
    person = annotator_for(project=project, user=make_user("jane-doe"))
    instance = make_instance(project)
    make_annotation(instance, person, strength=0.9, confidence=3, rationale=f"{MARKUP} clearer")
    shown = page(chief, instance)
    assert person.pseudonym in shown
    assert "jane-doe" not in shown
    assert "1 is clearly better" in shown
    assert "strength 0.90" in shown
    assert "confidence 3" in shown
    assert MARKUP not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; clearer" in shown


def test_labels_under_an_older_guideline_are_marked(chief: Client, project: Project) -> None:
    instance = make_instance(project)
    old = Guideline.objects.create(project=project, version=7)
    make_annotation(instance, guideline=old)
    assert "guideline 7" in page(chief, instance)
    assert "stale" not in page(chief, instance)
    Guideline.objects.create(project=project, version=8)
    assert "stale: guideline 7" in page(chief, instance)


def test_a_judge_shows_every_call_in_every_order(
    chief: Client, project: Project, judge: Judge
) -> None:
    instance = make_instance(project)
    verdict = {"p": 0.5, "gap": 0.7, "flipped": True, "method": "both orders"}
    make_annotation(
        instance, judge.annotator, (1, 1), tie_kind="tie", attributes={"verdict": verdict}
    )
    call(judge, instance, reply=f"first {MARKUP}", p_first=0.8, examples=[instance.pk])
    call(
        judge,
        instance,
        shown_order=[1, 0],
        ranking=[2, 1],
        reply="second",
        rationale="second",
        logprobs=[{"token": "A", "logprob": -0.1}],
    )
    shown = page(chief, instance)
    assert "flipped with the order" in shown
    assert "gap between the orders 0.70" in shown
    assert "shown 1, 2" in shown
    assert "shown 2, 1" in shown
    assert "2 is better" in shown
    assert "P(first shown) 0.80" in shown
    assert "90.5" in shown
    assert "1 example shown" in shown
    assert MARKUP not in shown


def test_calls_without_a_label_say_why(chief: Client, project: Project, judge: Judge) -> None:
    instance = make_instance(project)
    call(judge, instance, state=CallState.UNKNOWN, failure=Failure.TIMEOUT, ranking=[])
    shown = page(chief, instance)
    assert "no label" in shown
    assert "No reply came in time." in shown
    assert "stays charged" in shown


def test_criteria_stand_apart_and_in_order(chief: Client, project: Project, judge: Judge) -> None:
    instance = make_instance(project)
    make_annotation(instance, make_annotator(project))
    truth = Criterion.objects.create(project=project, key="truth", name="Truth", position=0)
    Criterion.objects.filter(project=project, key="overall").update(position=1)
    make_annotation(instance, judge.annotator, (2, 1), truth)
    call(judge, instance, criterion=truth, ranking=[2, 1])
    shown = page(chief, instance)
    labels = shown[shown.index('id="labels"') :]
    assert labels.index("Truth") < labels.index("Overall")
    assert labels.index("critic") < labels.index("Overall")
    assert labels.count("critic") == 1


def test_consensus_is_told_for_each_scope_and_criterion(
    chief: Client, project: Project, judge: Judge
) -> None:
    instance = make_instance(project)
    make_annotation(instance, make_annotator(project))
    make_annotation(instance, judge.annotator, (2, 1))
    update(project=project)
    shown = page(chief, instance)
    part = shown[shown.index(">Consensus<") : shown.index('id="labels"')]
    assert all(scope in part for scope in ("human", "judge", "mixed", "Overall"))


def test_rankings_and_scores_are_read_by_number(
    chief: Client, project: Project, judge: Judge
) -> None:
    instance = make_instance(project, ["one", "two", "three"])
    call(judge, instance, shown_order=[2, 0, 1], ranking=[2, 1, 2], shape="ranking")
    call(judge, instance, shown_order=[1], ranking=[], scores=[4.0], shape="scores")
    shown = page(chief, instance)
    assert "2 &gt; 1 = 3" in shown
    assert "<strong>2: 4</strong>" in shown
    update(project=project)
    assert page(chief, instance)


def test_a_constant_number_of_queries(chief: Client, project: Project, judge: Judge) -> None:
    instance = make_instance(project)
    counts = []
    for size in (2, 8):
        for _ in range(size):
            make_annotation(instance, make_annotator(project, kind="import"))
            call(judge, instance)
        with CaptureQueriesContext(connection) as queries:
            page(chief, instance)
        counts.append(len(queries))
    assert counts[0] == counts[1]
