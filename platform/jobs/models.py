"""The job table: the truth about everything that takes long. The broker only rings."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class State(models.TextChoices):
    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (State.QUEUED, State.LEASED, State.RUNNING)
HELD = (State.LEASED, State.RUNNING)
# The kind of job of which a project has one at most.
RETRAIN = "training.retrain"
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Queue(models.TextChoices):
    DEFAULT = "default"
    GPU = "gpu"


class Job(TimeStamped):
    """One long thing. `attempt` is the fencing token: every write of a runner names it."""

    kind = models.CharField(max_length=60)
    project = models.ForeignKey("accounts.Project", models.CASCADE, null=True, related_name="jobs")
    arguments = models.JSONField(default=dict)
    queue = models.CharField(max_length=12, choices=Queue.choices, default=Queue.DEFAULT)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=5)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(default=False)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    # Two active jobs with the same key cannot exist (one retrain, one loop per project).
    unique_key = models.CharField(max_length=120, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="job_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=HELD, lease_until__isnull=False) | ~Q(state__in=HELD),
                name="job_held_has_lease",
            ),
            models.UniqueConstraint(
                fields=["unique_key"],
                condition=Q(state__in=ACTIVE) & ~Q(unique_key=""),
                name="job_one_active_per_key",
            ),
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(kind=RETRAIN, state__in=ACTIVE),
                name="job_one_active_retrain",
            ),
        ]
        indexes = [
            # The sweep: queued jobs and held ones whose lease may have run out.
            models.Index(
                fields=["state", "lease_until"], name="job_sweep", condition=Q(state__in=ACTIVE)
            ),
            # The job list of a project, newest first.
            models.Index(fields=["project", "-id"], name="job_project"),
        ]

    def __str__(self) -> str:
        return f"job {self.pk} {self.kind} {self.state}"

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def percent(self) -> int | None:
        """Whole percent done; None while the total is unknown."""
        return min(100, round(100 * self.done / self.total)) if self.total else None


class LogLine(models.Model):
    """One line of a job's log."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="log")
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, default="info")
    message = models.TextField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.message


class Heartbeat(models.Model):
    """When the workers of a queue (and the sweep) last showed that they are alive."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
