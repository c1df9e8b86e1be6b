"""People who come through a study's link, and the money that people have earned."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from core.models import TimeStamped


class StudyState(models.TextChoices):
    DRAFT = "draft"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class Study(TimeStamped):
    """A call for people of a crowd: so many places, so many labels each, one link.

    `taken` counts the places of those who are at work or have completed. A place of somebody who
    returned or ran out of time is free again.
    """

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="studies")
    name = models.CharField(max_length=120)
    # Markdown that people read before they agree to take part.
    intro = models.TextField(blank=True)
    cohort = models.CharField(max_length=40, blank=True)
    # Paid once for a completed participation, in millionths of `currency`.
    reward_micros = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, default="USD")
    labels = models.PositiveIntegerField()
    minutes = models.PositiveIntegerField(default=60)
    places = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=6, choices=StudyState.choices, default=StudyState.DRAFT)
    completion_code = models.CharField(max_length=40)
    # For those who do not agree to take part; without one they are only thanked.
    screen_out_code = models.CharField(max_length=40, blank=True)
    # The crowd's own name of this study; empty takes any.
    external_id = models.CharField(max_length=64, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=Q(taken__lte=F("places")), name="study_places_never_exceeded"
            ),
            models.CheckConstraint(
                condition=Q(labels__gte=1, minutes__gte=1, reward_micros__gte=0),
                name="study_numbers_positive",
            ),
            models.CheckConstraint(
                condition=Q(state__in=StudyState.values), name="study_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Stage(models.TextChoices):
    """Where a participation stands. The last three are ends, but a timed-out one may go on."""

    ACTIVE = "active"
    COMPLETED = "completed"
    RETURNED = "returned"
    TIMED_OUT = "timed out"


class Participation(TimeStamped):
    """One person of the crowd in one study, with the account that the study made for them."""

    study = models.ForeignKey(Study, models.PROTECT, related_name="participations")
    # The crowd's name of the person, as their link says it.
    external_id = models.CharField(max_length=64)
    session_id = models.CharField(max_length=64, blank=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="participation"
    )
    annotator = models.OneToOneField(
        "annotation.Annotator", models.PROTECT, related_name="participation"
    )
    stage = models.CharField(max_length=9, choices=Stage.choices, default=Stage.ACTIVE)
    # Hash of the code that lets the person in from another browser, once.
    return_hash = models.CharField(max_length=64)
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "external_id"], name="participation_once_per_study"
            ),
            models.CheckConstraint(
                condition=Q(stage__in=Stage.values), name="participation_stage_known"
            ),
        ]
        indexes = [
            # The sweep for those who went away.
            models.Index(
                fields=["seen_at"], name="participation_active", condition=Q(stage="active")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} in {self.study_id}"


class Basis(models.TextChoices):
    LABEL = "label"
    HOUR = "hour"


class Rate(TimeStamped):
    """What a label or an hour is paid from a moment on, for one cohort or (empty) everybody.

    The table is append-only: a new rate follows the old one, which stays for the work of its time.
    """

    project = models.ForeignKey("accounts.Project", models.PROTECT, related_name="rates")
    cohort = models.CharField(max_length=40, blank=True)
    basis = models.CharField(max_length=5, choices=Basis.choices)
    micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    # Most seconds that are paid for one instance, where hours are paid.
    most_seconds = models.PositiveIntegerField(default=600)
    valid_from = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "cohort", "valid_from"], name="rate_once_per_moment"
            ),
            models.CheckConstraint(condition=Q(micros__gte=0), name="rate_not_negative"),
            models.CheckConstraint(condition=Q(basis__in=Basis.values), name="rate_basis_known"),
        ]

    def __str__(self) -> str:
        return f"{self.micros} {self.currency} by {self.basis}"


class EarningKind(models.TextChoices):
    LABEL = "label"
    HOUR = "hour"
    BONUS = "bonus"
    STUDY = "study"


class Earning(TimeStamped):
    """One line of what a person has earned; append-only, a correction is a line of its own.

    `subject` says what is paid (`submit:<client id>`, `study:<id>`, `bonus:<uuid>`), so that
    deriving the lines again adds none.
    """

    project = models.ForeignKey("accounts.Project", models.PROTECT, related_name="earnings")
    annotator = models.ForeignKey("annotation.Annotator", models.PROTECT, related_name="earnings")
    kind = models.CharField(max_length=5, choices=EarningKind.choices)
    subject = models.CharField(max_length=120)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    labels = models.SmallIntegerField(default=0)
    seconds = models.FloatField(default=0)
    worked_at = models.DateTimeField()
    rate = models.ForeignKey(Rate, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotator", "subject"], name="earning_once"),
            models.CheckConstraint(
                condition=~Q(kind="bonus") | ~Q(reason=""), name="earning_bonus_has_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "worked_at"], name="earning_by_project"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.amount} {self.currency}"


class Payout(TimeStamped):
    """Lines that are approved together and paid together; what is in one is in no other."""

    project = models.ForeignKey("accounts.Project", models.PROTECT, related_name="payouts")
    currency = models.CharField(max_length=3)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    paid_at = models.DateTimeField(null=True)
    # What the bank or the crowd calls the payment.
    reference = models.CharField(max_length=120, blank=True)

    def __str__(self) -> str:
        return f"payout {self.pk}"


class PayoutLine(models.Model):
    """An earning's place in a payout: the earning itself never changes."""

    payout = models.ForeignKey(Payout, models.CASCADE, related_name="lines")
    earning = models.OneToOneField(Earning, models.PROTECT, related_name="payout_line")

    def __str__(self) -> str:
        return f"{self.earning_id} in {self.payout_id}"
