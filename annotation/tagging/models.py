"""Who gave which tag. What counts stands on the instance (`Instance.tags`)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class TagSource(models.TextChoices):
    IMPORT = "import"
    PERSON = "person"
    JUDGE = "judge"


class InstanceTag(TimeStamped):
    """One value of one name on one instance, from one source. A person's count before an import's,
    those before a judge's; of several judges the one asked last."""

    instance = models.ForeignKey(
        "annotation.Instance", models.CASCADE, related_name="tagged", db_index=False
    )
    name = models.CharField(max_length=16)
    value = models.CharField(max_length=80)
    source = models.CharField(max_length=6, choices=TagSource.choices)
    judge = models.ForeignKey(
        "annotation.Judge", models.CASCADE, null=True, related_name="tagged", db_index=False
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "name", "source", "judge", "value"],
                name="instance_tag_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(source=TagSource.JUDGE, judge__isnull=False)
                | (~Q(source=TagSource.JUDGE) & Q(judge__isnull=True)),
                name="instance_tag_judge_named",
            ),
        ]
        indexes = [
            # Taking a judge away takes its tags along.
            models.Index(
                fields=["judge"], name="instance_tag_judge", condition=Q(judge__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.value} on {self.instance_id}"
