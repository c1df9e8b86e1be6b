"""The builder counts while somebody edits; a snapshot's page shows its card."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from jobs.models import Job
from tests.factories import make_annotation, make_annotator, make_instance, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def project() -> Project:
    project = make_project(owner=make_user("owner"))
    person, judge = make_annotator(project, kind="import"), make_annotator(project, kind="judge")
    for number in range(6):
        instance = make_instance(project, tags=["odd"] if number % 2 else [])
        make_annotation(instance, person)
        make_annotation(instance, judge, (2, 1))
    update(project=project)
    return project


@pytest.fixture
def owner(client: Client, project: Project) -> Client:
    client.force_login(project.memberships.get().user)
    return client


def test_the_builder_counts_at_once_and_again(owner: Client, project: Project) -> None:
    page = owner.get(reverse("snapshot-new", args=[project.slug])).content.decode()
    assert "12" in page.split('id="counts"')[1]
    fields = {"kinds": ["judge"], "tags_any": "odd", "scope": "mixed"}
    url = reverse("snapshot-count", args=[project.slug])
    part = owner.post(url, fields, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "−3" in part
    whole = owner.post(url, fields).content.decode()
    assert 'value="odd"' in whole
    assert 'value="judge" checked' in " ".join(whole.split())


def test_what_cannot_be_used_is_said_beside_what_was_typed(owner: Client, project: Project) -> None:
    url = reverse("snapshot-build", args=[project.slug])
    response = owner.post(url, {"agreement_least": "<b>", "name": "mine"})
    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="&lt;b&gt;"' in page
    assert 'value="mine"' in page
    assert not Job.objects.exists()


def test_a_build_keeps_the_query(owner: Client, project: Project) -> None:
    fields = {"kinds": ["judge"], "tags_any": "odd", "difficulty_low": "0.2", "test_share": "0"}
    owner.post(reverse("snapshot-build", args=[project.slug]), fields)
    query = Job.objects.get().arguments["query"]
    assert query["kinds"] == ["judge"]
    assert query["tags"] == {"any": ["odd"]}
    assert query["signals"] == {"difficulty": [0.2, None]}
    assert "splits" not in query


def test_the_page_of_a_snapshot_and_what_differs(owner: Client, project: Project) -> None:
    first = build_snapshot(project=project, query={})
    second = build_snapshot(project=project, query={"tags": {"any": ["odd"]}})
    page = owner.get(reverse("snapshot", args=[project.slug, first.pk])).content.decode()
    assert "Known biases" in page
    assert "Limits" in page
    url = reverse("snapshot-diff", args=[project.slug, first.pk])
    assert "instance removed" in owner.get(url, {"with": second.pk}).content.decode().lower()
    csv = owner.get(url, {"with": str(second.pk), "as": "csv"})
    lines = b"".join(csv.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "instance_id,what,before,after"
    assert len(lines) == 1 + 3 + 6


def test_a_snapshot_of_another_project_is_not_found(owner: Client, project: Project) -> None:
    foreign = Snapshot.objects.create(
        project=make_project(), content_hash="0" * 64, query={}, manifest={}, folder="x"
    )
    mine = build_snapshot(project=project, query={})
    for url in (
        reverse("snapshot", args=[project.slug, foreign.pk]),
        reverse("snapshot-card", args=[project.slug, foreign.pk]),
        f"{reverse('snapshot-diff', args=[project.slug, mine.pk])}?with={foreign.pk}",
        f"/api/v1/projects/{project.slug}/snapshots/{mine.pk}/diff?with={foreign.pk}",
        f"/api/v1/projects/{project.slug}/snapshots/{foreign.pk}/",
    ):
        assert owner.get(url).status_code == 404


def test_rest_counts_builds_and_compares(owner: Client, project: Project) -> None:
    base = f"/api/v1/projects/{project.slug}/snapshots/"
    body = {"query": {"kinds": ["judge"]}}
    counted = owner.post(f"{base}count", body, content_type="application/json").json()
    assert (counted["instances"], counted["labels"]) == (6, {"judge": 6})
    started = owner.post(base, body | {"name": "v1"}, content_type="application/json")
    assert started.status_code == 202
    assert Job.objects.get(pk=started.json()["job"]).arguments["query"] == body["query"]
    wrong = owner.post(base, {"query": {"colour": 1}}, content_type="application/json")
    assert wrong.status_code == 422
    first = build_snapshot(project=project, query={})
    second = build_snapshot(project=project, query=body["query"])
    assert [row["id"] for row in owner.get(base).json()["results"]] == [second.pk, first.pk]
    assert owner.get(f"{base}{first.pk}/").json()["card"].startswith("---\n")
    found = owner.get(f"{base}{first.pk}/diff?with={second.pk}").json()
    assert found["counts"]["label removed"] == 6
