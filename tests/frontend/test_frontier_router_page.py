"""The pages of routers: versions, what they learned, and what lies behind."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Project, Role
from annotation.queue.models import Arm, Destination
from routing.decisions.models import Router
from routing.decisions.services import Choice, decide, save_router
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db

CURVE = [
    {"mixes": mixes, "rmse": error, "r2": 0.1, "spearman": 0.4}
    for mixes, error in ((40, 0.03), (80, 0.025), (120, 0.02), (160, 0.018))
]


def make_router(
    project: Project, spearman: float = 0.4, **columns: tuple[float, float, float]
) -> Router:
    rows = [
        {"column": name, "contrast": value, "low": low, "high": high, "instances": 12}
        for name, (value, low, high) in columns.items()
    ]
    return save_router(
        project=project,
        strategy="hyper-linear",
        parameters={"binning": {"cuts": [], "tags": {}, "dropped": ["rouge1_f is constant"]}},
        report={
            "explanation": rows,
            "rmse": 0.018,
            "r2": 0.1,
            "spearman": spearman,
            "model": "linear",
            "models": {
                "linear": {**CURVE[-1], "learning_curve": CURVE},
                "boosted": {**CURVE[0], "learning_curve": CURVE},
            },
        },
        dual_labelled=120,
    )


def client_as(project: Project, role: Role = Role.RESEARCHER) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def read(project: Project, version: int) -> str:
    address = reverse("router-version", args=[project.slug, version])
    return " ".join(client_as(project).get(address).content.decode().split())


def test_a_version_shows_what_it_learned_and_what_to_be_warned_of() -> None:
    project = make_project()
    make_router(
        project,
        spearman=-0.1,
        **{"judge <b>unsure": (0.001, 0.0005, 0.002), "short": (-0.001, -0.002, 0.001)},
    )
    text = read(project, 1)
    assert "judge &lt;b&gt;unsure" in text
    assert "+10.00" in text
    assert "+5.00 … +20.00" in text
    # Clear on one side only.
    assert text.count('class="whisker human"') == 1
    assert "Fitted on 120 dual-labelled instances only" in text
    assert "cannot tell mixes apart" in text
    assert "Not used: rouge1_f is constant." in text
    assert "boosted trees" in text
    assert "This is the first version." in text


def test_a_version_says_what_changed_since_the_one_before() -> None:
    project = make_project()
    make_router(project, a=(0.001, 0.0005, 0.0015), old=(0, 0, 0))
    make_router(project, spearman=0.6, a=(0.003, 0.0025, 0.0035), new=(0, 0, 0))
    text = read(project, 2)
    assert "Against v1" in text
    assert "+10.00 → +30.00" in text
    assert "new column" in text
    assert "gone column" in text
    assert "0.600" in text


def test_decisions_are_counted_under_each_version() -> None:
    project = make_project()
    router = make_router(project)
    rows = [make_instance(project) for _ in range(4)]
    sent = [Destination.BOTH, Destination.JUDGE, Destination.JUDGE, Destination.JUDGE]
    choices = [
        Choice(row.pk, to, Arm.ROUTED, 0.5, "because", 1)
        for row, to in zip(rows, sent, strict=True)
    ]
    decide(project=project, choices=choices, router=router, open_slots=False)
    assert "4 · 1 to people, 3 to judges" in read(project, 1)


def test_a_column_that_is_not_the_routers_is_not_found() -> None:
    project = make_project()
    make_router(project)
    address = reverse("router-behind", args=[project.slug, 1])
    client = client_as(project)
    assert client.get(address, {"column": "judge unsure"}).status_code == 404
    assert client.get(address).status_code == 302
    assert client.get(reverse("router-version", args=[project.slug, 2])).status_code == 404


def test_reviewers_and_annotators_see_no_router() -> None:
    project = make_project()
    make_router(project)
    for role in (Role.REVIEWER, Role.ANNOTATOR):
        client = client_as(project, role)
        for name in ("router-version", "router-behind"):
            assert client.get(reverse(name, args=[project.slug, 1])).status_code == 403


def test_the_list_needs_a_constant_number_of_queries() -> None:
    project = make_project()
    client, address = client_as(project), reverse("router", args=[project.slug])
    counts = []
    for number in (1, 4):
        for _ in range(number):
            make_router(project)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_overview_leads_to_every_room() -> None:
    project = make_project()
    make_router(project)
    text = client_as(project).get(reverse("routing", args=[project.slug])).content.decode()
    for name in ("routing-live", "budgets", "frontier", "router", "features", "replays"):
        assert f'class="card kpi" href="{reverse(name, args=[project.slug])}"' in text
