"""Consensus: the posterior over a pair or ranking, kept per scope of sources."""

from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class Scope(models.TextChoices):
    """Whose labels a consensus stands on."""

    HUMAN = "human"
    JUDGE = "judge"
    # People's where there are any, else the judges': what training uses.
    MIXED = "mixed"


class Consensus(TimeStamped):
    """What the labels of one criterion say together about one instance.

    `worth` has one value per completion in canonical position: the mean share of the other
    completions it beats (1 wins all, 0 loses all). For a pair worth[0] = p, the probability that
    the first completion is preferred.
    """

    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="consensus")
    criterion = models.ForeignKey("annotation.Criterion", models.CASCADE, related_name="+")
    scope = models.CharField(max_length=6, choices=Scope.choices)
    method = models.CharField(max_length=40)
    worth = models.JSONField()
    # Rated criteria: {"mean": […], "spread": […], "labels": […]} per completion, in the levels of
    # the criterion; null where ranks were asked.
    scores = models.JSONField(null=True)
    entropy = models.FloatField()
    labels = models.PositiveIntegerField()
    sources = models.JSONField(default=dict)
    simulated = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "criterion", "scope"], name="consensus_unique"
            ),
            models.CheckConstraint(
                condition=Q(scope__in=Scope.values), name="consensus_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} consensus of {self.instance_id}"


class ConsensusState(models.Model):
    """How a project brings its labels together, and up to which annotation that is done."""

    project = models.OneToOneField(
        "accounts.Project", models.CASCADE, related_name="consensus_state"
    )
    method = models.CharField(max_length=40, default="majority")
    annotation = models.BigIntegerField(default=0)
    at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.method} up to {self.annotation}"
