"""Reads for the feature explorer."""

from dataclasses import dataclass

import numpy as np
from django.core.cache import cache
from django.db.models import F

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Instance
from annotation.judges.models import Judge, Stage
from core.columns import numbers

from .exploring import Dual, Explored, explore
from .judging import NO_READER
from .pending import comparable
from .project import feature_table
from .table import Floats

# A distribution is as plain on this many; the page says so where there are more.
MOST = 10_000
# The figures of more than that are made again after so many seconds.
KEPT = 60


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the explorer shows: `read` of all `instances`, the newest; `dual` are dual-labelled."""

    instances: int
    read: int
    dual: int
    dual_prompts: int
    missing: dict[str, int]
    extractors: dict[str, str]
    found: Explored

    @property
    def text_share(self) -> float:
        return 1 - self.missing.get("text", 0) / max(1, self.read)

    @property
    def embedding_share(self) -> float:
        return 1 - self.missing.get("embedding", 0) / max(1, self.read)


def readers(project: Project) -> list[Judge]:
    """The judges whose disagreement with people can be looked at. One query."""
    judges = Judge.objects.filter(project=project).exclude(stage=Stage.DRAFT)
    return [each for each in judges.order_by("name") if each.provider not in NO_READER]


def exploration(project: Project, judge: Judge | None) -> Exploration:
    """The figures of a project's features, with the disagreement of people and `judge`.

    Where there are too many instances to read them all, figures are up to a minute old.
    """
    key = f"exploration:{project.pk}:{judge.pk if judge else 0}"
    kept = cache.get(key)
    if isinstance(kept, Exploration):
        return kept
    found = _explored(project, judge)
    if found.instances > MOST:
        cache.set(key, found, KEPT)
    return found


def _explored(project: Project, judge: Judge | None) -> Exploration:
    instances = comparable(project)
    newest = list(instances.order_by("-pk").values_list("pk", flat=True)[:MOST])
    table = feature_table(project, newest, judge=judge)
    dual = _dual(project, judge)
    return Exploration(
        instances=instances.count(),
        read=len(newest),
        dual=len(dual),
        dual_prompts=dual.prompt_count,
        missing=table.missing,
        extractors=table.extractors,
        found=explore(table.table, dual),
    )


def _dual(project: Project, judge: Judge | None) -> Dual:
    """The newest instances with a consensus of people that takes a side, and the judge's label."""
    human = _human(project)
    table = feature_table(project, [int(pk) for pk in human[0]], judge=judge)
    said = dict(zip(human[0].astype(np.int64).tolist(), human[1].tolist(), strict=True))
    worth = np.array([said[pk] for pk in table.ids.tolist()], dtype=np.float64)
    both = ~np.isnan(table.judge)
    # A judge's tie is no agreement: it takes neither side.
    wrong = np.sign(table.judge - 0.5) != np.sign(worth - 0.5)
    _, prompts = np.unique(np.array(table.prompts, dtype=str)[both], return_inverse=True)
    return Dual(table.table.take(both), wrong[both].astype(np.float64), prompts.astype(np.int64))


def _human(project: Project) -> Floats:
    """(2, n): id and people's P(first preferred), of the newest pairs on which they do not tie."""
    rows = Consensus.objects.filter(
        instance__in=Instance.objects.filter(project=project),
        criterion=project.criteria.first(),
        scope=Scope.HUMAN,
        worth__1__isnull=False,
        worth__2__isnull=True,
    )
    found = numbers(rows, "instance_id", F("worth__0"))
    found = found[:, found[1] != 0.5]
    return found[:, np.argsort(-found[0])[:MOST]]
