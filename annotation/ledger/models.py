"""Budgets and the ledger. The hard limit is a constraint of the database."""

import uuid

from django.db import models
from django.db.models import F, Q

from core.models import TimeStamped


class Unit(models.TextChoices):
    """What a budget counts."""

    MONEY = "money"
    LABELS = "labels"
    MINUTES = "minutes"


class Budget(TimeStamped):
    """Money, labels or minutes to spend. settled + reserved + unknown ≤ limit at every moment.

    All amounts are whole millionths of the unit: of `currency`, of a label, of a minute. `debt`
    holds what labels cost beyond their reservation: such a label is kept, and the difference
    stands here.
    """

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="budgets")
    name = models.CharField(max_length=80)
    unit = models.CharField(max_length=7, choices=Unit.choices, default=Unit.MONEY)
    # Of money only.
    currency = models.CharField(max_length=3, default="USD")
    limit = models.BigIntegerField()
    settled = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    unknown = models.BigIntegerField(default=0)
    debt = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="budget_name_unique"),
            models.CheckConstraint(condition=Q(unit__in=Unit.values), name="budget_unit_known"),
            models.CheckConstraint(
                condition=Q(limit__gte=F("settled") + F("reserved") + F("unknown")),
                name="budget_never_exceeded",
            ),
            models.CheckConstraint(
                condition=Q(settled__gte=0, reserved__gte=0, unknown__gte=0, debt__gte=0),
                name="budget_amounts_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EntryState(models.TextChoices):
    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"


class Entry(TimeStamped):
    """One label's money: reserved before, settled or released after."""

    budget = models.ForeignKey(Budget, models.PROTECT, related_name="entries")
    key = models.UUIDField(default=uuid.uuid4)
    # What is paid: `slot:<key>`, `judge-call:<id>`; one entry per thing.
    subject = models.CharField(max_length=120)
    annotator = models.ForeignKey(
        "annotation.Annotator", models.PROTECT, null=True, related_name="+"
    )
    state = models.CharField(max_length=8, choices=EntryState.choices)
    reserved = models.BigIntegerField()
    settled = models.BigIntegerField(default=0)
    debt = models.BigIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "subject"],
                condition=~Q(state="released"),
                name="ledger_entry_subject_unique",
            ),
        ]
        indexes = [
            # What is set aside for a label, in whichever budgets: every submit looks.
            models.Index(
                fields=["subject"],
                name="ledger_entry_open",
                condition=Q(state__in=("reserved", "unknown")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.state}"
