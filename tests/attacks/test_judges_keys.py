"""A provider that repeats the key wherever it can: afterwards it is written down nowhere."""

import json
import logging
from typing import Any

import pytest
from django.db import connection
from psycopg.sql import SQL, Identifier

from annotation.judges.connections import change_connection, create_connection, try_connection
from annotation.judges.models import JudgeCall, Provider
from core.exceptions import InvalidInput
from tests.annotation.judge_scene import begin, finish, make_budget, make_judge, plant
from tests.annotation.raw_server import response, serving
from tests.annotation.test_judge_providers_wire import chat_reply
from tests.factories import make_project, make_user

KEY = "sk-very/secret+4711"
ESCAPED = KEY.replace("/", "\\/")


def everything() -> str:
    """Every row of every table as text."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        rows = []
        for name in names:
            cursor.execute(SQL("SELECT whole::text FROM {} AS whole").format(Identifier(name)))
            rows += [row[0] or "" for row in cursor.fetchall()]
    return "\n".join(rows)


def repeating() -> list[bytes]:
    """Replies and errors of every kind with the key in each of their parts."""
    spoken = chat_reply(
        f"A, said {KEY}",
        finish_reason=KEY,
        logprobs={"content": [{"token": KEY, "top_logprobs": [{"token": KEY, "logprob": -1}]}]},
    )
    good: dict[str, Any] = {"id": f"id-{KEY}", "model": KEY, **spoken}
    error = {"error": {"message": f"bad key {KEY} " * 30, "code": KEY, "type": KEY}}
    spelt = json.dumps(error).replace("/", "\\/")
    return [
        response(200, good),
        response(400, error, X_Key=KEY),
        response(400, spelt),
        response(422, f"<html>{KEY}</html>"),
        response(200, f"not JSON {KEY}"),
        response(200, {"error": {"message": KEY, "code": 400}}),
        response(200, {"choices": [{"message": {"refusal": KEY}}]}),
        b"HTTP/1.1 " + KEY.encode() + b" odd\r\n\r\n" + KEY.encode(),
        response(307, "", Location=f"http://127.0.0.1:1/{KEY}"),
    ]


@pytest.mark.django_db
def test_a_key_that_is_repeated_everywhere_is_written_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    project, owner = make_project(), make_user()
    plant(project, 12)
    with serving(*repeating()) as server:
        made = create_connection(
            project=project,
            actor=owner,
            name="odd",
            provider=Provider.OPENAI,
            base_url=server.url,
            key=KEY,
            concurrency=1,
            attempts=1,
        )
        tried = try_connection(connection=made, model="m")
        run = finish(begin(make_judge(made, parameters={"mode": "reasoned"}), make_budget(project)))
        assert KEY in "".join(server.heads)
    assert JudgeCall.objects.count() >= 8
    assert JudgeCall.objects.exclude(reply="").exists()
    said = capfd.readouterr()
    logged = f"{caplog.text}{said.out}{said.err}{tried}{made!r}{run.stop_reason}"
    for place in (everything(), logged):
        assert KEY not in place
        assert ESCAPED not in place
        assert "very/secret" not in place


@pytest.mark.django_db
def test_a_key_follows_to_no_look_alike_of_its_server() -> None:
    project, owner = make_project(), make_user()
    made = create_connection(
        project=project,
        actor=owner,
        name="real",
        provider=Provider.OPENAI,
        base_url="https://api.example.com/v1",
        key=KEY,
    )
    for url in (
        "https://api.example.com.evil.example/v1",
        "https://api.example.com:8443/v1",
        "http://api.example.com/v1",
        "https://api.example.com@evil.example/v1",
        "https://evil.example\\@api.example.com/v1",
        "https://evil.example#@api.example.com/v1",
        "https://\u0430pi.example.com/v1",
        "https://api.example.com\u3002evil.example/v1",
        "https://[fe80::1%25eth0]/v1",
        "https://0x7f.1/v1",
        "https://169.254.169.254.:443/v1",
        "https://[fec0::1]/v1",
        "https://[64:ff9b::a9fe:a9fe]/v1",
        "https://168.63.129.16/v1",
    ):
        with pytest.raises(InvalidInput):
            change_connection(connection=made, actor=owner, base_url=url)
    made.refresh_from_db()
    assert made.base_url == "https://api.example.com/v1"
