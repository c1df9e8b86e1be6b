"""The form that starts a round: what it takes as a budget."""

import pytest
from django.test import Client

from accounts.models import Role
from routing.rounds.models import Round
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db


def start(**fields: str) -> int:
    client = Client()
    client.force_login(make_member(make_project("Answers"), Role.OWNER))
    return client.post("/p/answers/rounds/start/", fields).status_code


@pytest.mark.parametrize("budget", ["", "0", "-5", "0.5", "100", "nan", "inf", "1e-300", "much"])
def test_a_budget_outside_1_to_99_per_cent_starts_nothing(budget: str) -> None:
    assert start(budget=budget) == 422
    assert not Round.objects.exists()


def test_a_budget_in_per_cent_starts_a_round() -> None:
    assert start(budget="1") == 302
    assert Round.objects.get().options["budget_share"] == 0.01
