"""Annotators and their annotations. A label is written once and never changed."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from annotation.projects.models import TieKind
from annotation.queue.purposes import Purpose
from core.models import TimeStamped


class AnnotatorKind(models.TextChoices):
    PERSON = "person"
    JUDGE = "judge"
    IMPORT = "import"
    VERIFIER = "verifier"


class Annotator(TimeStamped):
    """Whoever labels in a project: a person, a judge version, an import, a verifier."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="annotators")
    kind = models.CharField(max_length=8, choices=AnnotatorKind.choices)
    name = models.CharField(max_length=120)
    pseudonym = models.CharField(max_length=40)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    judge = models.OneToOneField(
        "annotation.Judge", models.PROTECT, null=True, related_name="annotator"
    )
    # Labels of a simulated annotator were given by no person; every page and export says so.
    simulated = models.BooleanField(default=False)
    # Price of one label in millionths of the project's currency unit.
    price_micros = models.BigIntegerField(default=0)
    # The group they were recruited in, and what they may label beyond what everybody may.
    cohort = models.CharField(max_length=40, blank=True)
    qualifications = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    # They get no more than so many instances. Null: no limit.
    quota = models.PositiveIntegerField(null=True, blank=True)
    # Passed the qualification round, where the project has one.
    qualified_at = models.DateTimeField(null=True, blank=True)
    # Their labels are left out of consensus and data for as long as this is set.
    excluded_at = models.DateTimeField(null=True, blank=True)
    excluded_because = models.CharField(max_length=200, blank=True)
    # Where the queue goes on for them: all before it in this epoch was theirs or not for them.
    queue_priority = models.FloatField(null=True)
    queue_slot = models.BigIntegerField(null=True)
    queue_epoch = models.BigIntegerField(default=-1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "name"], name="annotator_name_unique"
            ),
            models.UniqueConstraint(
                fields=["project", "pseudonym"], name="annotator_pseudonym_unique"
            ),
            models.UniqueConstraint(
                fields=["project", "user"],
                condition=Q(user__isnull=False),
                name="annotator_user_unique",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=AnnotatorKind.values), name="annotator_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.pseudonym


class Annotation(TimeStamped):
    """One immutable label on one criterion. Undo and edit add a row that supersedes another.

    `ranking` has one rank per completion in canonical position (1 is best, ties share a rank); it
    is empty for an answer that ranks nothing (a score, `cannot judge`) and for a retraction.
    Completions in `unranked` share a rank because nobody told them apart, not because they tie.
    `scores` has one score per completion where a criterion is rated, null for one not judged.
    """

    project = models.ForeignKey("accounts.Project", models.PROTECT, related_name="annotations")
    instance = models.ForeignKey("annotation.Instance", models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="annotations")
    criterion = models.ForeignKey("annotation.Criterion", models.PROTECT, related_name="+")
    guideline = models.ForeignKey(
        "annotation.Guideline", models.PROTECT, null=True, related_name="+"
    )
    slot = models.ForeignKey(
        "annotation.Slot", models.PROTECT, null=True, related_name="annotations"
    )
    purpose = models.CharField(max_length=13, choices=Purpose.choices, default=Purpose.LABEL)
    ranking = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    unranked = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    scores = ArrayField(models.SmallIntegerField(null=True), default=list, blank=True)
    tie_kind = models.CharField(max_length=12, choices=TieKind.choices, blank=True)
    strength = models.FloatField(null=True)
    confidence = models.PositiveSmallIntegerField(null=True)
    rationale = models.TextField(blank=True)
    reasons = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    attributes = models.JSONField(default=dict)
    # Canonical positions in the order they were on the screen or in the judge's prompt.
    shown_order = ArrayField(models.PositiveSmallIntegerField(), null=True)
    seconds = models.FloatField(null=True)
    client_id = models.UUIDField()
    payload_hash = models.CharField(max_length=64)
    decision_id = models.UUIDField(null=True)
    supersedes = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="superseded_by"
    )
    retracted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # The same submit again is a no-op: the client sends the same id.
            models.UniqueConstraint(
                fields=["annotator", "client_id", "criterion"], name="annotation_client_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(retracted=False) | Q(supersedes__isnull=False),
                name="annotation_retraction_supersedes",
            ),
            models.CheckConstraint(
                condition=Q(strength__isnull=True) | Q(strength__range=(0, 1)),
                name="annotation_strength_range",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "id"], name="annotation_by_project"),
            models.Index(fields=["instance", "criterion"], name="annotation_by_instance"),
            models.Index(fields=["annotator", "-id"], name="annotation_by_annotator"),
            # A dashboard's period: rows come in the order of time, so a few bytes a block do.
            BrinIndex(fields=["created_at"], name="annotation_by_time", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return f"{self.annotator_id} on {self.instance_id}: {self.ranking}"


class Draft(models.Model):
    """What an annotator has entered and not yet submitted.

    It belongs to the annotator as much as to the slot: when a lease runs out and another person
    takes the slot, the draft stays.
    """

    slot = models.ForeignKey("annotation.Slot", models.CASCADE, related_name="drafts")
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="drafts")
    payload = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slot", "annotator"], name="draft_once_per_annotator"),
        ]

    def __str__(self) -> str:
        return f"draft of slot {self.slot_id}"
