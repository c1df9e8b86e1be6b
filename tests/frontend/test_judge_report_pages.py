"""The report of a judge, the matrix, and the instances behind a figure."""

import random
import re

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.judges.models import Judge, JudgeCall
from annotation.judges.report.services import measure
from annotation.judges.services import create_judge
from annotation.projects.models import Protocol
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Assignment
from jobs.models import Job
from jobs.runner import run_queued
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
BASE = "/p/judged/judges/"


@pytest.fixture
def project() -> Project:
    project = make_project("judged", owner=make_user("chief"), slug="judged")
    # The salt decides which prompts are A-report.
    Protocol.objects.filter(project=project).update(salt="salt")
    return project


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


@pytest.fixture
def judges(project: Project) -> list[Judge]:
    return _labelled(project, 60)


def _labelled(project: Project, pairs: int) -> list[Judge]:
    """Two judges on an audit arm of so many pairs, two of a prompt; the first is against people on
    every third."""
    found = [
        create_judge(project=project, name="critic", model="gpt-4o"),
        create_judge(project=project, name="second <b>judge</b>", model="claude-3"),
    ]
    person = make_annotator(project, kind="import")
    rng = random.Random(0)
    for place in range(pairs):
        instance = make_instance(
            project, tags=["lang:en"], generators=("gpt-3.5", "llama"), prompt=f"Q {place // 2}"
        )
        Assignment.objects.create(
            instance=instance, destination="both", arm="audit", propensity=1.0
        )
        make_annotation(instance, person, [1, 2])
        for judge in found:
            _says(judge, instance, place % 3 > 0 if judge == found[0] else rng.random() < 0.8)
    return found


def _says(judge: Judge, instance: Instance, right: bool) -> None:
    ranking, p = ([1, 2], 0.9) if right else ([2, 1], 0.1)
    said = {"p": p, "gap": 0.0, "flipped": False}
    make_annotation(instance, judge.annotator, ranking, attributes={"verdict": said})
    for order in ([0, 1], [1, 0]):
        JudgeCall.objects.create(
            judge=judge,
            instance=instance,
            criterion=main_criterion(instance.project),
            shown_order=order,
            cache_key=f"{instance.pk}{order}",
            state="answered",
            ranking=ranking,
        )


def test_pages_before_any_figures(chief: Client, judges: list[Judge]) -> None:
    for page in (f"{judges[0].pk}/report/", "panel/report/", "matrix/"):
        reply = chief.get(BASE + page)
        assert reply.status_code == 200
        assert "No figures yet" in reply.content.decode()
    assert (
        "No instance"
        in chief.get(f"{BASE}{judges[0].pk}/report/behind/?of=against").content.decode()
    )


def test_the_report_tells_the_two_scopes_apart(
    chief: Client, project: Project, judges: list[Judge]
) -> None:
    measure(project)
    page = chief.get(f"{BASE}{judges[0].pk}/report/").content.decode()
    assert "All dual-labelled: descriptive" in page
    assert "A-report: for the whole project" in page
    assert "66.7 %" in page
    assert "Judges favour their own kind" in page
    assert "gpt-3.5" in page
    assert page.count("<svg") >= 4
    for word in ("Position", "Self-preference", "Length", "lang:en", "PPI++"):
        assert word in page


def test_every_figure_leads_to_its_instances(
    chief: Client, project: Project, judges: list[Judge]
) -> None:
    measure(project)
    page = chief.get(f"{BASE}{judges[0].pk}/report/").content.decode()
    links = set(re.findall(r'href="([^"]*/behind/[^"]*)"', page))
    kinds = {link.split("of=")[1].split("&")[0] for link in links}
    assert kinds == {"against", "audit", "flips", "confusion", "bias", "bin", "tag"}
    for link in links:
        assert chief.get(link.replace("&amp;", "&")).status_code == 200
    against = chief.get(f"{BASE}{judges[0].pk}/report/behind/?of=against").content.decode()
    assert against.count('name="instance"') == 20
    cell = chief.get(f"{BASE}{judges[0].pk}/report/behind/?of=confusion&which=1,-1")
    assert cell.content.decode().count('name="instance"') == 20


@pytest.mark.parametrize(
    "query", ["of=bias&which=99", "of=bias&which=-1", "of=bin&which=x", "of=nothing", "", "of=tag"]
)
def test_a_forged_figure_is_an_empty_page(
    query: str, chief: Client, project: Project, judges: list[Judge]
) -> None:
    measure(project)
    reply = chief.get(f"{BASE}{judges[0].pk}/report/behind/?{query}")
    assert reply.status_code == 200
    assert 'name="instance"' not in reply.content.decode()


def test_the_matrix_has_judges_people_and_the_panel(
    chief: Client, project: Project, judges: list[Judge]
) -> None:
    measure(project)
    page = chief.get(BASE + "matrix/").content.decode()
    assert "Panel of judges" in page
    assert "People among themselves" not in page
    assert "second &lt;b&gt;judge&lt;/b&gt;" in page
    assert "<b>judge</b>" not in page
    panel = chief.get(BASE + "panel/report/").content.decode()
    assert "The panel is" in panel


def test_versions_stand_side_by_side(chief: Client, project: Project, judges: list[Judge]) -> None:
    Judge.objects.filter(pk=judges[1].pk).update(replaces=judges[0], version=2)
    measure(project)
    for judge in judges:
        page = chief.get(f"{BASE}{judge.pk}/report/").content.decode()
        assert "By prompt version" in page
        assert f"{BASE}{judges[0].pk}/report/" in page


def test_few_prompts_are_said_once_for_all_rows(
    chief: Client, project: Project, judges: list[Judge]
) -> None:
    measure(project)
    assert "few prompts" not in chief.get(BASE + "matrix/").content.decode()
    tables = _few(chief.get(f"{BASE}{judges[0].pk}/report/").content.decode())
    assert tables == {"Agreement with people": 0, "Biases": 0}
    small = make_project("small", owner=project.memberships.get().user, slug="small")
    (judge, _) = _labelled(small, 24)
    measure(small)
    tables = _few(chief.get(f"/p/small/judges/{judge.pk}/report/").content.decode())
    # Once for each of the two scopes, once for all biases, once for all judges.
    assert tables == {"Agreement with people": 2, "Biases": 1}
    assert chief.get("/p/small/judges/matrix/").content.decode().count("few prompts") == 1


def _few(page: str) -> dict[str, int]:
    """How often each of the two tables says that there are few prompts."""
    names = ("Agreement with people", "Biases")
    cards = {
        name: page.split(f'aria-label="{name}"')[1].split("</section>", maxsplit=1)[0]
        for name in names
    }
    return {name: card.count("few prompts") for name, card in cards.items()}


def test_computing_is_a_job(chief: Client, project: Project, judges: list[Judge]) -> None:
    reply = chief.post(BASE + "report/compute/", {"judge": judges[0].pk})
    assert reply.headers["Location"] == f"{BASE}{judges[0].pk}/report/"
    assert Job.objects.get(kind="judges.report").state == "queued"
    assert "being computed now" in chief.get(BASE + "matrix/").content.decode()
    for page in ("matrix/", f"{judges[0].pk}/report/"):
        asks = chief.get(BASE + page, headers={"HX-Request": "true"})
        assert (asks.status_code, asks.headers.get("HX-Refresh")) == (204, None)
    assert chief.post(BASE + "report/compute/", {"judge": "//evil"}).status_code == 409
    run_queued(Job.objects.get())
    assert chief.get(BASE + "matrix/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_another_projects_judge_is_not_found(chief: Client, judges: list[Judge]) -> None:
    other = create_judge(project=make_project(), name="theirs", model="gpt-4")
    for page in ("report/", "report/behind/"):
        assert chief.get(f"{BASE}{other.pk}/{page}").status_code == 404


def test_annotators_see_none_of_it(client: Client, project: Project, judges: list[Judge]) -> None:
    make_member(project, Role.ANNOTATOR, "ann")
    client.login(username="ann", password="secret")
    for page in (f"{judges[0].pk}/report/", "matrix/", f"{judges[0].pk}/report/behind/"):
        assert client.get(BASE + page).status_code == 403
