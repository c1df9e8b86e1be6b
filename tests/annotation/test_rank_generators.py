"""The leaderboard of generators: whose labels, what is left out, what goes round."""

from pathlib import Path

import pytest

from annotation.consensus.generators import Settings, measure, newest_of
from annotation.consensus.tasks import rank_generators
from annotation.instances.readers import read_rows
from annotation.instances.services import import_records
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from jobs.models import Job
from jobs.runner import run
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_user,
)

NORM = Path(__file__).resolve().parents[3] / "shared" / "data" / "norm"
pytestmark = pytest.mark.django_db


def test_people_judges_or_both() -> None:
    project = make_project()
    judge = make_annotator(project, "judge", kind="judge")
    for number in range(12):
        instance = make_instance(project)
        make_annotation(instance, ranking=(1, 2) if number else (1, 1))
        make_annotation(instance, judge, (2, 1), attributes={"verdict": {"p": 0.25}})
    people = measure(project, Settings()).figures
    first = people["places"][0]
    assert (first["name"], first["rank"], first["won"], first["tied"]) == ("model-a", 1, 11, 1)
    assert people["places"][1]["lost"] == 11
    assert people["tie"] > 0
    assert first["low"] < first["rating"] < first["high"]
    assert first["rating"] + people["places"][1]["rating"] == pytest.approx(2000, abs=0.02)
    judges = measure(project, Settings(source="judge")).figures
    assert (judges["places"][0]["name"], judges["places"][0]["won"]) == ("model-b", 9)
    assert judges["tie"] == 0
    both = measure(project, Settings(source="mixed")).figures
    assert (people["comparisons"], judges["comparisons"], both["comparisons"]) == (12, 12, 24)


def test_each_criterion_has_its_own_and_unnamed_generators_have_none() -> None:
    project = make_project()
    other = Criterion.objects.create(project=project, key="style", name="Style", position=1)
    instance = make_instance(project)
    make_annotation(instance, ranking=(1, 2))
    make_annotation(instance, ranking=(2, 1), criterion=other)
    unnamed = make_instance(project, generators=("", "model-a"))
    make_annotation(unnamed, ranking=(1, 2))
    found = measure(project, Settings())
    assert found.settings["criterion"] == "overall"
    assert (found.figures["comparisons"], found.figures["unnamed"]) == (1, 1)
    assert found.figures["places"][0]["name"] == "model-a"
    style = measure(project, Settings(criterion="style")).figures
    assert style["places"][0]["name"] == "model-b"
    assert newest_of(project) != found
    with pytest.raises(InvalidInput, match="tone"):
        measure(project, Settings(criterion="tone"))
    with pytest.raises(InvalidInput, match="human"):
        Settings(source="crowd")


def test_nothing_to_compare_is_an_empty_leaderboard() -> None:
    figures = measure(make_project(), Settings()).figures
    assert (figures["places"], figures["comparisons"]) == ([], 0)
    assert not figures["between"]["many"]


def test_completions_and_generators_that_go_round_are_counted_with_their_instances() -> None:
    project = make_project()
    rounds: dict[int, set[int]] = {}
    for prompt in range(12):
        for first, second in (("x", "y"), ("y", "z"), ("z", "x")):
            instance = make_instance(project, prompt=f"p{prompt}", generators=(first, second))
            make_annotation(instance, ranking=(1, 2))
            rounds.setdefault(prompt, set()).add(instance.pk)
    figures = measure(project, Settings()).figures
    inside, between = figures["inside"], figures["between"]
    assert (inside["decided"], inside["cyclic"], inside["prompts"], inside["many"]) == (
        *(12, 12, 12),
        True,
    )
    assert {tuple(sorted(each["instances"])) for each in inside["examples"]} == {
        tuple(sorted(found)) for found in rounds.values()
    }
    assert between["examples"] == [["x", "y", "z"]]
    assert (between["decided"], between["cyclic"]) == (1, 1)
    assert [row["rating"] for row in figures["places"]] == pytest.approx([1000] * 3)


def test_lists_go_round_inside_one_instance_too() -> None:
    project = make_project(kind="listwise")
    instance = make_instance(project, ("a", "b", "c"), generators=("", "", ""))
    for ranking in ((1, 2, 3), (3, 1, 2), (2, 3, 1)):
        make_annotation(instance, ranking=ranking)
    inside = measure(project, Settings()).figures["inside"]
    assert (inside["decided"], inside["cyclic"]) == (1, 1)
    assert inside["examples"] == [{"names": ["A", "B", "C"], "instances": [instance.pk]}]


def test_the_job_keeps_a_report() -> None:
    project = make_project()
    make_annotation(make_instance(project))
    job = rank_generators(project=project, settings=Settings(), by=make_user())
    run(job.pk, owner="test", heartbeat=False)
    assert Job.objects.get(pk=job.pk).state == "succeeded"
    report = newest_of(project)
    assert report is not None
    assert report.job == job


@pytest.mark.shared
@pytest.mark.skipif(not NORM.is_dir(), reason="needs ../shared/data beside the checkout")
def test_real_votes_put_the_known_best_first() -> None:
    project = make_project()
    import_records(project=project, lines=read_rows(NORM / "llmfao.jsonl"), reveal=True)
    figures = measure(project, Settings()).figures
    assert figures["comparisons"] == 8931
    assert (figures["prompts"], figures["few"], figures["groups"]) == (13, True, 1)
    assert figures["places"][0]["name"] == "GPT 4"
    assert len(figures["places"]) == 59
    assert figures["between"]["share"] < 0.25
    judges = measure(project, Settings(source="judge")).figures
    assert judges["comparisons"] == 2 * 2139
