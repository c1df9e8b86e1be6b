"""The page of a judge warns where its model or its sampling may change unseen."""

import pytest
from django.test import Client

from annotation.judges.services import create_judge
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
MOVES, UNKNOWN = "name a dated snapshot", "left to the provider"


@pytest.mark.parametrize(
    ("model", "temperature", "warns"),
    [
        ("gpt-4o-2024-08-06", 0, (False, False)),
        ("gpt-4o", 0.7, (True, False)),
        ("gpt-4o-2024-08-06", None, (False, True)),
    ],
)
def test_moving_models_and_unknown_sampling_are_warned_of(
    client: Client, model: str, temperature: float | None, warns: tuple[bool, bool]
) -> None:
    project = make_project("judged", owner=make_user("chief"), slug="judged")
    judge = create_judge(
        project=project,
        name="careful",
        provider="openai-compatible",
        model=model,
        parameters={"temperature": temperature},
    )
    client.login(username="chief", password="secret")
    page = client.get(f"/p/judged/judges/{judge.pk}/").content.decode()
    assert (MOVES in page, UNKNOWN in page) == warns
