"""Reward models score a batch first, where the strategy reads what they say."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef

from annotation.instances.models import Instance, Signal
from annotation.judges.models import Judge, Provider, Stage
from annotation.judges.verdicts import signal_name
from routing.strategies.registry import REWARD

from .asking import unasked
from .work import Row, Work


def unscored(work: Work, rows: Sequence[Row]) -> list[tuple[Judge, list[int]]]:
    """Each reward model in use with the instances on which nothing is known of it.

    Empty where the strategy reads no reward model. One query for each model.
    """
    if REWARD not in work.needs:
        return []
    ids = [row.pk for row in rows if row.rule is None]
    judges = Judge.objects.filter(
        project=work.project, provider=Provider.REWARD, stage=Stage.ACTIVE
    )
    return [(judge, _without(work, judge, ids)) for judge in judges.order_by("pk")]


def _without(work: Work, judge: Judge, ids: Sequence[int]) -> list[int]:
    said = Signal.objects.filter(instance=OuterRef("pk"), name=signal_name("judge_p", judge))
    rows = Instance.objects.filter(unasked(judge, [work.criterion], ids) & ~Exists(said))
    return list(rows.order_by("pk").values_list("pk", flat=True))
