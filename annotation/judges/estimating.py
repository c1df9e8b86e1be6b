"""What asking a judge will take, before it is asked: calls, money, and by which method."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.instances.models import Instance
from annotation.projects.models import Criterion

from .asking import asker_of
from .models import CallState, Judge, JudgeCall
from .providers.base import Question, provider_of
from .reproducing import READERS

# So many instances are looked at; more are scaled up from them.
SAMPLE = 200


@dataclass(frozen=True)
class Method:
    """How instances of one criterion are asked, why so, and how many of those looked at."""

    criterion: str
    name: str
    because: str
    instances: int


@dataclass(frozen=True)
class Estimate:
    """Of `instances` × criteria: calls to make and what they cost in micros.

    `stored` calls have a reply and cost nothing; `refused` instances cannot be asked about.
    `sampled`: scaled up from the first ones.
    """

    instances: int
    calls: int
    stored: int
    refused: int
    expected_micros: int
    most_micros: int
    methods: list[Method]
    sampled: bool


@dataclass(frozen=True)
class _Part:
    """One criterion over the instances that were looked at."""

    calls: int
    stored: int
    refused: int
    expected: float
    most: int
    methods: list[Method]


def estimate(
    judge: Judge,
    criteria: Sequence[Criterion],
    instance_ids: Sequence[int],
    *,
    looked_at: int | None = None,
) -> Estimate:
    """Looks at so many instances at most, 200 by default. Queries grow with the criteria alone.

    Raises:
        InvalidInput: the judge cannot be asked; the message says what is missing.
    """
    sample = list(instance_ids[: looked_at or SAMPLE])
    scale = len(instance_ids) / len(sample) if sample else 0
    parts = [_part(judge, criterion, sample) for criterion in criteria]
    return Estimate(
        instances=len(instance_ids),
        calls=round(scale * sum(part.calls for part in parts)),
        stored=round(scale * sum(part.stored for part in parts)),
        refused=round(scale * max((part.refused for part in parts), default=0)),
        expected_micros=round(scale * sum(part.expected for part in parts)),
        most_micros=round(scale * sum(part.most for part in parts)),
        methods=[method for part in parts for method in part.methods],
        sampled=scale > 1,
    )


def _part(judge: Judge, criterion: Criterion, sample: Sequence[int]) -> _Part:
    asked = _questions(judge, criterion, sample)
    refused = sum(_refuses(judge, question) for question in asked)
    asked = [question for question in asked if not _refuses(judge, question)]
    known = _known(judge, asked)
    new = [question for question in asked if question.key not in known]
    most = sum(question.ceiling for question in new)
    methods, whole = _methods(judge, criterion, sample)
    # What is stored already takes its share off what all of it is expected to cost.
    expected = whole * len(new) / len(asked) if whole is not None and asked else most
    return _Part(len(new), len(known), refused, min(expected, most), most, methods)


def _questions(judge: Judge, criterion: Criterion, sample: Sequence[int]) -> list[Question]:
    if judge.provider in READERS:
        return asker_of(judge, criterion).questions(sample)
    provider = provider_of(judge, criterion)
    try:
        return provider.questions(sample)
    finally:
        asyncio.run(provider.close())


def _refuses(judge: Judge, question: Question) -> bool:
    return judge.provider in READERS and not question.messages


def _known(judge: Judge, asked: Sequence[Question]) -> set[str]:
    """Keys of the questions that are not bought again; a judge in memory was asked nothing."""
    if judge.pk is None:
        return set()
    rows = JudgeCall.objects.filter(judge=judge, cache_key__in=[each.key for each in asked])
    return set(rows.exclude(state=CallState.FAILED).values_list("cache_key", flat=True))


def _methods(
    judge: Judge, criterion: Criterion, sample: Sequence[int]
) -> tuple[list[Method], float | None]:
    """The methods by how many instances take them, and what all of it is expected to cost."""
    if judge.provider not in READERS:
        return [], None
    asker = asker_of(judge, criterion)
    rows = Instance.objects.filter(pk__in=sample).prefetch_related("completions")
    plans = [plan for row in rows if (plan := asker.plan(row)) is not None]
    # Reasons differ by a few per cent from instance to instance: the first stands for its method.
    because: dict[str, str] = {}
    for plan in plans:
        because.setdefault(plan.method, plan.because)
    counted = Counter(plan.method for plan in plans).most_common()
    methods = [Method(criterion.name, name, because[name], count) for name, count in counted]
    return methods, sum(plan.expected_micros for plan in plans)
