"""The page of budgets: reading, making, changing and ending them, and the banner of alerts."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, Role
from annotation.ledger.services import create_budget, settle_subject
from routing.budgets.alerts import raise_alerts
from routing.budgets.models import Allowance
from routing.budgets.selectors import payable
from routing.budgets.services import change_limit
from routing.budgets.spending import purse, reserve_purchases
from tests.factories import make_member, make_project

from .budget_scene import ONE, allow, buy, free_judge, states

pytestmark = pytest.mark.django_db
NEW = {
    "name": "People",
    "limit": "12.5",
    "unit": "money",
    "period": "month",
    "spender": "people",
    "currency": "eur",
}


@pytest.fixture
def project() -> Project:
    return make_project("Chats")


def client_of(project: Project, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def page_of(client: Client, path: str = "routing/budgets/") -> str:
    response = client.get(f"/p/chats/{path}")
    assert response.status_code == 200
    # Lines of a page are broken anywhere.
    return re.sub(r"\s+", " ", response.content.decode())


def send(client: Client, path: str, form: dict[str, Any]) -> tuple[int, str]:
    response = client.post(f"/p/chats/routing/budgets/{path}", form)
    return response.status_code, re.sub(r"\s+", " ", response.content.decode())


def test_a_budget_is_made_shown_changed_and_ended(project: Project) -> None:
    client = client_of(project)
    assert "No budget yet" in page_of(client)
    assert send(client, "new/", NEW)[0] == 302
    made = Allowance.objects.get()
    assert (made.limit, made.currency, made.period) == (12_500_000, "EUR", "month")
    page = page_of(client)
    assert "12.50 EUR free of 12.50 EUR" in page
    assert "No spending yet" in page
    status, _ = send(client, f"{made.pk}/limit/", {"limit": "20", "version": "1"})
    assert status == 302
    assert "20.00 EUR free of 20.00 EUR" in page_of(client)
    assert send(client, f"{made.pk}/end/", {"version": "2"})[0] == 302
    assert "No budget yet" in page_of(client)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"limit": "much"}, "give an amount such as 12.50"),
        ({"limit": "-1"}, "between 0 and"),
        ({"name": ""}, "Name the budget"),
        ({"unit": "hours"}, "Choose what the budget counts"),
        ({"judge": "999999"}, "Choose a judge of this project"),
        ({"judge": "9" * 400}, "Choose a judge of this project"),
        ({"currency": "EURO"}, "three letters"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_keeps_what_was_typed(
    project: Project, wrong: dict[str, str], said: str
) -> None:
    status, page = send(client_of(project), "new/", NEW | wrong)
    assert status == 422
    assert said in page
    if "limit" not in wrong:
        assert 'value="12.5"' in page
    assert not Allowance.objects.exists()


def test_a_limit_too_low_is_refused_with_the_minimum_beside_the_form(project: Project) -> None:
    allowance = allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy("a", 7.25)])
    status, page = send(
        client_of(project), f"{allowance.pk}/limit/", {"limit": "7", "version": "1"}
    )
    assert status == 422
    assert "7.25 USD are spent or set aside already" in page
    assert 'value="7"' in page


def test_who_saves_second_sees_what_the_first_saved(project: Project) -> None:
    allowance = allow(project, "all", 10)
    change_limit(allowance=allowance, limit=33 * ONE, version=1, by=None)
    client = client_of(project)
    status, page = send(client, f"{allowance.pk}/limit/", {"limit": "5", "version": "1"})
    assert status == 409
    assert "Somebody has changed this budget meanwhile: it is 33.00 USD now" in page
    # The form holds the new state, so that saving again is a decision.
    assert 'name="version" value="2"' in page
    assert 'value="33"' in page
    assert send(client, f"{allowance.pk}/end/", {"version": "1"})[0] == 409
    assert states(project)["all"].limit == 33 * ONE


@pytest.mark.parametrize("form", [{}, {"limit": "5"}, {"limit": "5", "version": "x"}])
def test_a_form_that_is_not_whole_changes_nothing(project: Project, form: dict[str, str]) -> None:
    allowance = allow(project, "all", 10)
    assert send(client_of(project), f"{allowance.pk}/limit/", form)[0] == 422
    assert states(project)["all"].limit == 10 * ONE


def test_names_are_escaped(project: Project) -> None:
    allow(project, "<b>&name", 10)
    reserve_purchases(project=project, purchases=[buy("a", 10)])
    raise_alerts()
    page = page_of(client_of(project))
    assert "<b>&name" not in page
    assert page.count("&lt;b&gt;&amp;name") >= 2


def test_alerts_are_a_banner_for_those_who_manage_budgets_until_they_have_seen_it(
    project: Project,
) -> None:
    allow(project, "all", 10)
    reserve_purchases(project=project, purchases=[buy(str(number)) for number in range(8)])
    raise_alerts()
    admin = client_of(project)
    words = "has passed 80 %: 8.00 USD of 10.00 USD are spent or set aside"
    assert words in page_of(admin)
    assert words in page_of(admin, "dashboard/")
    assert words not in page_of(admin, "label/")
    assert words not in page_of(client_of(project, Role.RESEARCHER), "dashboard/")
    assert send(admin, "seen/", {})[0] == 302
    assert words not in page_of(admin)
    reserve_purchases(project=project, purchases=[buy("b", 2)])
    raise_alerts()
    assert "is used up" in page_of(admin)


def test_researchers_read_and_change_nothing(project: Project) -> None:
    allow(project, "all", 10)
    page = page_of(client_of(project, Role.RESEARCHER))
    assert "10.00 USD free of 10.00 USD" in page
    assert "Change or end" not in page
    assert "A new budget" not in page


def test_the_page_asks_as_often_for_many_budgets_as_for_one(project: Project) -> None:
    client = client_of(project)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page_of(client)
        return len(seen)

    allow(project, "0", 100, period="day")
    few = queries()
    for number in range(1, 8):
        allow(project, str(number), 100)
    wanted = [buy(str(number)) for number in range(30)]
    reserve_purchases(project=project, purchases=wanted)
    for each in wanted[:20]:
        settle_subject(project=project, subject=each.subject)
    raise_alerts()
    assert queries() == few


def test_windows_and_purses_are_no_budgets_to_pick_by_hand(project: Project) -> None:
    plain = create_budget(project=project, name="plain", limit_micros=1)
    allow(project, "all", 10)
    purse(project=project, name="run", amount=ONE, judge=free_judge(project))
    assert list(payable(project)) == [plain]
