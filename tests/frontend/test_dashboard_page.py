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
from annotation.dashboards import standing
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion, Protocol
from frontend import dashboard_panels as panels
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_slot,
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
    make_slot(make_instance(project), person)
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
    assert (counts["slot=leased"], counts["slot=submitted"]) == (1, 0)
    assert next(n for q, n in counts.items() if f"annotator={person.pseudonym}&day=" in q) == 2
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
    monkeypatch.setattr(panels, "SLOW", 1000)
    client, person = reviewer(project), make_annotator(project)
    fill(project, [person], 1)
    assert "1 label<" in re.sub(r"\s*<", "<", page(client, project))
    fill(project, [person], 1)
    assert "2 labels<" in re.sub(r"\s*<", "<", page(client, project))
    monkeypatch.setattr(panels, "SLOW", -1)
    fill(project, [person], 1)
    assert "2 labels<" in re.sub(r"\s*<", "<", page(client, project))


def test_with_many_labels_the_page_comes_before_its_panels(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels, "AT_ONCE", -1)
    # However slow the machine is, no panel is kept for that.
    monkeypatch.setattr(panels, "SLOW", 1000)
    client = reviewer(project)
    fill(project, [make_annotator(project), make_annotator(project)], 2)
    text = page(client, project, "?period=week")
    assert text.count('hx-trigger="load"') == 6
    assert "Last seen" not in text
    for address in re.findall(r'hx-get="([^"]+)"', text):
        piece = client.get(html.unescape(address), headers={"HX-Request": "true"})
        assert piece.content.decode().strip().startswith("<section")
        assert piece.context["project"] == project
    # Where instances are changes without a label: that panel is never kept.
    assert page(client, project, "?period=week").count('hx-trigger="load"') == 1
    # Without JavaScript: one panel by its link, all by another.
    alone = page(client, project, "?panel=people")
    assert alone.count('hx-trigger="load"') == 5
    assert "Last seen" in alone
    assert 'hx-trigger="load"' not in page(client, project, "?now")


def test_figures_of_a_sample_say_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project, [make_annotator(project)], 40)
    assert "estimated from" not in page(reviewer(project), project)
    cache.clear()
    monkeypatch.setattr(standing, "roughly", lambda *_: 2 * standing.MANY)
    text = page(reviewer(project), project, "?now")
    assert text.count("estimated from 1 in 3 instances") == 2
    assert 0 < int(re.findall(r"Overall <small>(\d+)", text)[0]) < 40


def test_links_of_times_and_agreement_lead_to_what_they_are_counted_on(project: Project) -> None:
    client, person, other = reviewer(project), make_annotator(project), make_annotator(project)
    fill(project, [person, other], 2)
    make_annotation(make_instance(project), person)
    make_annotation(make_instance(project), make_annotator(project, kind="judge"), seconds=1)
    alone = make_instance(project)
    for key in ("overall", "h"):
        criterion, _ = Criterion.objects.get_or_create(
            project=project, key=key, defaults={"name": key, "position": 1}
        )
        make_annotation(alone, person, criterion=criterion, seconds=3)
    links = re.findall(r'href="([^"]*/instances/\?[^"]+)"', page(client, project))
    numbers = {
        mark: len(client.get(html.unescape(link)).context["page"].rows)
        for mark in ("timed", "shared")
        for link in links
        if f"{mark}=yes" in link
    }
    assert numbers == {"timed": 3, "shared": 2}
    by_hour = re.findall(r'href="([^"]*day=[^"]*T[^"]*)"', page(client, project, "?period=day"))
    assert len(client.get(html.unescape(by_hour[0])).context["page"].rows) == 5


def test_the_number_of_queries_is_constant(project: Project) -> None:
    client, counts = reviewer(project), []
    for number in (2, 8):
        fill(project, [make_annotator(project), make_annotator(project)], number)
        # What was slow to count the first time would be kept, though labels came since.
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            page(client, project)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 25
