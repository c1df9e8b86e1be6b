"""One family of errors; each edge (page, API, command, job) translates it once."""

from typing import Any


class ApplicationError(Exception):
    """Something a caller can mend. `message` says what happened and what to do.

    `code` is stable and machine-readable, `extra` holds plain JSON values.
    """

    status = 400
    code = "invalid"

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


class NotFound(ApplicationError):
    status = 404
    code = "not-found"


class Forbidden(ApplicationError):
    status = 403
    code = "forbidden"


class Conflict(ApplicationError):
    """The state moved on, or the same id came with another content."""

    status = 409
    code = "conflict"


class Gone(ApplicationError):
    """It was here and is over: an expired link, a closed study."""

    status = 410
    code = "gone"


class TooLarge(ApplicationError):
    status = 413
    code = "too-large"


class TooManyRequests(ApplicationError):
    """`extra` holds `retry_after`, in seconds."""

    status = 429
    code = "too-many-requests"


class InvalidInput(ApplicationError):
    status = 422
    code = "invalid-input"


class BudgetExceeded(ApplicationError):
    status = 409
    code = "budget-exceeded"
