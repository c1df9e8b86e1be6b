"""Learning judges' habits from what they said in a project."""

from collections.abc import Sequence

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState, Signal
from annotation.judges.models import Judge
from annotation.judges.verdicts import signal_name
from annotation.projects.models import Criterion

from .habits import Habits, learn
from .judging import Judging, P, asked_about
from .project import encoder_of
from .rows import Rows
from .sides import completions_of, differences_of

# Verdicts that habits are learned from at most, the newest: more teach hardly anything new.
MOST = 5000


def habits_of(project: Project, judge: Judge, criterion: Criterion | None = None) -> Habits:
    """The habits of a judge and of the others beside it. No human label is read; a dozen queries.

    Learned from the newest `MOST` instances that the judge labelled on this criterion.
    """
    rows = Rows(_judged(project, judge, criterion))
    _, mine, others = Judging.of(project, judge, criterion).columns(rows)
    encoder = encoder_of(project)
    prompts = dict(
        Instance.objects.filter(pk__in=rows.ids.tolist()).values_list("pk", "prompt_hash")
    )
    return learn(
        [prompts[pk] for pk in rows.ids.tolist()],
        mine,
        others,
        generators=completions_of(rows)[0],
        differences=differences_of(rows, encoder) if encoder else None,
        encoder=encoder,
    )


def _judged(project: Project, judge: Judge, criterion: Criterion | None) -> Sequence[int]:
    name = signal_name(P, judge, asked_about(project, criterion))
    said = Signal.objects.filter(instance__project=project, name=name)
    said = said.exclude(instance__state=InstanceState.DROPPED)
    newest = said.order_by("-instance_id").values_list("instance_id", flat=True)
    return sorted(set(newest[:MOST]))
