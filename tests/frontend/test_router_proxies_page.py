"""The page Router starts the comparison of proxies, and shows what came out."""

from dataclasses import replace

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from annotation.judges.models import Connection, Judge, Provider
from jobs.models import Job
from routing.decisions.services import save_router
from routing.predictor import fine_tunes
from routing.proxies.services import KIND
from tests.annotation.judge_scene import make_judge
from tests.factories import make_member, make_project
from tests.routing.test_full_proxies import SMALL, pairs

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("Chats")


def client_of(project: Project, role: Role = Role.RESEARCHER) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def routed(project: Project) -> None:
    judge = create(project)
    save_router(
        project=project,
        strategy="hyper-linear",
        parameters={"strategy": "hyper-linear"},
        report={},
        dual_labelled=80,
        judge=judge,
    )


def create(project: Project) -> Judge:
    made = Connection.objects.create(
        project=project, name="e", provider=Provider.OPENAI, base_url="http://127.0.0.1:9/v1"
    )
    return make_judge(made)


def test_a_click_starts_it_once(project: Project) -> None:
    client, start = client_of(project), reverse("router-proxies", args=[project.slug])
    assert "Fit a router beside a judge first" in told(client, start)
    assert not Job.objects.filter(kind=KIND).exists()
    routed(project)
    assert "Proxies are being trained" in told(client, start)
    job = Job.objects.get(kind=KIND)
    assert job.arguments["size"]["mixes"] == 24
    assert job.arguments["size"]["seeds"] == 2
    told(client, start)
    assert Job.objects.filter(kind=KIND).count() == 1


def told(client: Client, start: str) -> str:
    return " ".join(client.post(start, follow=True).content.decode().split())


def test_the_result_is_shown_with_its_interval(project: Project) -> None:
    routed(project)
    plan = fine_tunes.design(pairs(), SMALL, salt="s")
    plan = replace(plan, heads=np.array([0.5, 0.6, 0.8, 0.9]))
    result = fine_tunes.compare(plan, np.stack([plan.heads, plan.heads**2]))
    Job.objects.create(project=project, kind=KIND, state="succeeded", result=result)
    page = client_of(project).get(reverse("router", args=[project.slug])).content.decode()
    text = " ".join(page.split())
    assert "ρ 1.00" in text
    assert "20 to train, 12 held out" in text
