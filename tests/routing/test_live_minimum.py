"""A budget that cannot pay for the audit arm of what waits is refused when it is saved."""

import pytest
from django.test import Client

from accounts.models import Project, Role
from routing.budgets.models import Allowance
from routing.live.models import LiveRouting, Mode
from routing.live.services import live_of
from routing.strategies import audit
from tests.endpoint.client import endpoint
from tests.factories import make_member
from tests.routing.live_scene import HUMAN, POUND, scene

pytestmark = pytest.mark.django_db
PRICE = HUMAN / POUND


@pytest.fixture
def project() -> Project:
    with endpoint() as server:
        return scene(server, 60, audit_share=0.2, strategy="random")


@pytest.fixture
def client(project: Project) -> Client:
    made = Client()
    made.force_login(make_member(project, Role.ADMIN))
    return made


def audited(project: Project) -> int:
    keys = list(project.instances.values_list("external_id", flat=True))
    return int(audit.draw(keys, project.protocol.salt, 0.2, at_least_one=False).sum())


def send(client: Client, project: Project, limit: str, unit: str = "money") -> tuple[int, str]:
    form = {
        "name": "People",
        "limit": limit,
        "unit": unit,
        "period": "month",
        "spender": "people",
        "currency": "usd",
    }
    response = client.post(f"/p/{project.slug}/routing/budgets/new/", form)
    return response.status_code, response.content.decode()


def test_a_new_budget_is_refused_with_the_minimum(client: Client, project: Project) -> None:
    least = audited(project)
    assert least > 3
    status, text = send(client, project, f"{least * PRICE - 0.1:.2f}")
    assert status == 422
    assert f"{least * PRICE:.2f} USD" in text
    status, text = send(client, project, str(least - 1), "labels")
    assert status == 422
    assert f"{least} labels" in text
    assert Allowance.objects.count() == 1
    assert send(client, project, f"{least * PRICE:.2f}")[0] == 302


def test_a_lowered_limit_is_refused_and_stays(client: Client, project: Project) -> None:
    allowance = Allowance.objects.get()
    path = f"/p/{project.slug}/routing/budgets/{allowance.pk}/limit/"
    response = client.post(path, {"limit": "0.4", "version": allowance.version})
    assert response.status_code == 422
    assert "give at least that" in response.content.decode()
    allowance.refresh_from_db()
    assert (allowance.limit, allowance.version) == (10_000 * POUND, 1)
    # Nothing at all is meant, and may be had.
    assert client.post(path, {"limit": "0", "version": 1}).status_code == 302


def test_where_nothing_is_routed_no_minimum_holds(client: Client, project: Project) -> None:
    LiveRouting.objects.filter(pk=live_of(project).pk).update(mode=Mode.OFF)
    assert send(client, project, "0.01")[0] == 302
