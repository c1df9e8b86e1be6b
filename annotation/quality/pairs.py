"""Two annotators side by side: the instances on which they differ."""

from collections import defaultdict

from accounts.models import Project
from annotation.consensus.posterior import pair_share
from annotation.consensus.reading import FIELDS, label_of
from annotation.instances.models import Instance
from annotation.labels.models import Annotator
from annotation.labels.selectors import current
from annotation.projects.models import Criterion

from .bias import Share, wilson
from .figures import side_of


def differing(
    project: Project, criterion: Criterion, first: Annotator, second: Annotator
) -> tuple[list[Instance], Share | None]:
    """Instances where one says otherwise than the other on some pair of completions, newest first,
    and the share of instances on which they agree in all. Excluded annotators are shown too.
    """
    rows = current(project, excluded=True).filter(
        criterion=criterion, annotator__in=[first, second]
    )
    sides: dict[int, dict[int, list[int | None]]] = defaultdict(dict)
    for row in rows.exclude(ranking=[], scores=[]).select_related("annotator").only(*FIELDS):
        vote = label_of(row).vote
        size = len(vote.ranking)
        sides[row.instance_id][row.annotator_id] = [
            None if (p := pair_share(vote, i, j)) is None else side_of(p)
            for i in range(size)
            for j in range(i + 1, size)
        ]
    both = {pk: list(found.values()) for pk, found in sides.items() if len(found) == 2}
    apart = [pk for pk, (one, other) in both.items() if _differ(one, other)]
    instances = Instance.objects.filter(pk__in=apart).order_by("-pk")
    return list(instances), wilson(len(both) - len(apart), len(both))


def _differ(one: list[int | None], other: list[int | None]) -> bool:
    return any(a != b for a, b in zip(one, other, strict=True) if a is not None and b is not None)
