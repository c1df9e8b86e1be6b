"""Celery's side of webhooks."""

from celery import shared_task

from . import sending, services


@shared_task(name="webhooks.send", expires=30)
def send() -> None:
    """Send what is due."""
    sending.send_due()


@shared_task(name="webhooks.forget")
def forget() -> None:
    services.forget_old()
