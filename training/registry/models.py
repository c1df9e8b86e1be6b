"""The model registry."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped
from training.runs.models import RunKind


class Stage(models.TextChoices):
    CANDIDATE = "candidate"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class ModelVersion(TimeStamped):
    """One trained model: a folder below MEDIA_ROOT that plain `from_pretrained` opens."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="model_versions")
    run = models.OneToOneField("training.Run", models.PROTECT, related_name="model_version")
    kind = models.CharField(max_length=8, choices=RunKind.choices)
    version = models.PositiveIntegerField()
    base_model = models.CharField(max_length=300)
    folder = models.CharField(max_length=200)
    metrics = models.JSONField(default=dict)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.CANDIDATE)
    # {"offset", "factor"}: (reward - offset) * factor compares with the project's other versions.
    scale = models.JSONField(default=dict)
    # The last verdict of the gate: {"passed", "checks": [{"name", "value", "bound", …}]}.
    gate = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "version"], name="model_version_unique"
            ),
            models.UniqueConstraint(
                fields=["project", "kind"],
                condition=Q(stage="production"),
                name="model_version_one_production",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} model v{self.version}"


class Gate(TimeStamped):
    """What a version has to reach before it goes into production, per project and kind."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="gates")
    kind = models.CharField(max_length=8, choices=RunKind.choices)
    # Fields of training.registry.gate.Thresholds; what is missing has its default.
    thresholds = models.JSONField(default=dict)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind"], name="gate_one_per_kind"),
            models.CheckConstraint(condition=Q(kind__in=RunKind.values), name="gate_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} gate of {self.project_id}"


class Evaluation(TimeStamped):
    """Figures of one version on something else than its run's held-out rows."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="evaluations")
    name = models.CharField(max_length=60)
    # What was measured on: a file with its sha256, a probe, a labelling project, a judge.
    source = models.JSONField(default=dict)
    figures = models.JSONField(default=dict)
    job = models.OneToOneField("jobs.Job", models.SET_NULL, null=True, related_name="evaluation")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["version", "name", "-id"], name="evaluation_version")]

    def __str__(self) -> str:
        return f"{self.name} of version {self.version_id}"


class Probe(TimeStamped):
    """Held-out rows that never change, so that versions are measured on the same ones."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="probes")
    kind = models.CharField(max_length=8, choices=RunKind.choices)
    number = models.PositiveIntegerField()
    # A parquet file below MEDIA_ROOT, written once.
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "number"], name="probe_unique"),
            models.CheckConstraint(condition=Q(rows__gt=0), name="probe_has_rows"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} probe {self.number} of {self.project_id}"
