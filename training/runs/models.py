"""Training runs, their metrics, and the schedule that starts them again."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class RunKind(models.TextChoices):
    REWARD = "reward", "Reward model"
    POLICY = "policy", "Policy"


class Run(TimeStamped):
    """One training of one model on one snapshot. Its state is its job's state."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=8, choices=RunKind.choices)
    name = models.CharField(max_length=120, blank=True)
    snapshot = models.ForeignKey("annotation.Snapshot", models.PROTECT, related_name="runs")
    # What `python -m training fit` reads, as written to the run's folder.
    config = models.JSONField()
    folder = models.CharField(max_length=200, blank=True)
    job = models.OneToOneField("jobs.Job", models.SET_NULL, null=True, related_name="run")
    # The last report: held-out accuracy with its interval, baselines, counts of truncation, …
    report = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=RunKind.values), name="run_kind_known"),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="run_project")]

    def __str__(self) -> str:
        return self.name or f"run {self.pk}"


class Metric(models.Model):
    """The values of one step. A resumed run writes a step again; the later attempt replaces it."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    split = models.CharField(max_length=8, default="train")
    values = models.JSONField()

    class Meta:
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "split", "step"], name="metric_step_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step}"


class Schedule(TimeStamped):
    """Retrain when enough new labels came, when enough time passed, or when something drifted."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="schedules")
    kind = models.CharField(max_length=8, choices=RunKind.choices)
    config = models.JSONField(default=dict)
    every_labels = models.PositiveIntegerField(null=True)
    every_hours = models.PositiveIntegerField(null=True)
    on_drift = models.BooleanField(default=False)
    # New labels without which neither time nor drift starts a retrain.
    least_labels = models.PositiveIntegerField(default=1)
    # Into production by itself, where the gate passes.
    promote = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    last_annotation_id = models.BigIntegerField(default=0)
    last_started_at = models.DateTimeField(null=True)
    # When it was set: failures before that do not count.
    set_at = models.DateTimeField(null=True)
    # What changed since the last retrain: {"why", "at"}; empty where nothing did.
    drift = models.JSONField(default=dict)
    # Why it is due and does not start, and why it has paused itself; both for people to read.
    waiting = models.CharField(max_length=300, blank=True)
    paused = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind"], name="schedule_one_per_kind"),
            models.CheckConstraint(
                condition=Q(every_labels__gt=0) | Q(every_hours__gt=0) | Q(on_drift=True),
                name="schedule_has_trigger",
            ),
            models.CheckConstraint(
                condition=Q(least_labels__gt=0), name="schedule_needs_new_labels"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} schedule of {self.project_id}"
