"""Explaining a project's labels: what was planted is found, stored, frozen and written to files."""

import csv
import io
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Project
from annotation.consensus.services import catch_up
from annotation.datasets.services import build_snapshot
from annotation.explaining.downloads import download
from annotation.explaining.models import Explanation
from annotation.explaining.services import explain
from annotation.projects.models import Protocol
from core.exceptions import NotFound
from jobs.models import Job
from jobs.runner import run_queued
from tests.annotation.explain_scene import planted
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


@pytest.fixture
def project() -> Project:
    return make_project("planted", owner=make_user("chief"), slug="planted")


def judge_key(figures: Json) -> str:
    return next(str(key) for key in figures["sources"] if key.startswith("judge:"))


def by_key(rows: list[Json]) -> dict[str, Json]:
    return {row["key"]: row for row in rows}


def test_people_and_judge_are_told_apart_by_what_was_planted(project: Project) -> None:
    planted(project)
    figures = explain(project=project).figures
    overall = by_key(figures["criteria"])["overall"]
    people, judge = (overall["sources"][key] for key in ("people", judge_key(figures)))
    mine, theirs = by_key(people["coefficients"]), by_key(judge["coefficients"])
    assert mine["lists"]["stands_out"]
    assert mine["lists"]["low"] > 0.5
    assert theirs["length"]["low"] > 0
    assert [key for key, _ in people["principles"]["factors"]][:1] == ["lists"]
    assert people["principles"]["reconstructs"]["value"] > 0.8
    assert people["foretells"]["gain"]["low"] > 0
    contrast = by_key(overall["contrasts"][judge_key(figures)]["coefficients"])
    assert contrast["lists"]["high"] < 0 < contrast["length"]["low"]
    assert contrast["lists"]["stands_out"]
    # The longer one wins for the judge and is nothing to people; position is by lot.
    assert judge["length"]["longer"]["low"] > 0.75
    assert people["length"]["longer"]["low"] < 0.5 < people["length"]["longer"]["high"]
    assert people["position"]["low"] < 0.5 < people["position"]["high"]
    assert overall["sources"]["cohort:crew"]["decided"] == people["decided"]
    assert {each["tag"] for each in people["domains"]} == {"kind:even", "kind:odd"}


def test_criteria_that_pull_apart_are_in_conflict(project: Project) -> None:
    planted(project)
    (conflict,) = [
        row for row in explain(project=project).figures["conflicts"] if row["source"] == "people"
    ]
    assert (conflict["a"], conflict["b"]) == ("overall", "style")
    assert conflict["value"] > 0.8
    assert conflict["low"] < conflict["value"] <= conflict["high"]
    assert conflict["behind"]


def test_the_instances_behind_a_factor_are_decided_that_way(project: Project) -> None:
    planted(project)
    figures = explain(project=project).figures
    row = by_key(figures["criteria"][0]["sources"]["people"]["coefficients"])["lists"]
    against = row["against"][0]
    texts = project.instances.get(pk=against).completions.values_list("text", flat=True)
    (listed,) = [place for place, text in enumerate(texts) if text.startswith("- ")]
    rankings = project.annotations.filter(
        instance=against, annotator__kind="import", criterion__key="overall"
    ).values_list("ranking", flat=True)
    assert any(ranking[listed] == 2 for ranking in rankings)
    assert row["decided_against"] < row["decided_with"]


def test_too_few_labels_are_refused_with_the_reason(project: Project) -> None:
    planted(project, pairs=10)
    source = explain(project=project).figures["criteria"][0]["sources"]["people"]
    assert source["refused"] == "few labels"
    assert "coefficients" not in source
    nothing = explain(project=make_project("empty")).figures
    assert nothing["criteria"] == []
    assert nothing["diversity"] is None


def test_few_prompts_speak_for_themselves_only(project: Project) -> None:
    person = make_annotator(project, kind="import")
    for place in range(70):
        instance = make_instance(project, prompt=f"Q {place % 5}")
        make_annotation(instance, person, [1, 2])
    source = explain(project=project).figures["criteria"][0]["sources"]["people"]
    assert source["few_prompts"]
    assert source["foretells"]["majority"] == 1.0


def test_near_duplicates_and_circles_are_counted(project: Project) -> None:
    person = make_annotator(project, kind="import")
    texts = {"a": "red sails", "b": "blue boats", "c": "green ropes"}
    for first, second in ("ab", "bc", "ca"):
        instance = make_instance(
            project, [texts[first], texts[second]], prompt="Q", generators=(first, second)
        )
        make_annotation(instance, person, [1, 2])
    same = make_instance(project, ["one and the same", "one and the same"], generators=("a", "b"))
    make_annotation(same, person, [1, 1])
    figures = explain(project=project).figures
    circles = figures["criteria"][0]["sources"]["people"]["circles"]
    assert circles["generators"]["cyclic"] == 1
    assert circles["generators"]["cycles"][0]["names"] == ["a", "b", "c"]
    assert circles["within"]["cyclic"] == 1
    assert same.pk not in circles["within"]["behind"]
    assert figures["diversity"]["near_behind"] == [same.pk]
    assert figures["diversity"]["near"] == 1


def test_lists_and_scores_are_pairs_too(project: Project) -> None:
    Protocol.objects.filter(project=project).update(kind="listwise")
    person = make_annotator(project, kind="import")
    three = make_instance(project, ["a", "bb bb", "ccc ccc ccc"], generators=("x", "y", "z"))
    make_annotation(three, person, [2, 1, 3])
    make_annotation(make_instance(project), person, [], scores=[4, None])
    source = explain(project=project).figures["criteria"][0]["sources"]["people"]
    assert source["labels"] == 3


def test_a_snapshot_says_the_same_as_the_labels_it_froze(project: Project) -> None:
    planted(project)
    catch_up(project=project)
    live = explain(project=project)
    snapshot = build_snapshot(project=project, query={"scope": "mixed"})
    frozen = explain(project=project, snapshot=snapshot)
    rows = [
        by_key(each.figures["criteria"][0]["sources"]["people"]["coefficients"])
        for each in (live, frozen)
    ]
    assert rows[0]["lists"]["value"] == pytest.approx(rows[1]["lists"]["value"])
    assert rows[0]["lists"]["low"] == pytest.approx(rows[1]["lists"]["low"])
    assert frozen.snapshot == snapshot
    assert frozen.newest_annotation == 0 < live.newest_annotation


def test_files_hold_the_same_figures_and_no_formula(project: Project) -> None:
    planted(project)
    found = explain(project=project)
    rows = list(csv.DictReader(io.StringIO(download(found, "csv")[0])))
    lists = next(r for r in rows if r["source"] == "People" and r["factor"] == "lists")
    assert float(lists["log_odds_per_sd"]) > 0.5
    assert any(row["source"].startswith("'=critic") for row in rows)
    assert not any(value.startswith(("=", "@")) for row in rows for value in row.values())
    assert json.loads(download(found, "json")[0])["criteria"][0]["key"] == "overall"
    text = download(found, "md")[0]
    assert "In short: lists" in text
    assert "<b>" not in text.replace("\\<b\\>", "")
    with pytest.raises(NotFound):
        download(found, "exe")


def test_the_job_reports_and_rest_hands_it_out(project: Project) -> None:
    planted(project)
    client = APIClient()
    client.login(username="chief", password="secret")
    base = "/api/v1/projects/planted/explanations/"
    assert client.post(base, {"snapshot": 10**9}, format="json").status_code == 404
    assert client.post(base, {"snapshots": 1}, format="json").status_code in {400, 422}
    assert client.post(base, [], format="json").status_code in {400, 422}
    reply = client.post(base, {}, format="json")
    assert reply.status_code == 202
    assert client.post(base, {}, format="json").status_code == 409
    job = run_queued(Job.objects.get(pk=reply.json()["job"]))
    assert job.state == "succeeded", job.error
    (row,) = client.get(base).json()["results"]
    assert job.result == {"explanation": row["id"]}
    assert "figures" not in row
    whole = client.get(f"{base}{row['id']}/").json()
    assert whole["figures"]["labels"] == Explanation.objects.get().figures["labels"]
    file = client.get(f"{base}{row['id']}/download.csv")
    assert file["Content-Disposition"].startswith("attachment")
    assert client.get(f"{base}{row['id']}/download.exe").status_code == 404
