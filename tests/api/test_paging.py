"""Lists over HTTP: pages by cursor, filters, refusals, and what a page costs."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.queue.models import Assignment
from core.paging import cursor_after
from jobs.models import Job
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("pages")


def member(project: Project, role: Role = Role.RESEARCHER) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def url(rest: str) -> str:
    return f"/api/v1/projects/pages/{rest}"


def walked(client: Client, path: str, **query: str) -> list[int]:
    """The ids of all pages, one after another."""
    found: list[int] = []
    while True:
        page = client.get(path, query).json()
        found += [row["id"] for row in page["results"]]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


def test_every_row_comes_once_whichever_way_the_list_goes(project: Project) -> None:
    instances = [make_instance(project).pk for _ in range(7)]
    jobs = [Job.objects.create(kind="a.b", project=project).pk for _ in range(7)]
    client = member(project)
    assert walked(client, url("instances/"), limit="3") == instances
    assert walked(client, url("jobs/"), limit="3") == jobs[::-1]
    # A page that is exactly full is the last one.
    assert client.get(url("jobs/"), {"limit": 7}).json()["next"] is None


def test_rows_that_come_and_go_between_pages_move_no_others(project: Project) -> None:
    made = [Job.objects.create(kind="a.b", project=project) for _ in range(6)]
    client = member(project)
    first = client.get(url("jobs/"), {"limit": 3}).json()
    Job.objects.create(kind="a.b", project=project)
    made[3].delete()
    rest = client.get(url("jobs/"), {"limit": 3, "cursor": first["next"]}).json()
    assert [row["id"] for row in rest["results"]] == [job.pk for job in made[2::-1]]


def test_instances_are_filtered_by_what_they_are_and_where_they_went(project: Project) -> None:
    plain, tagged, routed = (make_instance(project) for _ in range(3))
    Instance.objects.filter(pk=tagged.pk).update(tags=["code", "hard"], state="routed")
    Assignment.objects.create(instance=routed, destination="judge", arm="explore", propensity=0.1)
    client = member(project)
    for query, expected in (
        ({"state": "routed"}, [tagged.pk]),
        ({"tag": "hard"}, [tagged.pk]),
        ({"tag": "har"}, []),
        ({"external_id": plain.external_id}, [plain.pk]),
        ({"destination": "judge", "arm": "explore"}, [routed.pk]),
        ({"destination": "human"}, []),
    ):
        assert walked(client, url("instances/"), **query) == expected


def test_one_instance_is_what_its_list_says(project: Project) -> None:
    row, client = make_instance(project), member(project)
    found = client.get(url(f"instances/{row.pk}/"))
    assert found.json() == client.get(url("instances/")).json()["results"][0]
    assert client.get(url(f"instances/{row.pk + 1}/")).status_code == 404


def test_who_may_not_see_the_routing_may_not_filter_by_it(project: Project) -> None:
    client = member(project, Role.REVIEWER)
    assert client.get(url("instances/")).status_code == 200
    for query in ({"arm": "audit"}, {"destination": "human"}):
        assert client.get(url("instances/"), query).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": "a2s"},
        {"cursor": cursor_after(10**30)},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "-1"},
        {"limit": "1e2"},
        {"limit": "٣"},
        {"state": "nowhere"},
        {"arm": ""},
        {"stat": "new"},
    ],
)
def test_what_makes_no_sense_is_refused_by_name(project: Project, query: dict[str, str]) -> None:
    answer = member(project).get(url("instances/"), query)
    assert answer.status_code == 422
    assert answer.json()["parameter"] == next(iter(query))


def test_a_page_costs_the_same_however_long_it_is(project: Project) -> None:
    for _ in range(12):
        make_instance(project)
    client = member(project)
    costs = []
    for limit in (1, 12):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(url("instances/"), {"limit": limit})
        costs.append(len(asked))
        assert not [each for each in asked if "COUNT(" in each["sql"] or "OFFSET" in each["sql"]]
    assert costs[0] == costs[1]
