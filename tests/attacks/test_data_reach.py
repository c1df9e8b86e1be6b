"""Every address, walked by those who should see the least of it."""

import re
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from accounts.access_tokens import make_token
from accounts.models import Scope, User
from annotation.instances.models import Completion, Instance
from annotation.judges.models import Judge
from annotation.labels.models import Annotator
from tests.factories import make_instance, make_project, make_slot, make_user
from tests.frontend.world import World, make_world

pytestmark = pytest.mark.django_db
# What is asked by a body and changes nothing.
ANSWERS = ("/score", "/rank", "/rerank")


@pytest.fixture
def world(settings: LazySettings) -> World:
    settings.API_REQUESTS_PER_MINUTE = 0
    return make_world("walked")


def bearer(user: User, *scopes: str, **fields: object) -> Client:
    _row, text = make_token(
        user=user,
        name="test",
        scopes=scopes or tuple(Scope.values),
        days=30,
        **fields,  # type: ignore[arg-type]
    )
    headers = {"authorization": f"Bearer {text}"}
    return Client(headers=headers, raise_request_exception=False)


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        here = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, here)
        else:
            yield here, each


def addresses(world: World) -> Iterator[tuple[str, URLPattern]]:
    known = {"slug": world.project.slug} | world.ids
    for pattern, route in routes(get_resolver()):
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(known.get(found[1], 1)), pattern)
        if "(?P" not in path:
            yield f"/{path}", route


def mark(world: World) -> list[str]:
    """Give everything that an annotator must not see a name that nothing else has."""
    own = Annotator.objects.filter(project=world.project, user=world.people["annotator"])
    make_slot(make_instance(world.project))
    Completion.objects.update(generator="seen-generator")
    Instance.objects.update(tags=["seen-tag"])
    for number, judge in enumerate(Judge.objects.all()):
        Judge.objects.filter(pk=judge.pk).update(name=f"seen-judge-{number}")
    for other in Annotator.objects.exclude(pk__in=own):
        Annotator.objects.filter(pk=other.pk).update(pseudonym=f"seen-annotator-{other.pk}")
    return re.findall(r"seen-\w+", "seen-generator seen-tag seen-judge seen-annotator")


def told(client: Client, path: str) -> tuple[int, str]:
    answer = client.get(path)
    body = b"".join(answer) if answer.streaming else answer.content
    return answer.status_code, body.decode("utf-8", "replace")


def test_an_annotator_is_told_of_nothing_behind_an_instance(world: World) -> None:
    marks = mark(world)
    program = bearer(world.people["annotator"])
    person = Client(raise_request_exception=False)
    person.force_login(world.people["annotator"])
    found, answered = [], 0
    for path, _route in addresses(world):
        if "logout" in path:
            continue
        client = program if path.startswith("/api/") else person
        code, body = told(client, path)
        answered += code == 200
        found += [(path, code, each) for each in marks if each in body]
    assert answered > 20
    assert found == []


@pytest.mark.parametrize("who", ["outsider", "token of another project"])
def test_an_outsider_finds_nothing(world: World, who: str) -> None:
    marks = mark(world)
    owner = world.people["owner"]
    other = make_project("elsewhere", owner=owner)
    client = bearer(make_user()) if who == "outsider" else bearer(owner, project=other)
    found, asked = [], 0
    for path, _route in addresses(world):
        if not path.startswith("/api/v1/projects/walked/"):
            continue
        code, body = told(client, path)
        asked += 1
        if code not in (404, 405) or any(each in body for each in marks):
            found.append((path, code))
    assert asked > 100
    assert found == []


def test_a_token_that_reads_changes_nothing(world: World) -> None:
    client = bearer(world.people["owner"], "read")
    found, asked = [], 0
    for path, route in addresses(world):
        view = getattr(route.callback, "cls", None)
        if view is None or not path.startswith("/api/v1/"):
            continue
        for method in ("post", "put", "patch", "delete"):
            if hasattr(view, method) and not path.endswith(ANSWERS):
                asked += 1
                answer = client.generic(method.upper(), path, b"{}", "application/json")
                if answer.status_code != 403:
                    found.append((method, path, answer.status_code))
    assert asked > 60
    assert found == []


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, str(2**63 - 1), "0"])
def test_no_number_in_an_address_breaks_it(world: World, number: str) -> None:
    client = bearer(world.people["owner"])
    page = Client(raise_request_exception=False)
    page.force_login(world.people["owner"])
    broken, asked = [], 0
    for pattern, _route in routes(get_resolver()):
        if "<int:" not in pattern:
            continue
        path = "/" + re.sub(r"<int:\w+>", number, pattern.replace("<slug:slug>", "walked"))
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(world.ids.get(found[1], 1)), path)
        answer = (client if path.startswith("/api/") else page).get(path)
        asked += 1
        if answer.status_code not in (404, 405):
            broken.append((path[:100], answer.status_code))
    assert asked > 60
    assert broken == []


@pytest.mark.parametrize(
    "wanted",
    ["bytes=" + "9" * 5000 + "-", "bytes=\u0663-", "bytes=-", "bytes=5-2"],
)
def test_no_range_breaks_a_download(world: World, wanted: str) -> None:
    export = world.ids["export_id"]
    path = f"/api/v1/projects/walked/exports/{export}/files/pairs.jsonl"
    client = bearer(world.people["owner"])
    answer = client.get(path, headers={"range": wanted})
    assert answer.status_code in (200, 416)
    assert client.get(path, headers={"range": "bytes=0-3"}).status_code == 206
