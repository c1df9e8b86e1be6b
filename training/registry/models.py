"""The model registry."""

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
