"""The interface's own description: whole, valid, and the same as the one that is committed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The description as `make schema` writes it; a warning would have ended it here."""
    file = tmp_path_factory.mktemp("schema") / "openapi.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))
    return file.read_text(encoding="utf-8")


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_the_committed_description_is_what_the_routes_say(written: str) -> None:
    same = SNAPSHOT.read_text(encoding="utf-8") == written
    assert same, "The interface has changed: run `make schema` and commit docs/openapi.yaml."


def test_every_operation_has_a_name_a_tag_a_sentence_and_errors(written: str) -> None:
    schema = yaml.safe_load(written)
    assert schema["openapi"] == "3.1.0"
    found = dict(operations(schema))
    names = Counter(operation["operationId"] for operation in found.values())
    assert [name for name, times in names.items() if times > 1] == []
    for where, operation in found.items():
        assert operation["operationId"].isidentifier(), where
        assert operation.get("description"), where
        assert len(operation["tags"]) == 1, where
        assert {"400", "401", "403", "404", "422", "429"} <= set(operation["responses"]), where
        assert operation["security"] == [{"token": []}, {"cookieAuth": []}], where


def test_every_write_takes_a_key_and_reads_take_none(written: str) -> None:
    for where, operation in operations(yaml.safe_load(written)):
        headers = [
            each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"
        ]
        assert ("Idempotency-Key" in headers) != where.startswith("get"), where


def test_lists_are_pages(written: str) -> None:
    schema = yaml.safe_load(written)
    pages = [
        operation
        for _where, operation in operations(schema)
        if operation["operationId"].startswith("list_")
    ]
    assert len(pages) > 10
    for operation in pages:
        ref = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        page = schema["components"]["schemas"][ref.rpartition("/")[2]]
        assert set(page["properties"]) == {"results", "next"}, operation["operationId"]


@pytest.mark.django_db
def test_everybody_may_read_the_description_and_its_page() -> None:
    schema = Client().get("/api/v1/schema/?format=json").json()
    assert "/api/v1/projects/{slug}/runs/" in schema["paths"]
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert "script-src 'self';" in page["Content-Security-Policy"]
    assert "<script>" not in page.text
