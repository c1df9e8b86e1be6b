"""Sending what is due: many at a time, each attempt noted, a silent receiver asked again later.

A delivery is claimed by moving its `due_at` into the future: where the sender dies, it is due again
by itself. So a receiver may get one message twice, with the same `webhook-id`.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from django.db import connection, transaction
from django.utils import timezone

from core import secrets
from core.exceptions import ApplicationError
from core.network import Lanes, NoEnd, PrivateAddress, bounded

from . import signing
from .models import Delivery, DeliveryState, Stopped, Webhook
from .services import reach

# Seconds to the next attempt; after the last one it has failed. About a day and a half in all.
PAUSES = (5, 30, 300, 1800, 7200, 18000, 36000, 64800)
# A receiver that has been silent for so long is told nothing any more.
GIVE_UP = timedelta(days=5)
TIMEOUT_SECONDS = 15.0
LOST_SECONDS = 120
AT_ONCE = 32
# Of one webhook in a batch: one that hangs must not hold up the others.
OF_ONE = 8
MOST_REPLY_BYTES = 64 * 1024
GONE = 410
LOCK = 0x77656268
TROUBLE = (httpx.HTTPError, PrivateAddress, NoEnd, TimeoutError, OSError)

CLAIM = """
WITH due AS (
  SELECT d.id, row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.due_at, d.id) AS place
  FROM webhooks_delivery AS d JOIN webhooks_webhook AS w ON w.id = d.webhook_id
  WHERE d.state = 'waiting' AND d.due_at <= %(now)s AND w.active
), chosen AS (
  SELECT d.id FROM webhooks_delivery AS d JOIN due ON due.id = d.id
  WHERE due.place <= %(of_one)s AND d.state = 'waiting' AND d.due_at <= %(now)s
  ORDER BY d.due_at, d.id LIMIT %(most)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhooks_delivery AS d SET due_at = %(lost)s, attempts = d.attempts + 1,
  attempted_at = %(now)s
FROM chosen WHERE d.id = chosen.id RETURNING d.id
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt; `status` is None where no answer came."""

    delivery: Delivery
    status: int | None
    error: str

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send_due(*, seconds: float = 20.0) -> int:
    """Send what is due until nothing is, or the time is over; returns the attempts made.

    One sender at a time: receivers that hang must not take all workers.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        try:
            return _send_until(time.monotonic() + seconds)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _send_until(end: float) -> int:
    sent = 0
    while time.monotonic() < end:
        batch = _claimed()
        if not batch:
            break
        for outcome in asyncio.run(_send_all(batch)):
            _note(outcome)
        sent += len(batch)
    return sent


def _claimed() -> list[Delivery]:
    now = timezone.now()
    values: dict[str, Any] = {
        "now": now,
        "lost": now + timedelta(seconds=LOST_SECONDS),
        "most": AT_ONCE,
        "of_one": OF_ONE,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        ids = [row[0] for row in cursor.fetchall()]
    rows = Delivery.objects.filter(pk__in=ids).select_related("webhook__project", "message")
    return list(rows.order_by("pk"))


async def _send_all(batch: Sequence[Delivery]) -> Iterable[Outcome]:
    lanes = Lanes(reach())
    try:
        return await asyncio.gather(*(_send(lanes, delivery) for delivery in batch))
    finally:
        await lanes.close()


async def _send(lanes: Lanes, delivery: Delivery) -> Outcome:
    try:
        request = _request(delivery)
        async with asyncio.timeout(TIMEOUT_SECONDS), lanes.send(request) as response:
            await bounded(response.aiter_raw(), MOST_REPLY_BYTES)
            error = "" if response.is_success else f"It answered {response.status_code}."
            return Outcome(delivery, response.status_code, error)
    except TimeoutError:
        return Outcome(delivery, None, f"No answer within {TIMEOUT_SECONDS:.0f} s.")
    except PrivateAddress:
        return Outcome(delivery, None, "Its address is not public.")
    except ApplicationError as error:
        return Outcome(delivery, None, error.message)
    except TROUBLE as error:
        return Outcome(delivery, None, f"It cannot be reached: {type(error).__name__}.")


def body_of(delivery: Delivery) -> bytes:
    """What a receiver reads: type, timestamp, project and data."""
    message = delivery.message
    content = {
        "type": message.event,
        "timestamp": message.created_at.isoformat(),
        "project": delivery.webhook.project.slug,
        "data": message.data,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _request(delivery: Delivery) -> httpx.Request:
    body = body_of(delivery)
    signed = signing.headers(
        secrets.decrypt(delivery.webhook.secret),
        message=str(delivery.message_id),
        timestamp=int(time.time()),
        body=body,
    )
    plain = {"Content-Type": "application/json", "User-Agent": "Tandem"}
    return httpx.Request("POST", delivery.webhook.url, headers=plain | signed, content=body)


@transaction.atomic
def _note(outcome: Outcome) -> None:
    """Keep the outcome, and when to try again."""
    delivery, now = outcome.delivery, timezone.now()
    values: dict[str, object] = {"status": outcome.status, "error": outcome.error[:300]}
    if outcome.good:
        values |= {"state": DeliveryState.DELIVERED}
    elif delivery.attempts > len(PAUSES):
        values |= {"state": DeliveryState.FAILED}
    else:
        pause = PAUSES[delivery.attempts - 1] * random.uniform(0.8, 1.2)
        values |= {"due_at": now + timedelta(seconds=pause)}
    # One that was sent again meanwhile is another attempt's.
    mine = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, state=DeliveryState.WAITING
    )
    if mine.update(**values):
        _look_after(outcome)


def _look_after(outcome: Outcome) -> None:
    """Note since when a webhook fails, and switch one off that does not come back."""
    mine = Webhook.objects.filter(pk=outcome.delivery.webhook_id)
    if outcome.good:
        mine.filter(failing_since__isnull=False).update(failing_since=None)
        return
    now = timezone.now()
    mine.filter(failing_since__isnull=True).update(failing_since=now)
    if outcome.status == GONE:
        mine.update(active=False, stopped=Stopped.GONE)
    else:
        mine.filter(failing_since__lt=now - GIVE_UP).update(active=False, stopped=Stopped.SILENT)
