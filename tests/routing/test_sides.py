"""Evidence that takes a side: learned as numbers, and the same in live routing as in the lab."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from annotation.instances.models import Completion, Instance, Signal
from annotation.judges.services import create_judge
from annotation.labels.answers import Answer
from annotation.labels.services import submit
from annotation.queue.services import claim
from routing.decisions.models import Decision, Router
from routing.features import habits
from routing.features.evidence import (
    JUDGE_GENERATORS,
    JUDGE_TEXTS,
    PANEL_GENERATORS,
    PANEL_TEXTS,
    directed,
)
from routing.features.extractors import recipe
from routing.features.habits import Habits
from routing.features.models import Embedding
from routing.features.project import feature_table
from routing.features.taught import habits_of
from routing.frontier.preparing import Scoring
from routing.lab.project import dual_of
from routing.live.fitting import dual_labelled
from routing.live.services import live_of
from routing.strategies import registry
from routing.strategies.problem import Problem, Seed
from tests.endpoint.client import endpoint
from tests.factories import make_annotator
from tests.routing.live_scene import route, scene, work_of

PAIRS = [("ada", "bob"), ("bob", "cy"), ("cy", "ada")] * 20
PROMPTS = [f"p{i % 12}" for i in range(60)]


def taught(judge: np.ndarray | None = None) -> Habits:
    """A judge that always prefers ada to bob and bob to cy, and one that never does."""
    likes = np.array([1.0, 1.0, 0.0] * 20) if judge is None else judge
    X = np.random.default_rng(0).normal(size=(60, 4))
    return habits.learn(
        PROMPTS, likes, {"other": 1 - likes}, generators=PAIRS, differences=X, encoder="e"
    )


def test_habits_are_numbers_that_are_read_back_as_they_were() -> None:
    learned = taught()
    again = Habits.kept_in(json.loads(json.dumps({"habits": learned.to_json()}, allow_nan=False)))

    assert again is not None
    assert again.to_json() == learned.to_json()
    X = np.random.default_rng(1).normal(size=(60, 4))
    given: dict[str, Any] = {"others": {}, "generators": PAIRS, "differences": X}
    before, after = directed(PROMPTS, learned, **given), directed(PROMPTS, again, **given)
    assert set(before) == {JUDGE_GENERATORS, PANEL_GENERATORS, JUDGE_TEXTS, PANEL_TEXTS}
    assert all((before[name] == after[name]).all() for name in before)
    assert Habits.kept_in({}) is None


def test_a_prompt_that_comes_later_is_scored_without_learning_anew() -> None:
    found = directed(["never seen"] * 2, taught(), others={}, generators=[PAIRS[0], PAIRS[1]])

    assert (found[JUDGE_GENERATORS] > 0.5).all()
    assert (found[PANEL_GENERATORS] < -0.5).all()


def test_a_generator_no_verdict_has_spoken_of_counts_as_an_average_one() -> None:
    strangers = [("dot", "eve"), ("dot", ""), ("ada", "dot"), ("ada", "cy")]

    found = directed(["x"] * 4, taught(), others={}, generators=strangers)[JUDGE_GENERATORS]

    assert found[:2].tolist() == [0, 0]
    assert 0 < found[2] < found[3]


def test_what_has_no_embedding_or_one_of_another_encoder_says_nothing() -> None:
    X = np.ones((2, 4))
    X[1] = np.nan

    known = directed(["x", "y"], taught(), others={}, differences=X)[JUDGE_TEXTS]
    wider = directed(["x"], taught(), others={}, differences=np.ones((1, 9)))[JUDGE_TEXTS]

    assert np.isnan(known).tolist() == [False, True]
    assert np.isnan(wider).all()


def test_nothing_and_one_prompt_alone_teach_nothing() -> None:
    nothing = habits.learn([], np.zeros(0), {}, generators=[])
    alone = habits.learn(["p"] * 4, np.ones(4), {}, generators=[("a", "b")] * 4)

    assert directed(["p"], nothing, others={}, generators=[("a", "b")]) == {}
    assert directed(["p"], alone, others={}, generators=[("a", "b")])[JUDGE_GENERATORS] == 0


def number(instance: Instance) -> int:
    return int(instance.external_id.split("-")[1])


def wrong(instance: Instance) -> bool:
    """Where the judge at the endpoint is wrong: people and the critic say the opposite."""
    return number(instance) % 4 == 0


def critic(project: Project) -> None:
    """A second judge, who is right where the first is wrong, and three generators."""
    create_judge(project=project, name="critic", model="critic")
    rng = np.random.default_rng(0)
    for instance in project.instances.prefetch_related("completions"):
        first, second = instance.completions.all()
        good = ("0.9" in first.text) != wrong(instance)
        Signal.objects.create(instance=instance, name="judge_p:critic", value=0.9 if good else 0.1)
        for side, name in ((first, "ada"), (second, ("bob", "cy")[number(instance) % 2])):
            Completion.objects.filter(pk=side.pk).update(generator=name)
        vectors = rng.normal(size=(2, 4)).astype("<f2").tobytes()
        Embedding.objects.create(
            instance=instance, extractor=recipe("e", "1"), vectors=vectors, dimensions=4
        )


def people_label(project: Project) -> None:
    person = make_annotator(project, qualifications=[])
    while (slot := claim(project=project, annotator=person)) is not None:
        first = Completion.objects.get(instance=slot.instance_id, position=0)
        good = ("0.9" in first.text) != wrong(slot.instance)
        answer = Answer(criterion_key="overall", ranking=[1, 2] if good else [2, 1])
        submit(slot_key=slot.key, annotator=person, client_id=uuid.uuid4(), answers=[answer])


@pytest.mark.django_db
def test_live_routing_scores_as_the_lab_does_on_the_same_rows() -> None:
    with endpoint() as server:
        project = scene(server, 90, strategy="learned", seed_size=56)
        judge = live_of(project).judge
        assert judge is not None
        critic(project)
        route(project)
        people_label(project)
        # The lab reads the same rows by its own way, and fits and scores with the registry alone.
        dual = dual_of(project, judge, only=dual_labelled(work_of(project)), as_live=True)
        route(project)
    router = Router.objects.get()
    kept = Habits.kept_in(router.parameters)
    assert kept is not None
    assert kept.by_text is not None
    weights = dict(
        zip(
            [column["name"] for column in router.parameters["columns"]],
            router.parameters["weights"],
            strict=True,
        )
    )
    assert weights["panel_side_critic"] > 1

    problem = Problem(dual.keys, dual.features, np.ones(len(dual)), dual.judge)
    human = np.array([votes[0] for votes in dual.votes])
    here = registry.fit("learned", Seed(problem, dual.prompts, human, dual.judge), {})
    names = [column["name"] for column in here.to_json()["columns"]]
    assert names == list(weights)
    assert list(weights.values()) == pytest.approx(here.to_json()["weights"])

    routed = Decision.objects.filter(project=project, router=router, arm="routed")
    gains = {pk: gain for pk, gain in routed.values_list("instance", "gain") if gain is not None}
    assert len(gains) == routed.count()
    table = feature_table(project, list(gains), judge=judge, habits=kept)
    there = here.score(Problem(table.keys, table.table, np.ones(len(table)), table.judge)).gain
    assert [gains[pk] for pk in table.ids.tolist()] == pytest.approx(there.tolist())
    assert _found(project, gains) > 0.9

    drawn = Scoring(project, router)
    assert "panel_side_critic" in drawn.problem.features.names
    same = dict(zip(drawn.table.ids.tolist(), drawn.router.score(drawn.problem).gain, strict=True))
    both = [pk for pk in gains if pk in same]
    assert both
    assert [same[pk] for pk in both] == pytest.approx([gains[pk] for pk in both])


def _found(project: Project, gains: Mapping[int, Any]) -> float:
    """The share of the judge's errors among as many instances with the highest gains."""
    rows = {each.pk: wrong(each) for each in project.instances.filter(pk__in=gains)}
    top = sorted(gains, key=lambda pk: -gains[pk])[: sum(rows.values())]
    return float(np.mean([rows[pk] for pk in top]))


@pytest.mark.django_db
def test_reading_sides_takes_as_many_queries_for_few_as_for_many() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="learned", seed_size=60)
        critic(project)
        route(project)
    judge = live_of(project).judge
    assert judge is not None
    learned = habits_of(project, judge)
    ids = list(project.instances.values_list("pk", flat=True))

    counts = []
    for some in (ids[:5], ids):
        with CaptureQueriesContext(connection) as ran:
            table = feature_table(project, some, judge=judge, habits=learned)
        counts.append(len(ran))
        assert JUDGE_TEXTS in table.table.names

    assert counts[0] == counts[1]
