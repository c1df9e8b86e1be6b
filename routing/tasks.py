"""Celery's side of routing."""

from celery import shared_task

from .budgets.alerts import raise_alerts
from .budgets.purses import close_ended
from .rounds.services import continue_settled


@shared_task(name="routing.continue_rounds")
def continue_rounds() -> None:
    """Go on with every round whose last open label came in."""
    continue_settled()


@shared_task(name="routing.live_tick")
def live_tick() -> None:
    """Ring for every project whose live routing has something to do."""
    from .live.arrival import tick  # noqa: PLC0415 - the web process starts without routers

    tick()


@shared_task(name="routing.compare_standing")
def compare_standing() -> None:
    """Make standing comparisons again where enough labels came."""
    from .lab.services import refresh_all  # noqa: PLC0415 - the web process starts without routers

    refresh_all()


@shared_task(name="routing.look_after_budgets")
def look_after_budgets() -> None:
    """Close purses whose run has ended, and tell what passed 50, 80 or 100 per cent."""
    close_ended()
    raise_alerts()
