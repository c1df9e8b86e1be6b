"""Signals of judges whose labels came with an import and were revealed without being asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Exists, OuterRef

from accounts.models import Project
from annotation.instances.models import Origin, RecordedLabel, Signal
from annotation.labels.models import Annotation
from annotation.projects.selectors import main_criterion

from .models import Judge, Provider
from .protocol import Answer, Verdict, merge
from .verdicts import SIGNALS, signal_name
from .writing import write_signals

# Instances of one statement.
BATCH = 2000


def write_revealed(*, project: Project) -> int:
    """Write what asking these judges would have written; returns for how many labels.

    Only pairs whose label stands and that have no signal of the judge yet: again is a no-op.
    """
    judges = Judge.objects.filter(project=project, provider=Provider.RECORDED)
    return sum(_write(judge) for judge in judges.select_related("annotator").order_by("pk"))


def _write(judge: Judge) -> int:
    ids = _lacking(judge)
    written = 0
    for start in range(0, len(ids), BATCH):
        heard = _verdicts(judge, ids[start : start + BATCH])
        write_signals(judge.prompt_version, _signals(judge, heard))
        written += len(heard)
    return written


def _lacking(judge: Judge) -> list[int]:
    said = Signal.objects.filter(instance=OuterRef("instance"), name=signal_name("judge_p", judge))
    labels = Annotation.objects.filter(
        ~Exists(said),
        annotator=judge.annotator,
        criterion=main_criterion(judge.project),
        superseded_by__isnull=True,
        ranking__len=2,
    )
    return sorted(set(labels.values_list("instance_id", flat=True)))


def _verdicts(judge: Judge, ids: Sequence[int]) -> Mapping[int, Verdict]:
    answers: dict[int, list[Answer]] = defaultdict(list)
    recorded = RecordedLabel.objects.filter(
        instance__in=ids,
        origin=Origin.JUDGE,
        annotator=judge.model,
        criterion="",
        ranking__len=2,
    )
    for label in recorded.order_by("instance", "ordinal"):
        order = tuple(label.shown_order) if label.shown_order else None
        answers[label.instance_id].append(Answer(order, tuple(label.ranking)))
    found = {pk: _merged(judge, said) for pk, said in answers.items()}
    return {pk: verdict for pk, verdict in found.items() if verdict is not None}


def _merged(judge: Judge, said: Sequence[Answer]) -> Verdict | None:
    """In both orders where both were recorded; else the label stands as it was revealed."""
    alone = [Answer(None, said[0].ranking)]
    return merge(said, judge.accuracy) or merge(alone, judge.accuracy)


def _signals(judge: Judge, heard: Mapping[int, Verdict]) -> Iterable[tuple[int, str, float]]:
    names = [signal_name(kind, judge) for kind in SIGNALS]
    for pk, verdict in heard.items():
        for name, value in zip(names, (verdict.p, verdict.gap, verdict.flipped), strict=True):
            if value is not None:
                yield pk, name, float(value)
