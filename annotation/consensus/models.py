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
    # Of the annotators' parameters it stands on; 0 where the method has none.
    version = models.PositiveIntegerField(default=0)
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


class Minority(models.TextChoices):
    """What it means that few say otherwise than many."""

    # An error of theirs: the posterior of a model of annotators, which grows sharp.
    NOISE = "noise"
    # Another view: the posterior is the smoothed share of the votes and never grows sharper.
    SIGNAL = "signal"


class ConsensusState(models.Model):
    """How a project brings its labels together, and up to which annotation that is done."""

    project = models.OneToOneField(
        "accounts.Project", models.CASCADE, related_name="consensus_state"
    )
    method = models.CharField(max_length=40, default="majority")
    minority = models.CharField(max_length=6, choices=Minority.choices, default=Minority.NOISE)
    annotation = models.BigIntegerField(default=0)
    at = models.DateTimeField(auto_now=True)
    # The annotators' parameters of the newest fit: {"scope criterion": {"model", "prior",
    # "annotators": {id: numbers}}}; counted up with every fit of all labels.
    parameters = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    # How many labels that fit saw, and how many came since.
    fitted = models.PositiveIntegerField(default=0)
    since = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(minority__in=Minority.values), name="consensus_minority_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} up to {self.annotation}"


class GeneratorReport(TimeStamped):
    """The leaderboard of a project's generators, and how far one order can say what labels say."""

    project = models.ForeignKey(
        "accounts.Project", models.CASCADE, related_name="generator_reports"
    )
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    settings = models.JSONField()
    figures = models.JSONField()
    newest_annotation = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="generator_report_newest")]

    def __str__(self) -> str:
        return f"generator report {self.pk} of {self.project_id}"
