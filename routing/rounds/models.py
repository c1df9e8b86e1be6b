"""Rounds: generate → route → label → train → evaluate, with what each stage produced."""

from django.conf import settings
from django.db import models

from core.models import TimeStamped


class RoundKind(models.TextChoices):
    # The data are there: what is decided is who labels them, and whether it helped.
    MIXTURE = "mixture"
    # The current policy writes what is labelled.
    ONLINE = "online"


class Round(TimeStamped):
    """One turn of the loop. `stages` maps a finished stage to its outcome; a restart skips it."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=RoundKind.choices, default=RoundKind.MIXTURE)
    options = models.JSONField(default=dict)
    stages = models.JSONField(default=dict)
    # Mixture: all-human, all-judge, random and routed mixes compared, as measured. Online: the
    # policy beside the one it began with.
    summary = models.JSONField(default=dict)
    job = models.OneToOneField("jobs.Job", models.SET_NULL, null=True, related_name="round")
    router = models.ForeignKey("routing.Router", models.PROTECT, null=True, related_name="+")
    snapshot = models.ForeignKey("annotation.Snapshot", models.PROTECT, null=True, related_name="+")
    reward_run = models.ForeignKey("training.Run", models.PROTECT, null=True, related_name="+")
    policy_run = models.ForeignKey("training.Run", models.PROTECT, null=True, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="round_number_unique"),
            models.CheckConstraint(
                condition=models.Q(kind__in=RoundKind.values), name="round_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number}"
