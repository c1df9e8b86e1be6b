"""Celery's side of routing."""

from celery import shared_task

from .live.arrival import tick
from .rounds.services import continue_settled


@shared_task(name="routing.continue_rounds")
def continue_rounds() -> None:
    """Go on with every round whose last open label came in."""
    continue_settled()


@shared_task(name="routing.live_tick")
def live_tick() -> None:
    """Ring for every project whose live routing has something to do."""
    tick()
