"""Who asks, for views that require a login."""

from typing import cast

from rest_framework.request import Request

from .models import User


def person_of(request: Request) -> User:
    """The person behind a request that was let in."""
    return cast("User", request.user)
