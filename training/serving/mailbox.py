"""Where web processes and serving workers meet: keys of the Redis that is the broker too.

A request is stored under its id and the id is pushed to a list; the answer is pushed to a list of
its own. A request stays stored until it is answered, so that another worker can take it over from
one that died; whatever nobody fetches expires by itself.
"""

from urllib.parse import parse_qs, urlsplit

from django.conf import settings

QUEUE = "tandem:serve:queue"
ALIVE = "tandem:serve:alive"
RINGING = "tandem:serve:ringing"
# Seconds after which a worker that was not heard of counts as gone.
HEARTBEAT_SECONDS = 3
ANSWER_SECONDS = 60


def request_key(request_id: str) -> str:
    return f"tandem:serve:request:{request_id}"


def answer_key(request_id: str) -> str:
    return f"tandem:serve:answer:{request_id}"


def address() -> str:
    """The broker's address as a Redis client reads it; "" where the broker is no Redis."""
    url = str(settings.CELERY_BROKER_URL)
    if url.startswith(("redis://", "rediss://", "unix://")):
        return url
    if url.startswith("redis+socket://"):
        parts = urlsplit(url)
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        return f"unix://{parts.path}?db={database}"
    return ""
