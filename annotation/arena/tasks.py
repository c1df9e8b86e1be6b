"""The job that asks both contestants of a turn."""

from typing import Any

from core.exceptions import NotFound
from jobs.context import JobContext

from .answering import answer
from .models import Turn


def run_turn(ctx: JobContext) -> dict[str, Any]:
    """Arguments: turn (id). The result counts the answers."""
    turn = (
        Turn.objects.select_related("battle__arena__budget", "battle__first", "battle__second")
        .filter(pk=ctx.arguments["turn"], battle__arena__project=ctx.job.project_id)
        .first()
    )
    if turn is None:
        raise NotFound("The project's arena has no such turn.")
    return {"answered": answer(turn, ctx)}
