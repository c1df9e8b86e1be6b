"""What a project wants of write-back by itself."""

from django.db import models
from django.db.models import Q


class RelabelBy(models.TextChoices):
    TRUST = "label_trust", "Least trusted labels"
    VARIANCE = "reward_variance", "Most uncertain rewards"


class WriteBack(models.Model):
    """After a promotion: whether signals are written, and how many instances are asked again."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, related_name="write_back")
    after_promotion = models.BooleanField(default=False)
    # Instances that each write-back sends for one more label; 0 sends none.
    relabel = models.PositiveSmallIntegerField(default=0)
    relabel_by = models.CharField(max_length=15, choices=RelabelBy.choices, default=RelabelBy.TRUST)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(relabel_by__in=RelabelBy.values), name="write_back_by_known"
            ),
        ]

    def __str__(self) -> str:
        return f"write-back of {self.project_id}"
