"""Bodies that lie about what they are, at every door that takes one."""

import bz2
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.access_tokens import make_token
from accounts.models import Scope, User
from tests.attacks.test_data_reach import routes
from tests.factories import make_project, make_user
from tests.frontend.world import World, make_world

pytestmark = pytest.mark.django_db
TOKENS = "/api/v1/tokens/"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
# By what a route answers when another server is away.
NOT_OURS = {502, 503, 504}
JSON = {
    "nested": b'{"name":' * 1000 + b"1" + b"}" * 1000,
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "a NUL": b'{"name":"a\\u0000b"}',
    "half a character": b'{"name":"\\ud800","query":{"tags":["\\ud800"]}}',
    "a huge number": b'{"name":' + b"9" * 5000 + b"}",
    "no number": b'{"name":NaN,"query":NaN}',
    "without end": b'{"days":1e999}',
    "a list": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "a mark": b"\xef\xbb\xbf{}",
    "a key twice": b'{"name":1,"name":2}',
    "a NUL as key": b'{"\\u0000":1}',
    "nothing": b"",
}
TYPES = {
    "text/plain": b"x",
    "multipart/form-data": b"x",
    "multipart/form-data; boundary=x": b"--x--\r\n",
    "multipart/form-data; boundary=" + "b" * 300: b"",
    "application/x-www-form-urlencoded": b"a=1",
    "application/xml": b"<a/>",
    "": b"x",
}


def bearer(user: User) -> Client:
    _row, text = make_token(user=user, name="test", scopes=tuple(Scope.values), days=30)
    headers = {"authorization": f"Bearer {text}"}
    return Client(headers=headers, raise_request_exception=False)


@pytest.fixture
def client() -> Client:
    return bearer(make_user())


def doors(world: World) -> Iterator[tuple[str, str]]:
    """Method and address of everything of the interface that takes a body."""
    known = {"slug": world.project.slug} | world.ids
    for pattern, route in routes(get_resolver()):
        view = getattr(route.callback, "cls", None)
        if not pattern.startswith("api/") or view is None:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(known.get(found[1], 1)), pattern)
        yield from ((m.upper(), f"/{path}") for m in ("post", "put", "patch") if hasattr(view, m))


def test_no_body_breaks_a_door(settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    world = make_world("w")
    client = bearer(world.people["owner"])
    bodies = [(name, "application/json", body) for name, body in JSON.items()]
    bodies += [(kind, kind, body) for kind, body in TYPES.items()]
    broken, asked = [], 0
    for method, path in doors(world):
        for name, kind, body in bodies:
            answer = client.generic(method, path, body, content_type=kind)
            code, asked = answer.status_code, asked + 1
            told = answer.get("Content-Type") == "application/problem+json" or code < 400
            if (code >= 500 and code not in NOT_OURS) or not told:
                broken.append((method, path, name, code))
    assert asked > 1500
    assert broken == []


@pytest.mark.parametrize(
    "charset", ["zlib", "bz2", "rot13", "base64", "hex", "idna", "undefined", "utf-16", "nope"]
)
def test_no_body_chooses_how_it_is_unpacked(client: Client, charset: str) -> None:
    body = {"zlib": zlib.compress(b" " * 10**7), "bz2": bz2.compress(b" " * 10**7)}
    packed = body.get(charset, b"{}")
    answer = client.generic("POST", TOKENS, packed, f"application/json; charset={charset}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    for path in (TOKENS, "/login/", "/"):
        form = f"multipart/form-data; boundary=x; charset={charset}"
        assert client.generic("POST", path, PART, form).status_code == 400


@pytest.mark.parametrize("length", ["abc", "-5", "1e9", "9" * 20])
def test_no_length_breaks_it(client: Client, length: str) -> None:
    answer = client.post(TOKENS, b"{}", content_type="application/json", CONTENT_LENGTH=length)
    assert answer.status_code in (400, 413)
    assert answer["Content-Type"] == "application/problem+json"


def test_a_large_body_is_refused_unread(settings: Any) -> None:
    world = make_project("w", owner=make_user())
    client = bearer(world.memberships.get().user)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"instances": ["x" * 2000]}).encode()
    for kind in ("application/json", "application/JSON", "application/json; charset=utf-8"):
        answer = client.generic("POST", "/api/v1/projects/w/instances/", body, kind)
        assert answer.status_code == 413, kind
