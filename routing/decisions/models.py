"""Routers and their decisions: immutable once written."""

import uuid

from django.db import models
from django.db.models import Q

from annotation.queue.models import Arm, Destination
from core.models import TimeStamped


class Router(TimeStamped):
    """A fitted performance predictor, stored as numbers."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="routers")
    version = models.PositiveIntegerField()
    strategy = models.CharField(max_length=40)
    # Feature names, cut points, coefficients, scaling.
    parameters = models.JSONField()
    # Held-out RMSE, R², Spearman, learning curve, counts.
    report = models.JSONField()
    dual_labelled = models.PositiveIntegerField()
    # Whose verdicts it was fitted beside, and the criterion it speaks of; null: the main one.
    judge = models.ForeignKey("annotation.Judge", models.PROTECT, null=True, related_name="+")
    criterion = models.ForeignKey(
        "annotation.Criterion", models.PROTECT, null=True, related_name="+"
    )
    # Versions of the extractors it reads: {"text": "text-2", "embedding": …}.
    extractors = models.JSONField(default=dict)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="router_version_unique"),
        ]

    def __str__(self) -> str:
        return f"router v{self.version}"


class Decision(TimeStamped):
    """Where one instance goes and why, fixed before it is labelled."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="decisions")
    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="decisions")
    router = models.ForeignKey(Router, models.PROTECT, null=True, related_name="decisions")
    destination = models.CharField(max_length=8, choices=Destination.choices)
    arm = models.CharField(max_length=8, choices=Arm.choices)
    gain = models.FloatField(null=True)
    propensity = models.FloatField()
    reason = models.CharField(max_length=300)
    price_micros = models.BigIntegerField(default=0)
    # Null: about all criteria of the project at once.
    criterion = models.ForeignKey(
        "annotation.Criterion", models.PROTECT, null=True, related_name="+"
    )
    # The version of the project's rules that decided; null: the draw or the router did.
    rules = models.ForeignKey(
        "routing.RuleSet", models.PROTECT, null=True, related_name="+", db_index=False
    )
    # The decision it takes the place of: nobody had labelled under that one.
    supersedes = models.ForeignKey("self", models.SET_NULL, null=True, related_name="superseded_by")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(propensity__range=(0, 1)), name="decision_propensity_range"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "arm", "destination"], name="decision_split"),
            models.Index(fields=["project", "-created_at"], name="decision_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} to {self.destination}: {self.reason}"
