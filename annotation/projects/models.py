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
    SAMPLED = "sampled"
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
    # The annotator may improve the completion they chose; the edit is kept with the label.
    post_edit = models.BooleanField(default=False)
    # Ask for the first wrong step of every completion (two chains of reasoning).
    mark_steps = models.BooleanField(default=False)
    # Six completions or more: best and worst of small groups take the place of ranks.
    best_worst = models.BooleanField(default=False)
    rationale = models.CharField(
        max_length=16, choices=RationalePolicy.choices, default=RationalePolicy.OPTIONAL
    )
    # Under the policy `sampled`: the share of labels that need a rationale.
    rationale_share = models.FloatField(default=0.1)
    reasons = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    overlap = models.PositiveSmallIntegerField(default=1)
    # Adaptive overlap: a slot is added while the posterior's entropy (nats) is above
    # `settle_entropy` and the instance has fewer than `overlap_most`. Null: the overlap is fixed.
    overlap_most = models.PositiveSmallIntegerField(null=True, blank=True)
    settle_entropy = models.FloatField(default=0.5)
    # [{"cohort": "expert", "count": 2}, …]; empty: `overlap` slots that anyone may take.
    seats = models.JSONField(default=list, blank=True)
    # Prefixes of tags that only somebody with that very qualification may label: "lang:", "expert".
    gates = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    lease_minutes = models.PositiveSmallIntegerField(default=30)
    # So many people who flag an instance as broken, unsafe or personal set it aside.
    flag_limit = models.PositiveSmallIntegerField(default=2)
    gold_share = models.FloatField(default=0)
    repeat_share = models.FloatField(default=0)
    # A label given faster than this is counted as hasty. Null: nothing is.
    least_seconds = models.FloatField(null=True, blank=True)
    # The qualification round: so many gold instances, and the share of them to get right.
    qualify_count = models.PositiveSmallIntegerField(default=0)
    qualify_share = models.FloatField(default=0.7)
    leaderboard = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    # Counts the moments at which slots opened out of turn: a cursor of an older epoch is void.
    queue_epoch = models.BigIntegerField(default=0)
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
            models.CheckConstraint(
                condition=Q(overlap_most__isnull=True)
                | Q(overlap_most__range=(1, 50), overlap_most__gte=models.F("overlap")),
                name="protocol_overlap_most_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    gold_share__range=(0, 0.5),
                    repeat_share__range=(0, 0.5),
                    rationale_share__range=(0, 1),
                    qualify_share__range=(0, 1),
                ),
                name="protocol_shares_range",
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
    # Blank: asked as the protocol says. Else this criterion is asked in its own way.
    kind = models.CharField(max_length=10, choices=Kind.choices, blank=True)
    # A rating goes from `lowest` to `lowest + levels - 1`; `labels` names the levels or is empty.
    lowest = models.SmallIntegerField(default=1)
    levels = models.PositiveSmallIntegerField(default=5)
    labels = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    # Reasons offered for this criterion; empty: those of the protocol.
    reasons = ArrayField(models.CharField(max_length=60), default=list, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="criterion_key_unique"),
            models.CheckConstraint(condition=Q(levels__range=(2, 11)), name="criterion_levels"),
        ]

    def __str__(self) -> str:
        return self.name

    def asks(self, protocol: Protocol) -> Kind:
        """How this criterion is answered in a project of this protocol."""
        return Kind(self.kind or protocol.kind)

    def values(self, kind: Kind) -> range:
        """The scores a completion can get: the levels of a rating, or 0 and 1 for a thumb."""
        return range(2) if kind == Kind.BINARY else range(self.lowest, self.lowest + self.levels)


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
