"""The frontier: what the slider shows, what is refused, and what is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from core.exceptions import InvalidInput
from frontend.frontier.wishes import micros, scale, wished
from jobs.models import Job
from routing.budgets.models import Allowance
from routing.budgets.services import change_limit, create_allowance
from routing.decisions.models import Router
from routing.decisions.services import save_router
from routing.frontier.curve import Line, grouped
from routing.frontier.plan import Terms, spending
from routing.frontier.selectors import sheet_path
from routing.frontier.sheet import LABELS, MODEL, Sheet, save
from tests.bench.routing_frontier import sheet as large_sheet
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db

MILLION = 1_000_000
COUNT, AUDIT = 100, 5
FACTS = {
    "strategy": "hyper-linear",
    "reads_judge": False,
    "judge_price": 10_000,
    "dual": 300,
    "seed": 300,
    "used": 300,
    "unseen": False,
    "rmse": 0.01,
    "r2": 0.6,
    "spearman": 0.8,
    "newest": 0,
    "population": "open",
    "prepared": "2026-01-01T00:00:00+00:00",
}


def sheet(kind: str = MODEL, **facts: object) -> Sheet:
    at = np.arange(COUNT + 1.0)
    value = 0.7 + 0.2 * np.sqrt(at / COUNT)
    return Sheet(
        kind,
        AUDIT,
        np.full(COUNT, MILLION),
        np.ones(COUNT, dtype=np.int64),
        (
            Line("ours", at, value, value - 0.02, value + 0.02),
            Line("random", at, 0.7 + 0.2 * at / COUNT),
            Line("oracle", np.linspace(0, COUNT, 11), np.linspace(0.6, 0.95, 11)),
        ),
        {"domain": grouped(["<b>code</b>", "medicine"] * (COUNT // 2), np.arange(COUNT))},
        FACTS | facts,
    )


@pytest.fixture
def project(settings: Settings, tmp_path: Path) -> Project:
    settings.MEDIA_ROOT = tmp_path
    return make_project("Helpful")


@pytest.fixture
def router(project: Project) -> Router:
    found = save_router(
        project=project, strategy="hyper-linear", parameters={}, report={}, dual_labelled=300
    )
    save(sheet(), sheet_path(found))
    return found


@pytest.fixture
def allowance(project: Project) -> Allowance:
    return create_allowance(
        project=project, name="people", unit="money", limit=20 * MILLION, spender="people", by=None
    )


def client_as(project: Project, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def page(project: Project, role: Role = Role.ADMIN, **wish: str) -> tuple[int, str]:
    reply = client_as(project, role).get(reverse("frontier", args=[project.slug]), wish)
    return reply.status_code, reply.content.decode()


def slide(project: Project, **wish: str) -> str:
    reply = client_as(project).get(
        reverse("frontier", args=[project.slug]), wish, headers={"HX-Request": "true"}
    )
    return reply.content.decode()


def send(
    project: Project, allowance: Allowance, limit: str, version: int, role: Role = Role.ADMIN
) -> tuple[int, str]:
    form = {"allowance": str(allowance.pk), "limit": limit, "version": str(version)}
    reply = client_as(project, role).post(reverse("frontier-save", args=[project.slug]), form)
    return reply.status_code, reply.content.decode()


def test_before_a_router_is_fitted_the_page_says_what_is_needed(project: Project) -> None:
    status, text = page(project)
    assert status == 200
    assert "No router is fitted yet" in text


def test_the_saved_budget_is_where_the_slider_stands(
    project: Project, router: Router, allowance: Allowance
) -> None:
    status, text = page(project)
    assert status == 200
    assert 'aria-valuetext="20.00 USD: 20 of 100 instances to people, 78.9 % predicted"' in text
    assert "this is the saved budget" in text
    assert "&lt;b&gt;code" in text
    assert "<b>code" not in text


def test_a_move_of_the_slider_answers_with_the_plan_alone(
    project: Project, router: Router, allowance: Allowance
) -> None:
    text = slide(project, limit="50", exact="50", was="50")
    assert "<html" not in text
    assert "<b>50</b>" in text
    assert "84.1 %" in text
    # √.5 − √.2 of 20 points.
    assert "+5.2" in text
    assert "Save this budget" in text


def test_below_the_minimum_nothing_can_be_saved_and_the_minimum_is_named(
    project: Project, router: Router, allowance: Allowance
) -> None:
    text = slide(project, limit="4.99", exact="4.99", was="")
    assert "Below the minimum" in text
    assert "Save this budget" not in text
    status, text = send(project, allowance, "4.99", allowance.version)
    assert status == 422
    assert "the audit arm of 5 instances take 5.00 USD" in text
    allowance.refresh_from_db()
    assert allowance.limit == 20 * MILLION


def test_saving_changes_the_limit(project: Project, router: Router, allowance: Allowance) -> None:
    status, _ = send(project, allowance, "35.50", allowance.version)
    assert status == 302
    allowance.refresh_from_db()
    assert (allowance.limit, allowance.version) == (35_500_000, 2)


def test_of_two_admins_the_second_sees_what_the_first_saved(
    project: Project, router: Router, allowance: Allowance
) -> None:
    seen = allowance.version
    change_limit(allowance=allowance, limit=30 * MILLION, version=seen, by=None)
    status, text = send(project, allowance, "40", seen)
    assert status == 409
    assert "30.00 USD" in text
    assert "You asked for 40.00 USD: nothing of yours was written" in text
    assert f'name="version" value="{seen + 1}"' in " ".join(text.split())
    allowance.refresh_from_db()
    assert allowance.limit == 30 * MILLION


def test_a_researcher_looks_but_does_not_save(
    project: Project, router: Router, allowance: Allowance
) -> None:
    status, text = page(project, Role.RESEARCHER, exact="50", was="")
    assert status == 200
    assert "owners and admins save budgets" in text
    assert send(project, allowance, "50", 1, Role.RESEARCHER)[0] == 403


def test_an_allowance_of_another_project_is_not_found(
    project: Project, router: Router, allowance: Allowance
) -> None:
    other = create_allowance(
        project=make_project("Other"), name="theirs", unit="money", limit=MILLION, by=None
    )
    assert page(project, allowance=str(other.pk))[0] == 404
    assert send(project, other, "50", 1)[0] == 404
    other.refresh_from_db()
    assert other.limit == MILLION


@pytest.mark.parametrize("raw", ["abc", "-1", "NaN", "1e400", "9" * 30])
def test_a_budget_that_is_no_amount_is_refused(
    raw: str, project: Project, router: Router, allowance: Allowance
) -> None:
    status, text = page(project, exact=raw, was="")
    assert status == 422
    assert "Give the budget as a number" in text
    assert send(project, allowance, raw, 1)[0] == 422


def test_a_predictor_without_signal_is_called_so(project: Project, router: Router) -> None:
    save(sheet(r2=-0.1, spearman=0.02), sheet_path(router))
    assert "cannot tell mixes apart here" in page(project)[1]
    save(sheet(), sheet_path(router))
    assert "cannot tell mixes apart here" not in page(project)[1]


def test_label_and_model_level_are_never_mixed(project: Project, router: Router) -> None:
    assert "Accuracy of the reward model" in page(project)[1]
    save(sheet(LABELS), sheet_path(router))
    text = page(project)[1]
    assert "Accuracy of the labels" in text
    assert "reward model" not in text
    assert "its line is flattering" in text


def test_the_job_is_awaited_and_a_failure_is_told(project: Project, router: Router) -> None:
    job = Job.objects.create(kind="routing.frontier", project=project, state="queued")
    assert "are being scored" in page(project)[1]
    job.state, job.error = "failed", "Nothing waits: every instance has a label of people."
    job.save()
    assert "Not scored: Nothing waits" in page(project)[1]


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as found:
        act()
    return len(found)


def test_queries_do_not_grow(project: Project, router: Router, allowance: Allowance) -> None:
    client = client_as(project)
    address = reverse("frontier", args=[project.slug])
    before = queries(lambda: client.get(address))
    for number in range(3):
        make_instance(project)
        create_allowance(
            project=project, name=f"more {number}", unit="labels", limit=MILLION, by=None
        )
    assert queries(lambda: client.get(address)) == before


def test_moves_at_100_000_instances_ask_the_database_no_more(
    project: Project, router: Router, allowance: Allowance
) -> None:
    few = queries(lambda: client_as(project).get(reverse("frontier", args=[project.slug])))
    save(large_sheet(), sheet_path(router))
    client = client_as(project)
    address = reverse("frontier", args=[project.slug])
    for limit in range(9_000, 19_000, 5_000):
        with CaptureQueriesContext(connection) as asked:
            reply = client.get(address, {"exact": str(limit)}, headers={"HX-Request": "true"})
        assert reply.status_code == 200
        assert len(asked) <= few


def test_without_a_script_the_field_and_the_slider_agree() -> None:
    stays = {"exact": "30.00", "was": "30.00", "limit": "29.82", "stood": "29.82"}
    assert wished(stays, "money", 0) == 30 * MILLION
    assert wished(stays | {"limit": "40.1"}, "money", 0) == 40_100_000
    assert wished(stays | {"exact": "45"}, "money", 0) == 45 * MILLION
    assert wished({}, "money", 7) == 7
    assert micros(" 1250,50 ") == 1_250_500_000
    with pytest.raises(InvalidInput):
        micros("1_000_000_000_000_000_000")


def test_the_slider_never_lies_under_the_minimum_and_reaches_the_end() -> None:
    money = spending(sheet(), Terms(taken=1_234_567))
    found = scale(money, "money", 20 * MILLION, None)
    assert float(found.least) >= money.minimum / MILLION
    assert float(found.most) >= money.maximum / MILLION
    steps = (float(found.stood) - float(found.least)) / float(found.step)
    assert steps == pytest.approx(round(steps))
