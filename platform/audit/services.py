"""Writing the audit log."""

from typing import Any

import structlog

from accounts.models import Project, User

from .models import Event


def record(
    *, action: str, actor: User | None, project: Project | None, target: str = "", **data: Any
) -> Event:
    """Append one act inside the caller's transaction, so that both stand or fall together."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    return Event.objects.create(
        action=action,
        actor=actor,
        project=project,
        target=target,
        data=data,
        request_id=request_id,
    )
