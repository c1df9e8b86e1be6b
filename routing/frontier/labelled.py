"""Whose answers are known: open instances to be bought, and dual-labelled ones to learn from."""

from dataclasses import dataclass

import numpy as np
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Completion, Instance, InstanceState, Signal
from annotation.judges.models import Judge
from annotation.judges.verdicts import signal_name
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Slot, SlotState
from routing.decisions.models import Router
from routing.features.table import Bools, Floats
from routing.live.models import LiveRouting
from routing.strategies import audit

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
OPEN, JUDGED = "open", "judged"


def candidates(project: Project) -> tuple[str, QuerySet[Instance]]:
    """The instances that people have not been asked about, and which kind of them.

    `open`: new or routed without a place for people; where there is none, `judged`: those that
    only the judge has labelled.
    """
    second = Completion.objects.filter(instance=OuterRef("pk"), position=1)
    people = Annotation.objects.filter(instance=OuterRef("pk")).exclude(
        annotator__kind__in=MACHINES
    )
    asked = Slot.objects.filter(
        instance=OuterRef("pk"), state__in=[SlotState.OPEN, SlotState.LEASED]
    )
    unasked = Instance.objects.filter(
        Exists(second), ~Exists(people), ~Exists(asked), project=project
    ).order_by("pk")
    waiting = unasked.filter(state__in=[InstanceState.NEW, InstanceState.ROUTED])
    if waiting.exists():
        return OPEN, waiting
    return JUDGED, unasked.filter(state=InstanceState.SETTLED)


def judge_beside(project: Project, router: Router, live: LiveRouting) -> Judge | None:
    """The judge that labels what people do not: the router's, the settings', or the busiest."""
    chosen = router.judge or live.judge
    if chosen is not None:
        return chosen
    judges = list(Judge.objects.filter(project=project).select_related("annotator").order_by("pk"))
    names = {signal_name("judge_p", judge): judge for judge in judges}
    counts = (
        Signal.objects.filter(instance__project=project, name__in=names)
        .values("name")
        .annotate(count=Count("id"))
        .order_by("-count", "name")
    )
    busiest = counts.first()
    return names[busiest["name"]] if busiest else None


@dataclass(frozen=True, eq=False)
class Dual:
    """m dual-labelled instances that may be learned from: never those of A-report.

    `human` and `judge` (m,) are P(first preferred); `fresh` (m,) those that no router has seen.
    """

    ids: tuple[int, ...]
    prompts: tuple[str, ...]
    human: Floats
    judge: Floats
    fresh: Bools

    def __len__(self) -> int:
        return len(self.ids)


def dual_labelled(project: Project, judge: Judge, criterion: Criterion) -> Dual:
    """Seed, exploration and A-calibrate instances that carry people's and the judge's label.

    Routed ones are left out: they were chosen, so they say nothing about the others.
    """
    rows = (
        Consensus.objects.filter(
            Q(instance__assignment__arm__in=[Arm.SEED, Arm.EXPLORE, Arm.AUDIT]),
            instance__project=project,
            criterion=criterion,
            scope=Scope.HUMAN,
        )
        .order_by("instance_id")
        .values_list("instance_id", "instance__prompt_hash", "instance__assignment__arm", "worth")
    )
    said = dict(
        Signal.objects.filter(
            instance__project=project, name=signal_name("judge_p", judge)
        ).values_list("instance_id", "value")
    )
    found = [row for row in rows if row[0] in said and len(row[3]) == 2]
    prompts = [row[1] for row in found]
    audited = np.array([row[2] == Arm.AUDIT for row in found], dtype=bool)
    reported = audited & audit.reporting(prompts, project.protocol.salt)
    kept = np.flatnonzero(~reported)
    return Dual(
        ids=tuple(found[i][0] for i in kept),
        prompts=tuple(prompts[i] for i in kept),
        human=np.array([found[i][3][0] for i in kept], dtype=np.float64),
        judge=np.array([said[found[i][0]] for i in kept], dtype=np.float64),
        fresh=audited[kept],
    )
