"""Hostile values in the addresses and forms of routing: an answer in words, never a fault."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from accounts.services import add_member
from routing.budgets.models import Allowance
from routing.decisions.services import save_router
from routing.live.models import LiveRouting
from tests.annotation.judge_scene import plant
from tests.factories import make_project, make_user
from tests.routing.budget_scene import allow, free_judge
from tests.routing.test_live_pages import sent

pytestmark = pytest.mark.django_db
NUMBERS = (
    "",
    "-1",
    "-0.000001",
    "NaN",
    "sNaN",
    "-NaN123",
    "inf",
    "-Infinity",
    "1e30",
    "1e999999",
    "9e9999999999999999999",
    "1e-999999",
    "0.0000001",
    "9" * 400,
    "1" * 20,
    "9223372036854775808",
    "٣٫٥",
    "¼",
    "1_0_0x",
    "0x10",
    "1;2",
    "\0",
    "12\u0000",
    "<b>1</b>",
)


@pytest.fixture
def project() -> Project:
    made = make_project()
    plant(made, 3)
    return made


@pytest.fixture
def owner(project: Project) -> Client:
    user = make_user()
    add_member(project=project, user=user, role=Role.OWNER)
    client = Client()
    client.force_login(user)
    return client


def url(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


@pytest.mark.parametrize("number", NUMBERS, ids=ascii)
def test_a_limit_that_is_no_amount_is_refused_in_words(
    project: Project, owner: Client, number: str
) -> None:
    made = allow(project, "all", 10)
    form = {"name": "new", "unit": "money", "period": "day", "spender": "all", "limit": number}
    for name, args, values in (
        ("budget-new", (), form),
        ("budget-change", (made.pk,), {"limit": number, "version": "1"}),
        ("frontier-save", (), {"limit": number, "version": "1", "allowance": str(made.pk)}),
        ("budget-change", (made.pk,), {"limit": "11", "version": number}),
        ("budget-end", (made.pk,), {"version": number}),
    ):
        answer = owner.post(url(name, project, *args), values)
        assert answer.status_code in {409, 422, 400}, (name, answer.status_code)
    made.refresh_from_db()
    assert made.limit == 10_000_000
    assert made.ended_at is None
    assert Allowance.objects.count() == 1


@pytest.mark.parametrize("number", [n for n in NUMBERS if n != "0.0000001"], ids=ascii)
def test_numbers_of_settings_are_refused_in_words(
    project: Project, owner: Client, number: str
) -> None:
    free_judge(project)
    for field in (
        "version",
        "batch_size",
        "seed_size",
        "refit_after",
        "seconds_per_label",
        "audit_share",
        "people_share",
        "human_price",
        "expert_price",
        "judge",
        "strong_judge",
    ):
        if field in {"judge", "strong_judge"} and not number:
            continue
        answer = owner.post(
            url("routing-live", project), sent(project, **{"judge": "", field: number})
        )
        assert answer.status_code in {400, 409, 422}, (field, answer.status_code)
    assert LiveRouting.objects.get(project=project).version == 1


@pytest.mark.parametrize(
    "number", ["", "NaN", "1e999999", "9" * 400, "٣٫٥", "\0", "<b>"], ids=ascii
)
def test_what_addresses_of_routing_say_is_never_a_fault(
    project: Project, owner: Client, number: str
) -> None:
    made = allow(project, "all", 10)
    save_router(
        project=project,
        strategy="random",
        parameters={"strategy": "random"},
        report={},
        dual_labelled=0,
    )
    for name, args, fields in (
        ("routing-decisions", (), ("arm", "destination", "router", "about", "before", "replaced")),
        ("router-behind", (1,), ("column",)),
        ("features", (), ("judge",)),
        ("replays", (), ("page",)),
        ("router", (), ("page",)),
        ("frontier", (), ("allowance", "limit", "exact", "was", "stood")),
        ("tags", (), ("page", "judge", "budget")),
    ):
        for field in fields:
            for headers in ({}, {"HX-Request": "true"}):
                answer = owner.get(url(name, project, *args), {field: number}, headers=headers)
                assert answer.status_code < 500, (name, field, answer.status_code)
    assert made.limit == 10_000_000


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "x"]
)
def test_moments_beyond_the_calendar(project: Project, owner: Client, moment: str) -> None:
    answer = owner.get(url("routing-decisions", project), {"before": moment})
    assert answer.status_code == 200


@pytest.mark.parametrize("number", ["", "-1", "NaN", "1e30", "9" * 400, "٣", "51", "\0"], ids=ascii)
def test_replays_are_bounded(project: Project, owner: Client, number: str) -> None:
    judge = free_judge(project)
    form = {"judge": str(judge.pk), "seeds": "2", "budgets": "10", "truth": "held-out"}
    for field in ("seeds", "budgets", "truth", "criterion", "name", "judge", "strategy"):
        answer = owner.post(url("replay-start", project), form | {field: number})
        assert answer.status_code < 500, (field, answer.status_code)
    wide = ",".join(str(n / 1000) for n in range(1, 20_000))
    answer = owner.post(url("replay-start", project), form | {"budgets": wide})
    assert answer.status_code in {409, 422}
