"""Reading tags: what counts on instances, who said so, and how far a project is covered."""

from collections import defaultdict
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, QuerySet

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState

from .models import InstanceTag, TagSource
from .vocabulary import NAMES, TAGS

COVERED = """
SELECT split_part(tag, ':', 1) AS name, substr(tag, strpos(tag, ':') + 1) AS value,
  count(DISTINCT instance.id) AS instances
FROM annotation_instance AS instance, unnest(instance.tags) AS tag
WHERE instance.project_id = %s AND instance.state <> 'dropped'
  AND split_part(tag, ':', 1) = ANY(%s) AND strpos(tag, ':') > 0
GROUP BY GROUPING SETS ((1, 2), (1))
"""


@dataclass(frozen=True)
class Coverage:
    """One name of tags in a project: instances that have it, by value and by who said so.

    `sources`: instances by kind of source; an import's word that nobody else touched has no rows,
    so it is the rest. `unlisted`: values that the vocabulary does not know.
    """

    name: str
    instances: int
    total: int
    values: dict[str, int]
    sources: dict[str, int]

    @property
    def percent(self) -> int:
        return round(100 * self.instances / self.total) if self.total else 0

    @property
    def unlisted(self) -> list[str]:
        return [value for value in self.values if value not in TAGS[self.name]]


def given_tags(instance: Instance) -> QuerySet[InstanceTag]:
    """Everything that anybody said of an instance, by name."""
    rows = InstanceTag.objects.filter(instance=instance)
    return rows.select_related("judge", "by").order_by("name", "source", "pk")


def coverage(project: Project) -> list[Coverage]:
    """Every name of the vocabulary with its coverage. Three queries; dropped instances are out."""
    there = Instance.objects.filter(project=project).exclude(state=InstanceState.DROPPED)
    total = there.count()
    values: defaultdict[str, dict[str, int]] = defaultdict(dict)
    instances: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(COVERED, [project.pk, list(NAMES)])
        for name, value, count in cursor:
            if value is None:
                instances[name] = count
            else:
                values[name][value] = count
    sources = _sources(project)
    return [
        Coverage(
            name,
            instances.get(name, 0),
            total,
            dict(sorted(values[name].items(), key=lambda each: (-each[1], each[0]))),
            sources[name],
        )
        for name in NAMES
    ]


def _sources(project: Project) -> defaultdict[str, dict[str, int]]:
    rows = (
        InstanceTag.objects.filter(instance__project=project)
        .exclude(instance__state=InstanceState.DROPPED)
        .order_by()
        .values_list("name", "source")
        .annotate(instances=Count("instance", distinct=True))
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, source, count in rows:
        found[name][TagSource(source).value] = count
    return found
