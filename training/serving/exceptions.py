"""What can go wrong between a question and its rewards, beside bad input."""

from core.exceptions import ApplicationError


class Unavailable(ApplicationError):
    """No answer in time. `extra` holds `retry_after`, in seconds."""

    status = 503
    code = "model-unavailable"


class TooLarge(ApplicationError):
    status = 413
    code = "too-large"
