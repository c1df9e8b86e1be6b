"""Pages of lists over HTTP: a cursor on the primary key, so that every page costs the same.

Nothing is counted and nothing skipped: a page begins after the last row of the one before.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from .exceptions import InvalidInput

DEFAULT_LIMIT = 100
MOST = 500
_LARGEST = 2**63 - 1
_PAGES: dict[str, serializers.Serializer[Any]] = {}
_PARAMETERS = (
    OpenApiParameter("cursor", str, description="`next` of the page before; absent for the first."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
        description="How many rows at most.",
    ),
)


def paged(
    request: Request, rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]]
) -> Response:
    """One page of `rows` as `{"results": […], "next": cursor or null}`.

    `rows` must be ordered by the primary key alone, either way; what it prefetches is fetched for
    the page only.

    Raises:
        InvalidInput: the cursor is none of ours, or the limit is out of bounds.
    """
    newest_first = _newest_first(rows)
    limit = _limit(request.query_params.get("limit"))
    if cursor := request.query_params.get("cursor"):
        side = "pk__lt" if newest_first else "pk__gt"
        rows = rows.filter(**{side: _place(cursor)})
    # One more than asked for tells whether a page follows.
    page = list(rows[: limit + 1])
    following = cursor_after(page[limit - 1].pk) if len(page) > limit else None
    return Response({"results": serializer(page[:limit], many=True).data, "next": following})


def paged_by_time(
    request: Request, rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]]
) -> Response:
    """`paged` for rows whose keys have no order: by `created_at`, newest first.

    `rows` must be ordered by `-created_at, -pk`.

    Raises:
        InvalidInput: as `paged`.
    """
    limit = _limit(request.query_params.get("limit"))
    if cursor := request.query_params.get("cursor"):
        moment, key = _moment(cursor)
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=key))
    page = list(rows[: limit + 1])
    following = _cursor_at(page[limit - 1]) if len(page) > limit else None
    return Response({"results": serializer(page[:limit], many=True).data, "next": following})


def short(rows: Sequence[Any], serializer: type[serializers.BaseSerializer[Any]]) -> Response:
    """A list that never grows long, whole and in the shape of a page; see `page_of`."""
    return Response({"results": serializer(rows, many=True).data, "next": None})


def described(
    serializer: type[serializers.BaseSerializer[Any]],
    *parameters: OpenApiParameter,
    **more: Any,
) -> Callable[[Any], Any]:
    """The decorator of a view's `get` that answers with `paged`; `parameters` are its filters.

    A parameter that is none of them is refused: who misspells a filter must not get all rows.
    Use as `@paging.described(RunOutput, OpenApiParameter("state", str, enum=State.values))`.
    """
    describe = extend_schema(
        parameters=[*parameters, *_PARAMETERS], responses=page_of(serializer), **more
    )
    known = [
        each.name for each in (*parameters, *_PARAMETERS) if isinstance(each, OpenApiParameter)
    ]
    # Filters described by a serializer are read by it, and it knows its names.
    whole = all(isinstance(each, OpenApiParameter) for each in parameters)

    def decorate(get: Callable[..., Any]) -> Any:
        @wraps(get)
        def checked(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            if whole:
                _refuse_unknown(request, known)
            return get(view, request, *args, **kwargs)

        return describe(checked)

    return decorate


def page_of(
    serializer: type[serializers.BaseSerializer[Any]],
) -> serializers.Serializer[Any]:
    """The serializer that describes one page; the same object each time, as OpenAPI names it."""
    key = f"{serializer.__module__}.{serializer.__qualname__}"
    if key not in _PAGES:
        name = serializer.__name__.removesuffix("Serializer").removesuffix("Output")
        following = serializers.CharField(
            allow_null=True, help_text="Pass it as `cursor` for the next page; null at the end."
        )
        fields = {"results": serializer(many=True), "next": following}
        _PAGES[key] = inline_serializer(f"{name}Page", fields)
    return _PAGES[key]


def one_of(request: Request, name: str, values: Sequence[str]) -> str | None:
    """The filter `name` of the query, which must be one of `values`; None where it is absent.

    Raises:
        InvalidInput: it is something else.
    """
    given = request.query_params.get(name)
    if given is not None and given not in values:
        raise InvalidInput(f"`{name}` must be one of: {', '.join(values)}.", parameter=name)
    return given


def _refuse_unknown(request: Request, known: Sequence[str]) -> None:
    for name in request.query_params:
        if name not in known:
            raise InvalidInput(
                f"This list has no parameter {name[:40]!r}: use {', '.join(known)}.",
                parameter=name[:40],
            )


def cursor_after(key: int) -> str:
    """The cursor of the page that follows the row with this primary key."""
    return base64.urlsafe_b64encode(f"k{key}".encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (UnicodeError, binascii.Error):
        text = ""
    digits = text.removeprefix("k")
    if not text.startswith("k") or not digits.isdecimal() or len(digits) > len(str(_LARGEST)):
        raise InvalidInput(
            "`cursor` is none of ours: pass `next` of the page before.", parameter="cursor"
        )
    return min(int(digits), _LARGEST)


def _cursor_at(row: Any) -> str:
    text = f"t{row.created_at.isoformat()}/{row.pk}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _moment(cursor: str) -> tuple[datetime, UUID]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        at, _slash, key = text.removeprefix("t").partition("/")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(key)
    except (UnicodeError, binascii.Error, ValueError):
        raise InvalidInput(
            "`cursor` is none of ours: pass `next` of the page before.", parameter="cursor"
        ) from None


def _limit(given: str | None) -> int:
    if given is None:
        return DEFAULT_LIMIT
    known = given.isascii() and given.isdecimal() and len(given) < 5
    if not known or not 1 <= int(given) <= MOST:
        raise InvalidInput(f"`limit` must be a whole number from 1 to {MOST}.", parameter="limit")
    return int(given)


def _newest_first(rows: QuerySet[Any]) -> bool:
    order = rows.query.order_by
    if order not in {("pk",), ("-pk",), ("id",), ("-id",)}:
        raise ValueError(f"A page is walked by the primary key, not by {order}.")
    return str(order[0]).startswith("-")
