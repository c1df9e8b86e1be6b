"""Everything a run of a judge needs, put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from uuid import UUID

from django.conf import settings

from annotation.judges import verdicts
from annotation.judges.models import CallState, Judge, JudgeRun, Stage
from annotation.judges.providers.base import provider_of
from annotation.judges.providers.chat import batches
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import guideline_of

from .asks import Source
from .batching import BatchEngine
from .books import Books
from .engine import Engine, Label
from .feed import Feed
from .limits import Limit, OwnLimit, SharedLimit
from .policy import Policy

WINDOW_LIMITS = (16, 500)


def sources_of(judge: Judge, criteria: Sequence[Criterion]) -> list[Source]:
    """Whoever answers about each criterion.

    Raises:
        InvalidInput: the judge cannot be asked; the message says what is missing.
    """
    return [Source(criterion, provider_of(judge, criterion)) for criterion in criteria]


def engine_for(
    judge: Judge,
    sources: Sequence[Source],
    instance_ids: Iterable[int],
    *,
    budget: Budget | None,
    label: Label,
    look: Callable[[Engine], object],
    run: JudgeRun | None = None,
    retry_unknown: bool = False,
) -> Engine:
    """The engine that asks each source about each instance; `run` is written into the calls."""
    policy = policy_of(judge, sources)
    books = books_of(judge, budget, run)
    feed = Feed(
        windows(sources, instance_ids, policy.concurrency),
        books,
        idempotent=policy.idempotent,
        retry_unknown=retry_unknown,
    )
    return Engine(
        feed,
        books,
        limit=limit_of(judge),
        policy=policy,
        label=label,
        look=look,
        grace=settings.JOBS_CANCEL_GRACE_SECONDS,
    )


def batch_engine_for(
    run: JudgeRun,
    sources: Sequence[Source],
    instance_ids: Iterable[int],
    *,
    label: Label,
    look: Callable[[BatchEngine], object],
) -> BatchEngine:
    """The engine that asks by the batch endpoint of the judge's connection.

    Raises:
        InvalidInput: the connection has none.
    """
    books = books_of(run.judge, run.budget, run)
    feed = Feed(
        windows(sources, instance_ids, WINDOW_LIMITS[1]), books, retry_unknown=run.retry_unknown
    )
    return BatchEngine(
        feed,
        books,
        batches(run.judge),
        run=run,
        label=label,
        look=look,
        grace=settings.JOBS_CANCEL_GRACE_SECONDS,
        poll=settings.JUDGE_BATCH_POLL_SECONDS,
    )


def books_of(judge: Judge, budget: Budget | None, run: JudgeRun | None) -> Books:
    guideline = guideline_of(judge.project)
    return Books(
        judge,
        budget,
        run_id=run.pk if run else None,
        guideline_id=guideline.pk if guideline else None,
    )


def windows(
    sources: Sequence[Source], instance_ids: Iterable[int], concurrency: int
) -> Iterator[tuple[Source, Sequence[int]]]:
    """Some instances at a time, each window by every source, so that instances get done."""
    least, most = WINDOW_LIMITS
    size, ids = min(most, max(least, concurrency // 2)), iter(instance_ids)
    while window := list(islice(ids, size)):
        for source in sources:
            yield source, window


def policy_of(judge: Judge, sources: Sequence[Source]) -> Policy:
    """How patiently this judge is asked."""
    connection, options = judge.connection, judge.parameters
    return Policy(
        concurrency=max(source.provider.concurrency for source in sources),
        attempts=connection.attempts if connection else int(options.get("attempts", 5)),
        idempotent=bool(connection and connection.idempotent),
    )


def limit_of(judge: Judge) -> Limit:
    """The limit of the judge's connection, shared by all processes; else its own."""
    if judge.connection is not None:
        return SharedLimit(judge.connection)
    options = judge.parameters
    return OwnLimit(requests=int(options.get("rpm", 0)), tokens=int(options.get("tpm", 0)))


def labelling(judge: Judge, decision_of: Mapping[int, UUID] | None = None) -> Label:
    """Turns finished instances into annotations of the judge."""

    def label(source: Source, states: Mapping[int, CallState]) -> Counter[str]:
        return verdicts.label(judge, source.criterion, list(states), decision_of or {})

    return label


def counting(source: Source, states: Mapping[int, CallState]) -> Counter[str]:
    """Counts finished instances and labels none: for trials and drafts."""
    del source
    return Counter(str(state) for state in states.values())


def labels(judge: Judge, *, trial: bool) -> bool:
    """Whether what this judge says becomes annotations."""
    return not trial and judge.stage != Stage.DRAFT
