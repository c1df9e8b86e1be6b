"""Verdicts that came with an import, revealed when the judge is asked. Nothing is bought."""

from collections import defaultdict
from collections.abc import Sequence

from annotation.instances.models import Origin, RecordedLabel
from annotation.judges.models import CallState, Judge
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from core.hashing import content_hash

from .base import Question, Reply

MISSING = "no label of this judge was recorded for the instance"


class Recorded:
    """Simulates the price of a judge: every recorded order is charged as one call."""

    buys = False
    concurrency = 1000

    def __init__(self, judge: Judge, criterion: Criterion) -> None:
        self.judge = judge
        self.criterion = criterion
        # Labels on the first criterion name none.
        first = main_criterion(judge.project)
        self._key = "" if criterion.pk == first.pk else criterion.key
        self._replies: dict[str, Reply] = {}

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        labels: dict[int, list[RecordedLabel]] = defaultdict(list)
        found = RecordedLabel.objects.filter(
            instance__in=instance_ids,
            origin=Origin.JUDGE,
            annotator=self.judge.model,
            criterion=self._key,
            ranking__len__gt=0,
        )
        for label in found.order_by("instance_id", "ordinal"):
            labels[label.instance_id].append(label)
        return [
            self._question(instance_id, label)
            for instance_id in instance_ids
            for label in (labels[instance_id] or (None,))
        ]

    def _question(self, instance_id: int, label: RecordedLabel | None) -> Question:
        ordinal = None if label is None else label.ordinal
        key = content_hash(["recorded", self.judge.model, self.criterion.key, instance_id, ordinal])
        if label is None:
            return Question(instance_id, (), key)
        price = self.judge.price_per_call_micros
        self._replies[key] = Reply(
            CallState.ANSWERED,
            ranking=tuple(label.ranking),
            rationale=label.rationale,
            price_micros=price,
        )
        return Question(instance_id, tuple(label.shown_order or ()), key, ceiling=price)

    def again(self, question: Question) -> Question | None:
        """A recorded label is what it is."""
        return None

    async def answer(self, question: Question) -> Reply:
        return self._replies.pop(question.key, Reply(CallState.FAILED, error=MISSING))

    async def close(self) -> None:
        """Nothing was opened."""
