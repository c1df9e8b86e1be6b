"""What explains the labels of a project or of a snapshot, as a job has found it."""

from django.db import models

from core.models import TimeStamped


class Explanation(TimeStamped):
    """Figures about what preferences go with, computed by a job; pages show the newest."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="explanations")
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    # Null: the labels of the project as they stood then.
    snapshot = models.ForeignKey(
        "annotation.Snapshot", models.PROTECT, null=True, related_name="explanations"
    )
    # Of the factors and the way they are fitted: figures of two versions are not compared.
    version = models.PositiveSmallIntegerField()
    # The newest annotation it saw: labels after it are not in the figures. 0 of a snapshot.
    newest_annotation = models.BigIntegerField(default=0)
    figures = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="explanation_newest")]

    def __str__(self) -> str:
        return f"explanation {self.pk} of {self.project_id}"
