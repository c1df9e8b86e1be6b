"""What a project asks: its protocol, its criteria and the guideline people saw."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class Kind(models.TextChoices):
    PAIRWISE = "pairwise"
    LISTWISE = "listwise"
    RATING = "rating"
    BINARY = "binary"


class RationalePolicy(models.TextChoices):
    NEVER = "never"
    OPTIONAL = "optional"
    STRONG_OR_UNSURE = "strong or unsure"
    ALWAYS = "always"


class TieKind(models.TextChoices):
    """Answers that are no preference. They are different answers and are never merged."""

    TIE = "tie"
    BOTH_GOOD = "both good"
    BOTH_BAD = "both bad"
    CANNOT_JUDGE = "cannot judge"


def default_ties() -> list[str]:
    return [TieKind.TIE, TieKind.BOTH_BAD, TieKind.CANNOT_JUDGE]


class Protocol(TimeStamped):
    """How a project collects labels: one row per project."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, related_name="protocol")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PAIRWISE)
    ties = ArrayField(
        models.CharField(max_length=12, choices=TieKind.choices), default=default_ties, blank=True
    )
    strength_levels = models.PositiveSmallIntegerField(default=2)
    ask_confidence = models.BooleanField(default=False)
    rationale = models.CharField(
        max_length=16, choices=RationalePolicy.choices, default=RationalePolicy.OPTIONAL
    )
    reasons = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    overlap = models.PositiveSmallIntegerField(default=1)
    lease_minutes = models.PositiveSmallIntegerField(default=30)
    locale = models.CharField(max_length=12, default="en")
    licence = models.CharField(max_length=60, blank=True)
    # Mixed into every salted hash of the project: splits, orders and the audit arm.
    salt = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__range=(1, 50)), name="protocol_overlap_range"
            ),
            models.CheckConstraint(
                condition=Q(strength_levels__range=(1, 4)), name="protocol_strength_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} protocol of {self.project}"


class Criterion(models.Model):
    """One question asked of every instance: overall, helpfulness, …"""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="criteria")
    key = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    question = models.CharField(max_length=300, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="criterion_key_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Guideline(TimeStamped):
    """Versioned text and the settings the annotator saw; a label names its version."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    settings = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="guideline_version_unique"),
        ]

    def __str__(self) -> str:
        return f"guideline {self.version}"
