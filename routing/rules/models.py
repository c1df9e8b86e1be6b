"""The rules of a project: every version is kept, the newest is in force."""

from django.conf import settings
from django.db import models

from core.models import TimeStamped


class RuleSet(TimeStamped):
    """One version, never changed: `rules` is the ordered list of `matching.Rule.to_json`."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="rule_sets")
    version = models.PositiveIntegerField()
    rules = models.JSONField(default=list)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="rule_set_version_unique"),
        ]

    def __str__(self) -> str:
        return f"rules v{self.version}"
