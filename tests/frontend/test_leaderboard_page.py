"""The page of the leaderboard of generators, and the choice of what minorities mean."""

import pytest
from django.test import Client

from accounts.models import Project
from annotation.consensus.generators import Settings, measure
from annotation.consensus.models import ConsensusState
from jobs.models import Job
from tests.factories import make_annotation, make_instance, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("board", owner=make_user("chief"), slug="board")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def test_without_and_with_a_leaderboard(chief: Client, project: Project) -> None:
    assert "No leaderboard yet" in chief.get("/p/board/generators/").content.decode()
    make_annotation(make_instance(project, generators=("<b>x</b>", "y")))
    measure(project, Settings())
    page = chief.get("/p/board/generators/").content.decode()
    assert "&lt;b&gt;x" in page
    assert "<b>x</b>" not in page
    assert 'role="img"' in page
    assert "All comparisons are on 1 prompt" in page
    assert "Do not force a scalar" not in page


def test_what_goes_round_is_said_and_linked(chief: Client, project: Project) -> None:
    pks = []
    for prompt in range(12):
        for names in (("x", "y"), ("y", "z"), ("z", "x")):
            instance = make_instance(project, prompt=f"p{prompt}", generators=names)
            make_annotation(instance)
            pks.append(instance.pk)
    measure(project, Settings())
    page = chief.get("/p/board/generators/").content.decode()
    assert "Do not force a scalar" in page
    assert f'href="/p/board/instances/{pks[0]}/"' in page


def test_asking_submits_one_job(chief: Client, project: Project) -> None:
    for _ in range(2):
        chief.post("/p/board/generators/compute/", {"source": "mixed"})
    job = Job.objects.get(project=project, kind="annotation.generators")
    assert job.arguments == {"source": "mixed", "criterion": ""}
    assert "being computed now" in chief.get("/p/board/generators/").content.decode()
    assert chief.post("/p/board/generators/compute/", {"source": "dust"}).status_code == 422


def test_minorities_are_chosen_with_the_method(chief: Client, project: Project) -> None:
    chief.post("/p/board/quality/method/", {"method": "one-coin", "minority": "signal"})
    state = ConsensusState.objects.get(project=project)
    assert (state.method, state.minority) == ("one-coin", "signal")
    assert "Minority votes are signal here" in chief.get("/p/board/quality/").content.decode()
