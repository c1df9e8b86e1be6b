"""Allowances: what may be spent on whom, and for how long. The money itself is the ledger's."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.ledger.models import Unit
from core.models import TimeStamped


class Period(models.TextChoices):
    """How often an allowance begins anew; `whole` never does."""

    WHOLE = "whole"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Spender(models.TextChoices):
    """Whose labels an allowance pays for."""

    ALL = "all"
    PEOPLE = "people"
    # People whose slots ask for no qualification, and those whose slots do.
    REGULAR = "regular"
    EXPERT = "expert"
    JUDGES = "judges"


class Allowance(TimeStamped):
    """A limit on what routing spends in one period; each period is a budget of the ledger.

    A label is bought only where every allowance it falls under can pay for it. `limit` is in
    millionths of the unit and counts for the current period and those to come.
    """

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="allowances")
    name = models.CharField(max_length=60)
    unit = models.CharField(max_length=7, choices=Unit.choices, default=Unit.MONEY)
    currency = models.CharField(max_length=3, default="USD")
    limit = models.BigIntegerField()
    period = models.CharField(max_length=5, choices=Period.choices, default=Period.WHOLE)
    spender = models.CharField(max_length=7, choices=Spender.choices, default=Spender.ALL)
    # One judge only; its labels alone are paid then.
    judge = models.ForeignKey(
        "annotation.Judge", models.CASCADE, null=True, related_name="allowances"
    )
    # Counted up with every change: who saves an older version is told so.
    version = models.PositiveIntegerField(default=1)
    ended_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(ended_at__isnull=True),
                name="allowance_name_unique",
            ),
            models.CheckConstraint(condition=Q(limit__gte=0), name="allowance_limit_positive"),
            models.CheckConstraint(
                condition=Q(judge__isnull=True) | Q(spender=Spender.JUDGES),
                name="allowance_judge_spends",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Window(TimeStamped):
    """One period of an allowance, with its budget in the ledger."""

    allowance = models.ForeignKey(Allowance, models.CASCADE, related_name="windows")
    budget = models.OneToOneField(
        "annotation.Budget", models.PROTECT, related_name="allowance_window"
    )
    starts_at = models.DateTimeField()
    # Null: without end.
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allowance", "starts_at"], name="window_start_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.allowance} from {self.starts_at:%Y-%m-%d}"


class Alert(TimeStamped):
    """A window passed 50, 80 or 100 per cent of its limit; told once."""

    window = models.ForeignKey(Window, models.CASCADE, related_name="alerts")
    percent = models.PositiveSmallIntegerField()
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["window", "percent"], name="alert_once"),
            models.CheckConstraint(condition=Q(percent__in=(50, 80, 100)), name="alert_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.window_id}"


class Purse(TimeStamped):
    """Money of its own for one run of a judge, set aside in every window beforehand."""

    budget = models.OneToOneField("annotation.Budget", models.PROTECT, related_name="purse")
    judge = models.ForeignKey("annotation.Judge", models.CASCADE, related_name="purses")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"purse {self.budget_id}"
