"""Live routing: how a project sends what comes in to people or to judges."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class Mode(models.TextChoices):
    OFF = "off"
    # Every instance as it arrives, or when `batch_size` of them wait.
    STREAM = "stream"
    BATCH = "batch"


class Stall(models.TextChoices):
    """Why nothing is routed although routing is on."""

    NONE = ""
    # The audit arm is paid first; it cannot be paid.
    AUDIT = "audit"
    SEED = "seed"
    FEATURES = "features"
    JUDGE = "judge"
    FIT = "fit"


class LiveRouting(TimeStamped):
    """Settings and state of a project's live routing. Prices are in millionths of the currency."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, related_name="live_routing")
    mode = models.CharField(max_length=6, choices=Mode.choices, default=Mode.OFF)
    strategy = models.CharField(max_length=40, default="learned")
    # Options of the strategy's fit, and of how it selects.
    options = models.JSONField(default=dict)
    judge = models.ForeignKey("annotation.Judge", models.PROTECT, null=True, related_name="+")
    # The second tier of a cascade.
    strong_judge = models.ForeignKey(
        "annotation.Judge", models.PROTECT, null=True, related_name="+"
    )
    per_criterion = models.BooleanField(default=False)
    batch_size = models.PositiveIntegerField(default=100)
    # How many instances are dual-labelled at random before the first router is fitted.
    seed_size = models.PositiveIntegerField(default=100)
    audit_share = models.FloatField(default=0.05)
    # Drawn at random among the rest and labelled by both: what routers are refitted on.
    explore_share = models.FloatField(default=0.05)
    # At most this share of what is routed goes to people, 1: as many as the strategy wants. Money
    # comes on top.
    people_share = models.FloatField(default=0.25)
    human_price_micros = models.BigIntegerField(default=300_000)
    expert_price_micros = models.BigIntegerField(default=1_000_000)
    seconds_per_label = models.PositiveIntegerField(default=60)
    # A refit is due after so many new dual-labelled or exploration labels.
    refit_after = models.PositiveIntegerField(default=100)
    router = models.ForeignKey("routing.Router", models.PROTECT, null=True, related_name="+")
    fitted_on = models.PositiveIntegerField(default=0)
    stall = models.CharField(max_length=8, choices=Stall.choices, default=Stall.NONE, blank=True)
    # In words, with the amount that is missing.
    stall_reason = models.CharField(max_length=300, blank=True)
    stalled_at = models.DateTimeField(null=True)
    routed_at = models.DateTimeField(null=True)
    # Counts of the batch that was routed last.
    last_batch = models.JSONField(default=dict)
    # The router and the limits of the budgets for which all open decisions were looked at again.
    rerouted_for = models.CharField(max_length=80, blank=True)
    # The state of the project in which the tick found nothing to do: see `waking`.
    idle_for = models.CharField(max_length=32, blank=True)
    # Drift of the features and of the judge as measured last: {"index": …, "feature": …, "at": …}.
    drift = models.JSONField(default=dict)
    # Counted up with every change of the settings: who saves an older version is told so.
    version = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(audit_share__gt=0, audit_share__lt=1), name="live_audit_share_range"
            ),
            models.CheckConstraint(
                condition=Q(explore_share__gte=0, explore_share__lt=1),
                name="live_explore_share_range",
            ),
            models.CheckConstraint(
                condition=Q(people_share__gt=0, people_share__lte=1),
                name="live_people_share_range",
            ),
            models.CheckConstraint(
                condition=Q(human_price_micros__gt=0), name="live_price_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} routing of {self.project_id}"
