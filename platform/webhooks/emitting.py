"""Telling: an event is kept in the transaction that makes it, so neither is without the other."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

EMIT = """
WITH listening AS MATERIALIZED (
  SELECT id FROM webhooks_webhook
  WHERE project_id = %(project)s AND active AND %(event)s = ANY(events)
), message AS (
  INSERT INTO webhooks_message (id, project_id, event, data, created_at)
  SELECT %(id)s, %(project)s, %(event)s, %(data)s::jsonb, statement_timestamp()
  WHERE EXISTS (SELECT FROM listening) RETURNING id
)
INSERT INTO webhooks_delivery (webhook_id, message_id, state, attempts, due_at, error)
SELECT listening.id, message.id, 'waiting', 0, statement_timestamp(), ''
FROM listening CROSS JOIN message
"""


def emit(*, project_id: int, event: str, data: Mapping[str, Any]) -> int:
    """Keep an event for every webhook of the project that listens; returns how many do.

    One statement. Call it inside the transaction that the event is about.
    """
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "project": project_id,
        "event": event,
        "data": json.dumps(data, cls=DjangoJSONEncoder),
    }
    with connection.cursor() as cursor:
        cursor.execute(EMIT, values)
        return int(cursor.rowcount)
