"""Assignments and slots: who may label what, so that over-collection cannot happen."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.models import TimeStamped

from .purposes import Purpose


class Destination(models.TextChoices):
    HUMAN = "human"
    JUDGE = "judge"
    BOTH = "both"
    VERIFIER = "verifier"
    DROP = "drop"


class Arm(models.TextChoices):
    """Why an instance went where it went; statistics must not mix these."""

    SEED = "seed"
    AUDIT = "audit"
    EXPLORE = "explore"
    ROUTED = "routed"


class Assignment(TimeStamped):
    """Where an instance goes. `decision_id` names the router's decision (an upper room)."""

    instance = models.OneToOneField(
        "annotation.Instance", models.CASCADE, related_name="assignment"
    )
    destination = models.CharField(max_length=8, choices=Destination.choices)
    arm = models.CharField(max_length=8, choices=Arm.choices)
    # P(a human label is obtained), fixed before labelling.
    propensity = models.FloatField()
    overlap = models.PositiveSmallIntegerField(default=1)
    # Keys of the criteria that people are asked; none: all of the project's.
    criteria = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    decision_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(destination__in=Destination.values), name="assignment_destination_known"
            ),
            models.CheckConstraint(condition=Q(arm__in=Arm.values), name="assignment_arm_known"),
            models.CheckConstraint(
                condition=Q(propensity__range=(0, 1)), name="assignment_propensity_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} to {self.destination}"


class Pool(models.Model):
    """Who may take a slot: a cohort (blank: anybody) and the qualifications it takes."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="pools")
    cohort = models.CharField(max_length=40, blank=True)
    requires = ArrayField(models.CharField(max_length=80), default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "cohort", "requires"], name="pool_unique"),
        ]

    def __str__(self) -> str:
        return " ".join([self.cohort or "anybody", *self.requires])


class SlotState(models.TextChoices):
    OPEN = "open"
    LEASED = "leased"
    SUBMITTED = "submitted"
    WITHDRAWN = "withdrawn"


class Slot(TimeStamped):
    """One place for one annotator on one instance. Annotators know it by `key` only."""

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="slots")
    # No indexes of their own: the constraints and the claim's index start with these columns.
    instance = models.ForeignKey(
        "annotation.Instance", models.CASCADE, related_name="slots", db_index=False
    )
    purpose = models.CharField(max_length=13, choices=Purpose.choices, default=Purpose.LABEL)
    pool = models.ForeignKey(Pool, models.PROTECT, null=True, related_name="+", db_index=False)
    ordinal = models.PositiveSmallIntegerField()
    overlap = models.PositiveSmallIntegerField(default=1)
    repeat_no = models.PositiveSmallIntegerField(default=0)
    annotator = models.ForeignKey(
        "annotation.Annotator", models.PROTECT, null=True, related_name="slots", db_index=False
    )
    state = models.CharField(max_length=10, choices=SlotState.choices, default=SlotState.OPEN)
    priority = models.FloatField(default=0)
    # When the annotator took it: of two held slots the older one is in front of them.
    leased_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    shown_order = models.JSONField(null=True)
    # Keys of the criteria that are asked here; none: all of the project's.
    criteria = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    decision_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "annotator", "purpose", "repeat_no"],
                condition=Q(annotator__isnull=False),
                name="slot_once_per_annotator",
            ),
            # Nor do they meet as gold what they labelled, or the other way round.
            models.UniqueConstraint(
                fields=["instance", "annotator"],
                condition=Q(
                    annotator__isnull=False,
                    purpose__in=[Purpose.LABEL, Purpose.GOLD, Purpose.QUALIFICATION],
                ),
                name="slot_asked_once",
            ),
            models.UniqueConstraint(
                fields=["instance", "purpose", "ordinal"], name="slot_ordinal_unique"
            ),
            models.CheckConstraint(
                condition=Q(ordinal__lt=F("overlap")), name="slot_within_overlap"
            ),
            models.CheckConstraint(
                condition=Q(
                    state=SlotState.LEASED, annotator__isnull=False, leased_until__isnull=False
                )
                | ~Q(state=SlotState.LEASED),
                name="slot_lease_complete",
            ),
            # The claim looks into pools: an open slot in none would never be given to anybody.
            models.CheckConstraint(
                condition=~Q(state=SlotState.OPEN) | Q(pool__isnull=False),
                name="slot_open_has_pool",
            ),
        ]
        indexes = [
            # The claim: the next open slot of a pool, best priority first. An expression, so that
            # all of it ascends and "after this place" is one comparison of rows.
            models.Index(
                "project",
                "pool",
                F("priority") * -1,
                "id",
                name="slot_claim",
                condition=Q(state=SlotState.OPEN),
            ),
            # Taking back expired leases.
            models.Index(fields=["leased_until"], name="slot_expiry", condition=Q(state="leased")),
            # What a person holds or has done.
            models.Index(fields=["annotator", "state"], name="slot_annotator"),
        ]

    def __str__(self) -> str:
        return f"slot {self.key} {self.state}"


class Opening(models.Model):
    """Slots that opened out of turn, at this place or behind it.

    One row for each time `Protocol.queue_epoch` counts up. Who has walked on goes back as far.
    """

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+")
    epoch = models.BigIntegerField()
    priority = models.FloatField()
    slot_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "epoch"], name="opening_epoch_unique"),
        ]

    def __str__(self) -> str:
        return f"opening {self.epoch} at {self.priority}, {self.slot_id}"


class SkipKind(models.TextChoices):
    PASS = "pass"  # noqa: S105 - passing on, not a secret
    BROKEN = "broken"
    UNSAFE = "unsafe"
    PERSONAL = "personal"
    LANGUAGE = "language"
    EXPERTISE = "expertise"


class Skip(TimeStamped):
    """An annotator passed on a slot or flagged its instance; the slot is open again for others."""

    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="skips")
    annotator = models.ForeignKey("annotation.Annotator", models.CASCADE, related_name="skips")
    kind = models.CharField(max_length=9, choices=SkipKind.choices, default=SkipKind.PASS)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "annotator"], name="skip_once"),
        ]

    def __str__(self) -> str:
        return f"{self.annotator_id} skipped {self.instance_id}"
