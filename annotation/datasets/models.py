"""Snapshots: immutable data sets. Training reads these, never live tables."""

from django.conf import settings
from django.db import models

from core.models import TimeStamped


class Snapshot(TimeStamped):
    """Content-hashed Parquet files and a manifest. PostgreSQL refuses to change the row."""

    project = models.ForeignKey("accounts.Project", models.PROTECT, related_name="snapshots")
    name = models.CharField(max_length=120, blank=True)
    content_hash = models.CharField(max_length=64)
    query = models.JSONField()
    manifest = models.JSONField()
    # Folder below MEDIA_ROOT that holds train.parquet, test.parquet and manifest.json.
    folder = models.CharField(max_length=200)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "content_hash"], name="snapshot_content_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"snapshot {self.content_hash[:12]}"


class Export(TimeStamped):
    """Files made from a snapshot, ready to download. Their folder lies below MEDIA_ROOT."""

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="exports")
    shape = models.CharField(max_length=30)
    format = models.CharField(max_length=12)
    options = models.JSONField(default=dict)
    # The file, or the folder where there are several.
    path = models.CharField(max_length=300)
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    # Of the file; of several, of the lines that `sha256sum` would write of them.
    sha256 = models.CharField(max_length=64)
    # What was done, and [{"path", "bytes", "sha256"}, …] by the path within the folder.
    manifest = models.JSONField(default=dict)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.shape}.{self.format}"
