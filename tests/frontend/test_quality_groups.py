"""The page of groups, patterns on an annotator's page, and groups in the exported labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.labels import groups_of
from annotation.datasets.services import build_snapshot
from annotation.labels.models import Annotator
from annotation.quality.measuring import Settings, measure
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("quality", owner=make_user("chief"), slug="quality")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def labelled(project: Project, turned: float) -> tuple[list[Annotator], Annotator]:
    """Eight people, three of whom want the opposite on so many of the pairs, and a judge that
    sides with the three."""
    people = [
        make_annotator(project, cohort="north" if place < 5 else "south") for place in range(8)
    ]
    judge = make_annotator(project, kind="judge")
    rng = np.random.default_rng(1)
    for number in range(60):
        instance = make_instance(
            project,
            external_id=f"i{number}",
            prompt=f"Question {number} on w{number % 7}?",
            generators=("ada", "bob"),
            tags=["lang:de" if number % 2 else "lang:en"],
        )
        first, apart = rng.random() < 0.5, rng.random() < turned
        for place, person in enumerate(people):
            says = (first != (apart and place >= 5)) == (rng.random() < 0.93)
            make_annotation(instance, person, (1, 2) if says else (2, 1))
        make_annotation(instance, judge, (1, 2) if first != apart else (2, 1))
    return people, judge


def test_groups_are_shown_with_members_and_boards(chief: Client, project: Project) -> None:
    assert "No figures yet" in chief.get("/p/quality/quality/groups/").content.decode()
    people, judge = labelled(project, turned=0.6)
    report = measure(project, Settings())
    # That a group is of one mind is no plan of any two.
    assert not any(row["patterns"] for row in report.figures["annotators"])
    figures = report.figures["groups"]
    assert len(figures["shares"]) == 2
    small = {pk for pk, chances in figures["members"].items() if chances[1] > 0.5}
    assert small == {str(each.pk) for each in (*people[5:], judge)}
    page = chief.get("/p/quality/quality/groups/").content.decode()
    for text in ("2 groups prefer differently", "worst off", "Generators by group 2", "lang:de"):
        assert text in page
    assert all(each.pseudonym in page for each in (*people, judge))
    assert "north" in page


def test_one_opinion_is_one_group(chief: Client, project: Project) -> None:
    labelled(project, turned=0)
    measure(project, Settings())
    page = chief.get("/p/quality/quality/groups/").content.decode()
    assert "One group" in page
    assert "worst off" not in page


def test_few_labels_are_too_sparse(chief: Client, project: Project) -> None:
    make_annotation(make_instance(project), make_annotator(project))
    measure(project, Settings())
    assert "Too sparse to tell" in chief.get("/p/quality/quality/groups/").content.decode()


def test_annotators_do_not_see_groups(client: Client, project: Project) -> None:
    make_member(project, Role.ANNOTATOR, "ann")
    client.login(username="ann", password="secret")
    assert client.get("/p/quality/quality/groups/").status_code == 403


def test_cohorts_and_tags_are_measured(project: Project) -> None:
    labelled(project, turned=0.6)
    found = measure(project, Settings()).figures["slices"]
    cohorts = {row["name"]: row for row in found["cohorts"]}
    assert cohorts["south"]["inside"]["value"] > 0.8 > cohorts["south"]["outside"]["value"]
    tags = {row["name"]: row for row in found["tags"]}
    assert set(tags) == {"lang:de", "lang:en"}
    assert sum(row["pairs"] for row in tags.values()) == 60
    # The judge is with three of eight on six of ten pairs.
    assert tags["lang:de"]["judges"]["value"] < tags["lang:de"]["people"]["value"]


def test_groups_are_exported_by_pseudonym(project: Project, tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    people, judge = labelled(project, turned=0.6)
    assert groups_of(project) == {}
    measure(project, Settings())
    assert groups_of(project)[judge.pk][0] == 2
    update(project=project)
    snapshot = build_snapshot(project=project, query={})
    asked = {"annotators": "project"}
    made = export(snapshot=snapshot, shape="annotations", format="jsonl", options=asked)
    rows = [json.loads(line) for line in (tmp_path / made.path).read_text().splitlines()]
    group = {row["annotator"]: row["group"] for row in rows}
    assert [group[each.pseudonym] for each in people] == [1] * 5 + [2] * 3
    assert all(0.5 < row["group_p"] <= 1 for row in rows)


def test_a_pattern_is_told_with_its_instances(chief: Client, project: Project) -> None:
    people = [make_annotator(project) for _ in range(5)]
    rng = np.random.default_rng(2)
    behind = []
    for number in range(140):
        word = "dragon" if number % 5 == 0 else f"topic{number % 9}"
        instance = make_instance(
            project, external_id=f"i{number}", prompt=f"About {word}, {number}?"
        )
        first = rng.random() < 0.5
        for place, person in enumerate(people):
            says = first == (rng.random() < 0.92)
            if place == 0 and word == "dragon":
                says = not first
                behind.append(instance.pk)
            make_annotation(instance, person, (1, 2) if says else (2, 1))
    report = measure(project, Settings())
    rows = {row["id"]: row["patterns"] for row in report.figures["annotators"]}
    assert [each["what"] for each in rows[people[0].pk] if each["kind"] == "word"] == ["dragon"]
    # The others may be told to flip together with the first, but for no word.
    assert not any(row["kind"] == "word" for each in people[1:] for row in rows[each.pk])
    assert "pattern</span>" in chief.get("/p/quality/quality/").content.decode()
    page = chief.get(f"/p/quality/quality/{people[0].pk}/").content.decode()
    assert "Where the prompt says “dragon”" in page
    assert f'href="/p/quality/instances/{behind[0]}/"' in page
