"""Webhooks: who is told, what is to be told, and what became of it."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TimeStamped


class Stopped(models.TextChoices):
    GONE = "gone", _("The address answered 410: it wants to be told no more.")
    SILENT = "silent", _("Nothing got through for five days.")


class Webhook(TimeStamped):
    """An address of a project that is told of events. Its secret is shown once."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=40))
    # Encrypted (core.secrets); signs what is sent.
    secret = models.CharField(max_length=300)
    active = models.BooleanField(default=True)
    # Since when nothing has got through; null while it works.
    failing_since = models.DateTimeField(null=True, blank=True)
    # Why it was switched off by itself; blank where a person did it.
    stopped = models.CharField(max_length=10, choices=Stopped.choices, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        indexes = [
            # Asked inside every transaction that has something to tell.
            models.Index(fields=["project"], condition=Q(active=True), name="webhook_listening"),
        ]

    def __str__(self) -> str:
        return self.url


class Message(models.Model):
    """One event, kept in the transaction that made it; only where somebody listens."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+")
    event = models.CharField(max_length=40)
    data = models.JSONField()
    created_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class DeliveryState(models.TextChoices):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(models.Model):
    """One message for one webhook."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    message = models.ForeignKey(Message, models.CASCADE, related_name="deliveries")
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it is due; while it is being sent, when it counts as lost.
    due_at = models.DateTimeField()
    attempted_at = models.DateTimeField(null=True, blank=True)
    # HTTP status of the last answer; null where there was none.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "message"], name="webhook_delivery_once_per_message"
            ),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="webhook_delivery_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state="waiting"), name="webhook_delivery_due"
            ),
            # A webhook's page, newest first.
            models.Index(fields=["webhook", "-id"], name="webhook_delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.message} to {self.webhook}"
