"""Cursor pagination: pages that neither skip nor repeat rows while rows are added."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

PAGE_ROWS = 50


@dataclass(frozen=True)
class Page:
    """Rows newest first, and the addresses of the pages around them (empty where there is none)."""

    rows: list[Any]
    newer: str
    older: str


def page_of(rows: QuerySet[Any, Any], request: HttpRequest, size: int = PAGE_ROWS) -> Page:
    """The page that `?before=<id>` or `?after=<id>` asks for; ordered by id, one query."""
    before, after = _number(request, "before"), _number(request, "after")
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        more_newer, found = len(found) > size, found[:size][::-1]
        return _page(request, found, newer=more_newer, older=bool(found))
    chosen = rows if before is None else rows.filter(pk__lt=before)
    found = list(chosen.order_by("-pk")[: size + 1])
    more_older, found = len(found) > size, found[:size]
    return _page(request, found, newer=before is not None and bool(found), older=more_older)


def _number(request: HttpRequest, name: str) -> int | None:
    raw = request.GET.get(name, "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 19 else None


def _page(request: HttpRequest, rows: list[Model], *, newer: bool, older: bool) -> Page:
    return Page(
        rows=rows,
        newer=_address(request, "after", rows[0].pk) if newer else "",
        older=_address(request, "before", rows[-1].pk) if older else "",
    )


def _address(request: HttpRequest, name: str, pk: int) -> str:
    query = request.GET.copy()
    for cursor in ("before", "after"):
        query.pop(cursor, None)
    query[name] = str(pk)
    return f"?{query.urlencode()}"
