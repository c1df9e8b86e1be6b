"""Gold, instances to be labelled again, reports on annotators, and what reviewers say to them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class GoldKind(models.TextChoices):
    GOLD = "gold"
    # Anybody who reads gets it right.
    ATTENTION = "attention"
    # Asked in the qualification round, with feedback.
    QUALIFICATION = "qualification"


class Gold(TimeStamped):
    """An instance whose answer is known.

    `answers` maps a criterion's key to what counts as right: `{"accept": [answer, …]}`, each
    answer with the keys of a draft (`ranking`, `tie_kind`, `scores`); a side is enough, strength
    and confidence are not compared.
    """

    instance = models.OneToOneField("annotation.Instance", models.CASCADE, related_name="gold")
    kind = models.CharField(max_length=13, choices=GoldKind.choices, default=GoldKind.GOLD)
    answers = models.JSONField(default=dict)
    # Shown after an answer in the qualification round.
    feedback = models.TextField(blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=GoldKind.values), name="gold_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.instance_id}"


class Relabel(TimeStamped):
    """A wish that somebody else looks at an instance again, and where it came from."""

    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="relabels")
    # The report it was sent from: "disagreement", "gold", "bias", …
    report = models.CharField(max_length=40)
    reason = models.CharField(max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # The place that was opened for it; it is done when that is filled.
    slot = models.OneToOneField(
        "annotation.Slot", models.SET_NULL, null=True, related_name="relabel"
    )

    class Meta:
        indexes = [models.Index(fields=["instance"], name="relabel_by_instance")]

    def __str__(self) -> str:
        return f"relabel {self.instance_id}"


class Report(TimeStamped):
    """Figures about a project's annotators, computed by a job; pages show the newest."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="quality_reports")
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    # What was asked for: the model of reliability, the criterion, the time range.
    settings = models.JSONField(default=dict)
    figures = models.JSONField(default=dict)
    # The newest annotation it saw: labels after it are not in the figures.
    newest_annotation = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="quality_report_newest")]

    def __str__(self) -> str:
        return f"quality report {self.pk} of {self.project_id}"


class Remark(TimeStamped):
    """What a reviewer thinks of one annotation; its annotator reads the note in their history."""

    annotation = models.ForeignKey("annotation.Annotation", models.CASCADE, related_name="remarks")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # Null: a note without a verdict.
    agrees = models.BooleanField(null=True)
    note = models.CharField(max_length=1000, blank=True)
    # The label came by a random draw from all of its annotator's: such verdicts tell how good
    # their labels are, those given where people differ do not.
    drawn = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotation", "by"], name="remark_once"),
        ]

    def __str__(self) -> str:
        return f"remark on {self.annotation_id}"
