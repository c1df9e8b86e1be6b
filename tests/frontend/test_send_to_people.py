"""The way from an upload to the people who label: a button, and what it says."""

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.queue.models import Slot
from jobs.context import JobContext
from jobs.models import Job
from jobs.registry import kind
from jobs.services import claim
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = make_project("Ours", overlap=2)
    for _ in range(3):
        make_instance(project)
    return project


def text_of(client: Client, project: Project, path: str) -> str:
    return " ".join(client.get(f"/p/{project.slug}/{path}").content.decode().split())


def run(job: Job) -> None:
    taken = claim(job_id=job.pk, owner="test")
    assert taken is not None
    kind(taken.kind).run(JobContext(taken))
    Job.objects.filter(pk=job.pk).update(state="succeeded")


@pytest.mark.parametrize("path", ["", "upload/"])
def test_new_instances_are_offered_to_whoever_manages(
    client: Client, project: Project, path: str
) -> None:
    client.force_login(make_member(project, Role.ADMIN))
    page = text_of(client, project, path)
    assert "3 new instances wait to be sent" in page
    assert "Each goes to 2 different people" in page
    client.force_login(make_member(project, Role.RESEARCHER))
    assert "wait to be sent" not in text_of(client, project, path)


def test_sending_opens_the_places_and_leads_on(client: Client, project: Project) -> None:
    client.force_login(make_member(project, Role.ADMIN))
    response = client.post(f"/p/{project.slug}/send/")
    job = Job.objects.get(kind="annotation.send")
    assert response["Location"] == f"/p/{project.slug}/jobs/{job.pk}/"
    run(job)
    assert Slot.objects.filter(project=project, state="open").count() == 6
    assert "Invite people" in text_of(client, project, f"jobs/{job.pk}/")
    overview = text_of(client, project, "")
    assert "wait to be sent" not in overview
    assert "<b>3</b>" in overview


def test_the_job_of_an_import_leads_to_sending(client: Client, project: Project) -> None:
    job = Job.objects.create(kind="annotation.import", project=project, state="succeeded")
    client.force_login(make_member(project, Role.ADMIN))
    assert "Send them to people" in text_of(client, project, f"jobs/{job.pk}/")
    client.force_login(make_member(project, Role.RESEARCHER))
    page = text_of(client, project, f"jobs/{job.pk}/")
    assert "Send them to people" not in page
    assert "See the instances" in page
