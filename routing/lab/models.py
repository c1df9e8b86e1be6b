"""Replays: strategies compared on instances that hold both labels."""

from django.conf import settings
from django.db import models

from core.models import TimeStamped


class Replay(TimeStamped):
    """One run of the lab: what was asked, and what came out. Never changed once it has a result."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="replays")
    name = models.CharField(max_length=80, blank=True)
    # Judge, criterion, strategies, budgets, seeds, and which instances.
    options = models.JSONField()
    figures = models.JSONField(null=True)
    # The permanent one, on A-report of the live project: made again as labels come.
    standing = models.BooleanField(default=False)
    newest_annotation = models.BigIntegerField(default=0)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="replay_newest")]

    def __str__(self) -> str:
        return self.name or f"replay {self.pk}"
