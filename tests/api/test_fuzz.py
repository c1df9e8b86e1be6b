"""What the description allows, and what it does not, is sent to every route by schemathesis.

Nothing may break, and what comes back must be what the description says. Every route is asked as
owner and annotator by session and as researcher by token, about things that are there; what it
changed is taken back before the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from pytest_django import Settings
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.access_tokens import make_token
from accounts.models import Scope
from config.api import whole_schema
from tests.frontend.world import World, make_world

pytestmark = pytest.mark.django_db
Asker = dict[str, dict[str, str]]


def nothing_broke(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """502 and 503 are another server's fault, and are described."""
    assert response.status_code != 500


CHECKS = [
    nothing_broke,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Cases of each kind for every route, from each of those who ask; writes have more to get wrong.
CASES = {"get": 1}
MOST_CASES = 2
# The routes in as many parts, which run side by side.
PARTS = 4


def few(operation: Any) -> settings:
    return settings(
        max_examples=CASES.get(operation.method, MOST_CASES),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    settings.API_REQUESTS_PER_MINUTE = 0
    settings.ALLOWED_HOSTS = ["*"]
    # A request through WSGI would close the connection that the test's transaction is on.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield make_world("fuzzed")
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def by_session(world: World, role: str) -> Asker:
    """What a browser sends that is logged in and has the proof of where its forms come from."""
    client = Client()
    client.force_login(world.people[role])
    proof = "a" * 32
    cookies = {"sessionid": client.cookies["sessionid"].value, "csrftoken": proof}
    return {"headers": {"X-CSRFToken": proof}, "cookies": cookies}


def by_token(world: World, role: str) -> Asker:
    _row, text = make_token(user=world.people[role], name="x", scopes=list(Scope), days=1)
    return {"headers": {"Authorization": f"Bearer {text}"}, "cookies": {}}


def operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(whole_schema())
    schema.app = get_wsgi_application()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        yield found.ok()


@contextmanager
def taken_back() -> Iterator[None]:
    """What is written inside is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def send(operation: Any, mode: GenerationMode, asking: list[Asker], world: World) -> None:
    known = {"slug": world.project.slug, **world.ids}

    @few(operation)
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Case[Any]) -> None:
        case.path_parameters.update({k: v for k, v in known.items() if k in case.path_parameters})
        # Who asks is not what is tried here.
        case.cookies.clear()
        for name in ("Authorization", "Idempotency-Key"):
            case.headers.pop(name, None)
        for asker in asking:
            with taken_back():
                case.call_and_validate(
                    headers=asker["headers"], cookies=asker["cookies"], checks=CHECKS
                )

    one()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_route_breaks_or_says_what_is_not_described(world: World, part: int) -> None:
    asking = [by_session(world, "owner"), by_session(world, "annotator")]
    asking.append(by_token(world, "researcher"))
    failed: list[str] = []
    for operation in islice(operations(), part, None, PARTS):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                send(operation, mode, asking, world)
            except (FailureGroup, Failure, AssertionError) as error:
                failed.append(f"{operation.label}: {error}"[:1500])
    assert not failed, "\n\n".join(failed)
