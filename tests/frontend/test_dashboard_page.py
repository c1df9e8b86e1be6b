"""The dashboard in the browser: filters, links to instances, empty states, constant queries."""

import html
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Project, Role
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion, Protocol
from frontend.views import dashboard
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def project() -> Project:
    return make_project()


def reviewer(project: Project) -> Client:
    client = Client()
    client.force_login(make_member(project, Role.REVIEWER))
    return client


def page(client: Client, project: Project, query: str = "") -> str:
    response = client.get(reverse("dashboard", args=[project.slug]) + query)
    assert response.status_code == 200
    return response.content.decode()


def fill(project: Project, people: list[Annotator], number: int) -> None:
    for _ in range(number):
        instance = make_instance(project, state="settled", tags=["hard"])
        for who in people:
            make_annotation(instance, who, seconds=7.5)


def test_an_empty_project_says_what_to_do(project: Project) -> None:
    text = page(reviewer(project), project)
    for words in ("invite people", "import a file", "overlap of 2 or more", "Nobody has labelled"):
        assert words in text
    assert "<svg" not in text.split("Dashboard</h1>")[1].split("funnel")[0]


def test_charts_come_with_their_tables_and_words(project: Project) -> None:
    Protocol.objects.filter(project=project).update(least_seconds=10)
    fill(project, [make_annotator(project), make_annotator(project)], 3)
    text = page(reviewer(project), project, "?period=week")
    for caption in ("Labels over time", "Agreement of people by week", "Time on the instance"):
        assert f"<caption>{caption}</caption>" in text
    assert "fewer than 20 prompts" in text
    assert "6 of 6 labels took less than the minimum of 10 s" in text
    assert "median 8 s" in text


def test_every_link_leads_to_the_instances_counted(project: Project) -> None:
    client, person = reviewer(project), make_annotator(project)
    fill(project, [person], 2)
    make_annotation(make_instance(project), make_annotator(project), [1, 1], tie_kind="both bad")
    make_annotation(make_instance(project), make_annotator(project), [2, 1])
    make_instance(project)
    links = set(re.findall(r'href="([^"]*/instances/\?[^"]+)"', page(client, project)))
    counts = {}
    for link in links:
        address = html.unescape(link)
        response = client.get(address)
        assert response.status_code == 200
        counts[address.split("?")[1]] = len(response.context["page"].rows)
    by_answer = {q.split("answer=")[1]: n for q, n in counts.items() if "answer=" in q}
    assert by_answer == {"first": 2, "second": 1, "both%20bad": 1}
    assert counts["state=settled"] == 2
    assert counts["state=new"] == 3
    assert counts[f"annotator={person.pseudonym}"] == 2
    assert next(n for q, n in counts.items() if re.fullmatch(r"day=[\d-]+&until=[\d-]+", q)) == 4


def test_filters_of_the_list_that_fit_nothing(project: Project) -> None:
    client, person = reviewer(project), make_annotator(project)
    fill(project, [person], 2)
    rated = Criterion.objects.create(project=project, key="h", name="H", kind="rating", position=1)
    make_annotation(make_instance(project), person, [], rated, scores=[4, None])
    expected = {
        "tag=hard": 2,
        "tag=easy": 0,
        "criterion=h&answer=4": 1,
        "criterion=h&answer=5": 0,
        "criterion=overall": 2,
        "annotator=nobody": 0,
        "day=2001-01-01": 0,
        "day=nonsense": 3,
        "answer=99999999999": 0,
    }
    for query, number in expected.items():
        url = reverse("instances", args=[project.slug]) + f"?{query}"
        assert len(client.get(url).context["page"].rows) == number, query


def test_a_criterion_narrows_the_page(project: Project) -> None:
    Criterion.objects.create(project=project, key="h", name="Helpfulness", position=1)
    fill(project, [make_annotator(project)], 2)
    client = reviewer(project)
    assert "2 labels" in page(client, project)
    assert "No label in this period" in page(client, project, "?criterion=h")
    assert "2 labels" in page(client, project, "?criterion=nonsense&period=nonsense")


def test_a_new_label_is_seen_at_once_unless_figures_are_slow(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "SLOW", 1000)
    client, person = reviewer(project), make_annotator(project)
    fill(project, [person], 1)
    assert "1 label<" in re.sub(r"\s*<", "<", page(client, project))
    fill(project, [person], 1)
    assert "2 labels<" in re.sub(r"\s*<", "<", page(client, project))
    monkeypatch.setattr(dashboard, "SLOW", 0)
    fill(project, [person], 1)
    assert "2 labels<" in re.sub(r"\s*<", "<", page(client, project))


def test_the_number_of_queries_is_constant(project: Project) -> None:
    client, counts = reviewer(project), []
    for number in (2, 8):
        fill(project, [make_annotator(project), make_annotator(project)], number)
        with CaptureQueriesContext(connection) as queries:
            page(client, project)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 25
