"""Instances, their completions, the labels recorded elsewhere, and derived signals."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from annotation.projects.models import TieKind
from annotation.queue.purposes import Purpose
from core.models import TimeStamped

from .content import text_of


class InstanceState(models.TextChoices):
    NEW = "new"
    ROUTED = "routed"
    SETTLED = "settled"
    DROPPED = "dropped"
    # Its answer is known: it checks annotators and is no data.
    GOLD = "gold"
    # Set aside because annotators flagged it.
    FLAGGED = "flagged"


class Instance(TimeStamped):
    """A prompt with its completions."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="instances")
    external_id = models.CharField(max_length=200)
    content_hash = models.CharField(max_length=64)
    # Splits are drawn on this, so that a prompt never crosses from train to test.
    prompt_hash = models.CharField(max_length=64)
    messages = models.JSONField()
    context = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    tags = ArrayField(models.CharField(max_length=80), default=list)
    state = models.CharField(max_length=8, choices=InstanceState.choices, default=InstanceState.NEW)
    priority = models.FloatField(default=0)
    imported_by = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"], name="instance_external_id_unique"
            ),
            models.UniqueConstraint(
                fields=["project", "content_hash"], name="instance_content_unique"
            ),
            models.CheckConstraint(
                condition=Q(state__in=InstanceState.values), name="instance_state_known"
            ),
        ]
        indexes = [
            # Listing and walking a project's instances by state with a stable cursor.
            models.Index(fields=["project", "state", "id"], name="instance_project_state"),
            models.Index(fields=["project", "prompt_hash"], name="instance_project_prompt"),
            # The list over HTTP: a page from any cursor.
            models.Index(fields=["project", "id"], name="instance_project_walk"),
            # Those with a tag, where few have it.
            GinIndex(fields=["tags"], name="instance_tags"),
        ]

    def __str__(self) -> str:
        return self.external_id


class Completion(models.Model):
    """One completion of an instance, in its canonical position."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="completions")
    position = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    # Parts beside the text (images, audio, citations); empty for plain text.
    parts = models.JSONField(default=list)
    # Own prompt of this side in joint comparison; null means the instance's messages.
    messages = models.JSONField(null=True)
    generator = models.CharField(max_length=120, blank=True)
    checkpoint = models.CharField(max_length=200, blank=True)
    sampling = models.JSONField(default=dict)
    licence = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "position"], name="completion_position_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def whole_text(self) -> str:
        """The text with the words of the parts beside it, for whoever reads text only."""
        return text_of([self.text, *self.parts]) if self.parts else self.text


class Origin(models.TextChoices):
    HUMAN = "human"
    JUDGE = "judge"


class RecordedLabel(models.Model):
    """A label that came with an import. It is no annotation until it is revealed.

    Replay reveals people's labels only where an instance is routed to people, and a judge's only
    where the judge is asked; an ordinary import reveals all of them at once.
    """

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="recorded_labels")
    origin = models.CharField(max_length=8, choices=Origin.choices)
    annotator = models.CharField(max_length=120)
    # The key of the criterion it answers; blank: the project's first.
    criterion = models.CharField(max_length=40, blank=True)
    # Counts the labels of one annotator on one criterion of one instance (a judge asked in both
    # orders has two).
    ordinal = models.PositiveSmallIntegerField(default=0)
    purpose = models.CharField(max_length=13, choices=Purpose.choices, default=Purpose.LABEL)
    # As in an annotation.
    ranking = ArrayField(models.PositiveSmallIntegerField(), default=list)
    unranked = ArrayField(models.PositiveSmallIntegerField(), default=list)
    scores = ArrayField(models.SmallIntegerField(null=True), default=list)
    tie_kind = models.CharField(max_length=12, choices=TieKind.choices, blank=True)
    shown_order = ArrayField(models.PositiveSmallIntegerField(), null=True)
    strength = models.FloatField(null=True)
    # What a judge gave the first completion of being the better one.
    probability = models.FloatField(null=True)
    confidence = models.PositiveSmallIntegerField(null=True)
    attributes = models.JSONField(default=dict)
    rationale = models.TextField(blank=True)
    reasons = ArrayField(models.CharField(max_length=60), default=list)
    seconds = models.FloatField(null=True)
    # When it was given, where the file says so.
    said_at = models.DateTimeField(null=True)
    simulated = models.BooleanField(default=False)
    # Its provenance: the job knows the file and how it was read.
    imported_by = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "origin", "annotator", "criterion", "ordinal"],
                name="recorded_label_unique",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=Origin.values), name="recorded_label_origin_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.instance_id}"


class ImportProgress(models.Model):
    """How far an import job has come: written with every batch, so that a later attempt goes on.

    `attempt` is the one that may write; `rows` of the file of this number are done.
    """

    job = models.OneToOneField("jobs.Job", models.CASCADE, primary_key=True, related_name="+")
    attempt = models.PositiveIntegerField()
    file = models.PositiveIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"import {self.job_id}: {self.rows} rows of file {self.file}"


class Signal(models.Model):
    """A number derived about an instance by an upper room (judge flip, reward margin, …)."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="signals")
    name = models.CharField(max_length=60)
    version = models.CharField(max_length=60)
    value = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "name", "version"], name="signal_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class MediaFile(TimeStamped):
    """An image, sound or film of a project. Parts name it; its bytes lie under their hash."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="media_files")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    # Read from the first bytes, never from the name.
    content_type = models.CharField(max_length=40)
    bytes = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            # A name never changes its meaning: instances that refer to it keep their content.
            models.UniqueConstraint(fields=["project", "name"], name="media_name_unique"),
        ]
        indexes = [
            # Serving by hash.
            models.Index(fields=["project", "sha256"], name="media_project_hash"),
        ]

    def __str__(self) -> str:
        return self.name
