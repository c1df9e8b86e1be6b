"""What a request to the REST interface says, checked: unknown names are refused, not ignored."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LARGEST = 2**63 - 1
# What lists take beside their filters; `core.paging` reads these.
PAGING = frozenset({"cursor", "limit"})


class Body(serializers.Serializer[Any]):
    """A body, or the parameters of an address, that holds its fields and nothing else.

    Numbers and texts that no database stores are refused wherever they are in it.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            if unknown := sorted(str(name) for name in set(data) - set(self.fields)):
                known = ", ".join(sorted(self.fields)) or "-"
                said = _("There is no such field: use %(known)s.") % {"known": known}
                raise ValidationError({name: [said] for name in unknown})
            if self.parent is None and (reason := next(unstorable(dict(data)), "")):
                raise ValidationError({"non_field_errors": [reason]})
        return super().to_internal_value(data)


def unstorable(value: Any) -> Iterator[str]:
    """Why PostgreSQL cannot store a JSON value, leaf by leaf; nothing where it can."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from unstorable(key)
            yield from unstorable(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from unstorable(each)
    elif isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            yield _("A text holds a zero byte or half a character.")
    elif isinstance(value, float) and not math.isfinite(value):
        yield _("A number is not finite.")
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield _("A whole number is too large.")


def finite(value: Any) -> Any:
    """A JSON value in which numbers that are none, or without end, are null."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_body(request: Request, body: type[Body], *, partial: bool = False) -> dict[str, Any]:
    """The checked values of a body; with `partial` only of the fields that were sent.

    Raises:
        ValidationError: a field is unknown, missing or wrong.
    """
    given = body(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def filters(body: type[Body]) -> OpenApiParameter:
    """The fields of a query for `core.paging.described`; drf-spectacular takes them apart."""
    return cast("OpenApiParameter", body)


class WrongParameter(ValidationError):
    status_code = 422
    default_code = "invalid-input"


def read_query(request: Request, body: type[Body]) -> dict[str, Any]:
    """The checked parameters of an address; those of paging are left to the list.

    Raises:
        WrongParameter: a parameter is unknown or wrong.
    """
    sent = {
        name: values if _many(body, name) else values[-1]
        for name, values in request.query_params.lists()
        if name not in PAGING
    }
    given = body(data=sent)
    if not given.is_valid():
        raise WrongParameter(given.errors)
    return dict(given.validated_data)


def _many(body: type[Body], name: str) -> bool:
    field = body().fields.get(name)
    return isinstance(field, serializers.ListField | serializers.MultipleChoiceField)
