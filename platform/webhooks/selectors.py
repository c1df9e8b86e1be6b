"""Reads about webhooks."""

from django.db.models import QuerySet

from accounts.models import Project
from core.exceptions import NotFound

from .models import Delivery, Webhook


def webhooks_of(project: Project) -> QuerySet[Webhook]:
    """In the order they were made."""
    return Webhook.objects.filter(project=project).order_by("pk")


def webhook_in(project: Project, webhook_id: int) -> Webhook:
    """Raises `NotFound` where the project has no such webhook."""
    found = webhooks_of(project).filter(pk=webhook_id).first()
    if found is None:
        raise NotFound("There is no such webhook in this project.")
    return found


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    """Newest first, with their messages."""
    return webhook.deliveries.select_related("message").order_by("-pk")


def delivery_of(webhook: Webhook, delivery_id: int) -> Delivery:
    """Raises `NotFound` where the webhook has no such delivery."""
    found = deliveries_of(webhook).filter(pk=delivery_id).first()
    if found is None:
        raise NotFound("There is no such delivery of this webhook.")
    return found
