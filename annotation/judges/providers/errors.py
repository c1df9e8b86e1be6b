"""What becomes of a call that brought no reply: one row for each way it can go wrong.

`retry`: asking again may help. `unknown`: the question arrived and may have been charged; all
other rows owe nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from annotation.judges.models import Failure
from core.network import NoEnd, PrivateAddress
from core.secrets import scrub
from core.text import storable

from .base import ProviderError
from .waiting import waiting_time

EXCERPT = 300
MOST_READ = 65_536


@dataclass(frozen=True)
class Row:
    failure: Failure
    retry: bool = False
    unknown: bool = False


AGAIN = True
STATUSES: dict[int, Row] = {
    400: Row(Failure.BAD_REQUEST),
    401: Row(Failure.AUTH),
    402: Row(Failure.AUTH),  # the account has no credit
    403: Row(Failure.AUTH),
    404: Row(Failure.NOT_FOUND),
    405: Row(Failure.NOT_FOUND),
    408: Row(Failure.TIMEOUT, AGAIN),  # the question did not arrive whole
    409: Row(Failure.SERVER, AGAIN),
    413: Row(Failure.TOO_LARGE),
    422: Row(Failure.BAD_REQUEST),
    425: Row(Failure.SERVER, AGAIN),
    429: Row(Failure.RATE_LIMIT, AGAIN),
    500: Row(Failure.SERVER, AGAIN),
    502: Row(Failure.SERVER, AGAIN),
    503: Row(Failure.SERVER, AGAIN),
    # A gateway gave up on a model that may still be answering.
    504: Row(Failure.TIMEOUT, AGAIN, unknown=True),
    524: Row(Failure.TIMEOUT, AGAIN, unknown=True),
    529: Row(Failure.SERVER, AGAIN),  # Anthropic: overloaded
}
# By hundreds, for a status without a row. Redirects are not followed: the URL is wrong.
CLASSES: dict[int, Row] = {
    3: Row(Failure.NOT_FOUND),
    4: Row(Failure.BAD_REQUEST),
    5: Row(Failure.SERVER, AGAIN),
}
# What a provider says in an error's code, type or text tells more than its status.
WORDINGS: tuple[tuple[frozenset[int], re.Pattern[str], Row], ...] = (
    (
        frozenset({400, 413, 422}),
        re.compile(
            r"context_length_exceeded|context.{0,20}(length|window|size)|prompt is too long"
            r"|maximum.{0,40}tokens|too many tokens|input.{0,20}too long|max_model_len",
            re.IGNORECASE,
        ),
        Row(Failure.CONTEXT),
    ),
    (
        frozenset({400, 403, 422}),
        re.compile(
            r"content_filter|content_policy|content management policy|moderation", re.IGNORECASE
        ),
        Row(Failure.REFUSAL),
    ),
    (
        frozenset({400, 429}),
        re.compile(r"insufficient_quota|credit balance|billing", re.IGNORECASE),
        Row(Failure.AUTH),
    ),
    (
        frozenset({400}),
        re.compile(r"invalid_api_key|api key not valid|authentication_error", re.IGNORECASE),
        Row(Failure.AUTH),
    ),
)
# What happened on the way, the first that fits.
TRANSPORT: tuple[tuple[type[Exception], Row], ...] = (
    (PrivateAddress, Row(Failure.PRIVATE)),
    (httpx.ConnectTimeout, Row(Failure.NETWORK, AGAIN)),
    (httpx.ConnectError, Row(Failure.NETWORK, AGAIN)),
    (httpx.PoolTimeout, Row(Failure.NETWORK, AGAIN)),
    (httpx.UnsupportedProtocol, Row(Failure.NOT_FOUND)),
    (httpx.TimeoutException, Row(Failure.TIMEOUT, AGAIN, unknown=True)),
    (TimeoutError, Row(Failure.TIMEOUT, AGAIN, unknown=True)),
    (NoEnd, Row(Failure.HALF_REPLY, unknown=True)),
    (httpx.TransportError, Row(Failure.NETWORK, AGAIN, unknown=True)),
    (httpx.DecodingError, Row(Failure.INVALID_JSON, AGAIN, unknown=True)),
)
# A whole reply of status 200 that holds no answer was paid for, and nobody knows the price.
HALF = Row(Failure.HALF_REPLY, AGAIN, unknown=True)
NOT_JSON = Row(Failure.INVALID_JSON, AGAIN, unknown=True)


def error(row: Row, message: str, wait: float | None = None) -> ProviderError:
    return ProviderError(row.failure, message, retry=row.retry, wait=wait, unknown=row.unknown)


def free(problem: ProviderError) -> ProviderError:
    """The same of an exchange that buys nothing: reading may be repeated."""
    again = problem.retry or problem.unknown
    return ProviderError(problem.failure, str(problem), retry=again, wait=problem.wait)


def of_status(status: int, headers: Mapping[str, str], body: bytes, key: str = "") -> ProviderError:
    """The error that a response stands for; `key` is kept out of its text."""
    text = scrub(body[:MOST_READ].decode("utf-8", "replace").replace("\0", ""), key)
    row = row_of(status, text)
    wait = waiting_time(headers) if row.retry else None
    # Once more, for JSON may have spelt it otherwise.
    said = storable(scrub(_said(text), key)).strip()
    return error(row, f"HTTP {status}: {said}"[:EXCERPT], wait)


def row_of(status: int, text: str) -> Row:
    """The row of a status and the body that came with it."""
    for statuses, wording, row in WORDINGS:
        if status in statuses and wording.search(text):
            return row
    return STATUSES.get(status) or CLASSES.get(status // 100) or Row(Failure.BAD_REQUEST)


def of_transport(problem: Exception, *, answering: bool = False, key: str = "") -> ProviderError:
    """The error that a failed exchange stands for; `answering`: the reply had begun.

    What a server sent in place of a reply may be in its text, so `key` is kept out of that too.
    """
    row = next(row for kind, row in TRANSPORT if isinstance(problem, kind))
    if answering and row.failure == Failure.NETWORK:
        row = HALF
    told = storable(scrub(str(problem), key))[:EXCERPT] or type(problem).__name__
    return error(row, {Failure.HALF_REPLY: "the reply broke off: "}.get(row.failure, "") + told)


def _said(text: str) -> str:
    """The message within an error's JSON, or the body."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    problem = body.get("error", body) if isinstance(body, dict) else body
    message = problem.get("message") if isinstance(problem, dict) else problem
    return str(message or text)
