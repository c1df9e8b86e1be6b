"""A page needs a constant number of queries, however much there is."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Project, Role, User
from jobs.models import Job
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_slot,
)
from training.runs.models import Run

from .test_label_page import fields_of
from .world import make_export, make_snapshot

pytestmark = pytest.mark.django_db


def count(act: Callable[..., object], *arguments: object) -> int:
    with CaptureQueriesContext(connection) as queries:
        act(*arguments)
    return len(queries)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def fill(project: Project, number: int) -> None:
    snapshot = project.snapshots.first() or make_snapshot(project)
    for _ in range(number):
        instance = make_instance(project)
        make_slot(instance)
        make_annotation(instance, make_annotator(project, kind="import"))
        job = Job.objects.create(kind="training.fit", project=project, state="succeeded")
        Run.objects.create(project=project, kind="reward", snapshot=snapshot, config={}, job=job)


def send(client: Client, project: Project, form: dict[str, str]) -> None:
    """A submit as the script sends it: its reply is the slot after the next, rendered."""
    url = reverse("label-submit", args=[project.slug])
    response = client.post(url, form, headers={"HX-Request": "true"})
    assert response.status_code == 200


def test_label_page_and_submit() -> None:
    project = make_project()
    client = client_of(make_member(project))
    counts = []
    for size in (3, 12):
        fill(project, size)
        url = reverse("label", args=[project.slug])
        cache.clear()
        client.get(url)  # makes the annotator, and counts what waits, once a minute
        page = count(client.get, url)
        sent = fields_of(client.get(url).content.decode()) | {"answer-overall": "a1"}
        counts.append((page, count(send, client, project, sent)))
    assert counts[0] == counts[1]
    assert counts[0][0] <= 20
    assert counts[0][1] <= 22


ROUTING = (
    "routing",
    "routing-decisions",
    "budgets",
    "frontier",
    "router",
    "features",
    "replays",
    "tags",
)


@pytest.mark.parametrize("route", ["project", "instances", *ROUTING, "runs", "data", "jobs"])
def test_pages_of_a_project(route: str, settings: object, tmp_path: object) -> None:
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
    project = make_project()
    client = client_of(make_member(project, Role.ADMIN))
    counts = []
    for size in (2, 10):
        fill(project, size)
        make_export(project.snapshots.get())
        counts.append(count(client.get, reverse(route, args=[project.slug])))
    assert counts[0] == counts[1]
    assert counts[0] <= 30


def test_instance_page_and_history() -> None:
    project = make_project()
    annotator = make_annotator(project, "one")
    staff = client_of(make_member(project, Role.REVIEWER))
    assert annotator.user is not None
    counts = []
    own = client_of(annotator.user)
    for size in (1, 6):
        cache.clear()
        own.get(reverse("history", args=[project.slug]))  # counts what waits, once a minute
        instance = make_instance(project)
        for _ in range(size):
            make_annotation(instance, make_annotator(project, kind="import"))
            make_annotation(make_instance(project), annotator)
        page = reverse("instance", args=[project.slug, instance.pk])
        history = reverse("history", args=[project.slug])
        counts.append((count(staff.get, page), count(own.get, history)))
    assert counts[0] == counts[1]
