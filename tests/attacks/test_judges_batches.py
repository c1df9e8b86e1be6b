"""Batches whose files break off, and batches that their provider forgot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from annotation.judges.models import CallState, Connection, Failure, JudgeCall, RunState
from annotation.judges.providers.base import ProviderError
from annotation.judges.providers.batches import OpenAIBatches, Result
from annotation.ledger.selectors import state
from jobs.models import Job, State
from tests.annotation.judge_scene import PRICE, begin, finish, scene
from tests.endpoint.client import endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hurry(settings: Any) -> None:
    settings.JUDGE_BATCH_POLL_SECONDS = 0.05
    settings.JOBS_CANCEL_GRACE_SECONDS = 1


def test_a_file_that_breaks_off_is_read_to_its_end_later(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, times = OpenAIBatches.results, []

    async def broken(self: OpenAIBatches, batch_id: str) -> AsyncIterator[Result]:
        times.append(batch_id)
        async for number, result in _numbered(whole(self, batch_id)):
            if number == 3 and len(times) < 3:
                raise ProviderError(Failure.NETWORK, "the file broke off", retry=True)
            yield result

    monkeypatch.setattr(OpenAIBatches, "results", broken)
    with endpoint(batch_seconds=0.05) as server:
        judge, budget = scene(server, 5, batches=True)
        run = finish(begin(judge, budget, batch=True))
        bill = server.bill()
    money = state(budget)
    assert len(times) == 3
    assert (run.state, run.counts["answered"]) == (RunState.FINISHED, 5)
    assert (money.settled, money.reserved, money.unknown) == (bill["calls"] * PRICE, 0, 0)


async def _numbered(results: AsyncIterator[Result]) -> AsyncIterator[tuple[int, Result]]:
    number = 0
    async for result in results:
        yield number, result
        number += 1


def test_a_forgotten_batch_stays_charged_until_somebody_gives_it_up() -> None:
    with endpoint(batch_seconds=60) as first:
        judge, budget = scene(first, 3, batches=True)
        run = begin(judge, budget, batch=True)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("annotation.judges.running.batching.BatchEngine._until_read", _leave)
            with pytest.raises(KeyboardInterrupt):
                finish(run)
    with endpoint(batch_seconds=0.05) as second:
        Connection.objects.update(base_url=second.openai)
        run.judge.refresh_from_db()
        _over(run.pk)
        stopped = finish(begin(judge, budget, batch=True))
        assert (stopped.state, state(budget).reserved) == (RunState.STOPPED, 6 * PRICE)
        assert second.bill()["calls"] == 0
        given_up = finish(begin(judge, budget, batch=True, retry_unknown=True))
        bill = second.bill()
    assert (given_up.state, given_up.counts["answered"]) == (RunState.FINISHED, 3)
    money = state(budget)
    assert (money.reserved, money.unknown) == (0, 6 * PRICE)
    assert money.settled == bill["calls"] * PRICE == 6 * PRICE
    assert not JudgeCall.objects.filter(state=CallState.IN_FLIGHT).exists()


def _leave(engine: Any) -> None:
    """Stands for a worker that is gone once a batch is handed in."""
    if engine._open:
        raise KeyboardInterrupt


def _over(run_id: int) -> None:
    Job.objects.filter(arguments__run=run_id).update(state=State.FAILED)
