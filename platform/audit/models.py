"""The append-only audit log: who did what to what, and when."""

from django.conf import settings
from django.db import models

from core.models import TimeStamped


class Event(TimeStamped):
    """One act. PostgreSQL refuses to change or remove a row."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    project = models.ForeignKey("accounts.Project", models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120, blank=True)
    data = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            # The audit page of a project, newest first.
            models.Index(fields=["project", "-id"], name="audit_event_project"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
