"""The page of an explanation: pictures with tables, and the instances behind each factor."""

import re

import pytest
from django.test import Client

from accounts.models import Project
from annotation.explaining.services import explain
from annotation.quality.models import Relabel
from jobs.models import Job
from jobs.runner import run_queued
from tests.annotation.explain_scene import planted
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
BASE = "/p/planted/explain/"


@pytest.fixture
def project() -> Project:
    return make_project("planted", owner=make_user("chief"), slug="planted")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def test_a_page_before_and_after(chief: Client, project: Project) -> None:
    assert "Nothing explained yet" in chief.get(BASE).content.decode()
    planted(project)
    assert chief.post(BASE + "compute/").status_code == 302
    assert chief.post(BASE + "compute/", follow=True).status_code == 409
    waiting = chief.get(BASE).content.decode()
    assert "Figures are being computed now" in waiting
    assert chief.get(BASE, headers={"HX-Request": "true"}).status_code == 204
    assert run_queued(Job.objects.get()).state == "succeeded"
    page = chief.get(BASE).content.decode()
    assert "Prefers" in page
    assert "lists" in page
    # Forest, map of conflicts and histogram, each in two widths and as a table.
    assert page.count("<figure") == 3
    assert page.count("<svg") >= 6
    assert page.count("The figures as a table") == 3
    assert "=critic&lt;b&gt;" in page
    assert "critic<b>" not in page
    assert "favours lists less than people do" in page
    assert "style=" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_every_source_and_criterion_can_be_looked_at(chief: Client, project: Project) -> None:
    planted(project)
    explain(project=project)
    page = chief.get(BASE).content.decode()
    for address in set(re.findall(r'href="(\?[^"]*)"', page)):
        assert chief.get(BASE + address.replace("&amp;", "&")).status_code == 200
    assert "Style" in chief.get(BASE + "?criterion=style").content.decode()
    for odd in ("?criterion=nothing", "?source=judge:x"):
        assert chief.get(BASE + odd).status_code == 200
    for odd in ("?explanation=x", "?explanation=999999", "?explanation=٣"):
        assert chief.get(BASE + odd).status_code == 404


def test_what_is_behind_a_factor_goes_to_the_relabel_queue(chief: Client, project: Project) -> None:
    planted(project)
    explain(project=project)
    page = chief.get(BASE).content.decode()
    links = set(re.findall(r'href="(/p/planted/explain/\d+/\?[^"]*)"', page))
    assert len(links) > 6
    for link in links:
        assert "Instances behind it" in chief.get(link.replace("&amp;", "&")).content.decode(), link
    (against,) = [each for each in links if "factor=lists" in each and "of=against" in each]
    behind = chief.get(against.replace("&amp;", "&")).content.decode()
    instance = re.findall(r'name="instance"\s+value="(\d+)"', behind)[0]
    (reason,) = re.findall(r'name="reason"\s+maxlength="200"\s+value="([^"]*)"', behind)
    assert reason == "against lists"
    reply = chief.post(
        "/p/planted/quality/relabels/ask/",
        {"report": "explaining", "reason": reason, "instance": instance},
    )
    assert reply.status_code == 302
    assert Relabel.objects.get().reason == "against lists"
    number = re.findall(r"/explain/(\d+)/", against)[0]
    for odd in ("?of=factor&factor=x", "?of=conflict", "?of=circles&source=people", ""):
        assert "No instance" in chief.get(f"{BASE}{number}/{odd}").content.decode()


def test_too_few_labels_are_said_and_foreign_explanations_are_not_there(
    chief: Client, project: Project
) -> None:
    planted(project, pairs=8)
    explain(project=project)
    assert "Too few decided labels" in chief.get(BASE).content.decode()
    other = explain(project=make_project("other"))
    assert chief.get(f"{BASE}?explanation={other.pk}").status_code == 404
    assert chief.get(f"{BASE}{other.pk}/").status_code == 404
    assert chief.get(f"{BASE}{other.pk}/download.json").status_code == 404
    assert chief.post(BASE + "compute/", {"snapshot": "7"}).status_code == 404
