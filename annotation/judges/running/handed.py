"""Batches at a provider that were not read to their end, and the questions in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from annotation.judges.models import CallState, Judge, JudgeBatch, JudgeCall, Shape
from annotation.judges.providers.base import Question, provider_of
from annotation.projects.models import Criterion

from .asks import Ask, Source

# Of our own: its results are on the books. Until then the state is the provider's word.
SETTLED = "settled"
# Questions made or read at a time.
CHUNK = 500


@dataclass
class Handed:
    """A batch at the provider, with its questions by key; `adopted` from an earlier process."""

    row: JudgeBatch
    asks: dict[str, Ask]
    adopted: bool = False


def still_open(judge: Judge) -> list[JudgeBatch]:
    """Batches of the judge that were not read to their end."""
    rows = JudgeBatch.objects.filter(run__judge=judge).exclude(state=SETTLED)
    return list(rows.order_by("pk"))


def adopted(judge: Judge, sources: Sequence[Source]) -> list[Handed]:
    """Batches that an earlier process left, with their questions made again from their calls."""
    return [Handed(row, _asks_of(judge, row, sources), adopted=True) for row in still_open(judge)]


def _asks_of(judge: Judge, row: JudgeBatch, sources: Sequence[Source]) -> dict[str, Ask]:
    calls = JudgeCall.objects.filter(
        judge=judge, cache_key__in=row.keys, state=CallState.IN_FLIGHT
    ).exclude(instance=None)
    by_criterion = _by_criterion(judge, calls, sources)
    found: dict[str, Ask] = {}
    for call in calls.iterator(chunk_size=CHUNK):
        source = by_criterion[call.criterion_id or 0]
        question = Question(
            call.instance_id,
            tuple(call.shown_order),
            call.cache_key,
            shape=Shape(call.shape),
            ceiling=call.price_micros,
        )
        found[call.cache_key] = Ask(source, question, call.pk, sent=call.attempts)
    for source in by_criterion.values():
        about = {ask.question.instance_id for ask in found.values() if ask.source is source}
        ids = sorted(pk for pk in about if pk is not None)
        for start in range(0, len(ids), CHUNK):
            for question in source.provider.questions(ids[start : start + CHUNK]):
                if question.key in found:
                    found[question.key].question = question
    return found


def _by_criterion(
    judge: Judge, calls: QuerySet[JudgeCall], sources: Sequence[Source]
) -> dict[int, Source]:
    """Who reads about each criterion: a run about other criteria reads these just the same."""
    found = {source.criterion.pk: source for source in sources}
    others = Criterion.objects.filter(pk__in=calls.values("criterion")).exclude(pk__in=found)
    return found | {each.pk: Source(each, provider_of(judge, each)) for each in others}
