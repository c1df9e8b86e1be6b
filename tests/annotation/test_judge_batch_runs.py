"""Runs through batch endpoints: labels, money, what expires, kills and cancels."""

from typing import Any

import pytest

from annotation.judges.models import CallState, JudgeBatch, JudgeCall, RunState
from annotation.judges.running import batching
from annotation.judges.running.batching import BatchEngine
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from jobs import services as jobs
from jobs.models import Job
from tests.annotation.judge_scene import PRICE, begin, finish, job_of, preferred, scene
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options, evenly

pytestmark = pytest.mark.django_db
PROVIDERS = ("openai-compatible", "anthropic")


@pytest.fixture(autouse=True)
def _hurry(settings: Any) -> None:
    settings.JUDGE_BATCH_POLL_SECONDS = 0.1
    settings.JOBS_CANCEL_GRACE_SECONDS = 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_labels_everything_and_pays_the_bill(provider: str) -> None:
    with endpoint() as server:
        judge, budget = scene(server, 30, provider=provider, batches=True)
        run = finish(begin(judge, budget, batch=True))
        bill = server.bill()
    assert (run.state, run.counts["answered"], run.calls) == (RunState.FINISHED, 30, 60)
    labels = dict(Annotation.objects.values_list("instance", "ranking"))
    assert labels == preferred(labels)
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown) == (bill["calls"] * PRICE, 0, 0)
    row = JudgeBatch.objects.get()
    assert (row.state, len(row.keys), bool(row.provider_id)) == ("settled", 60, True)


def test_more_than_one_batch_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_QUESTIONS", 25)
    with endpoint() as server:
        judge, budget = scene(server, 30, batches=True)
        run = finish(begin(judge, budget, batch=True))
    assert (run.counts["answered"], JudgeBatch.objects.count()) == (30, 3)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors_and_expired_questions_are_counted_and_not_paid(provider: str) -> None:
    kinds = ("400", "500", "refusal", "wrong-label", "context")
    options = Options(errors=evenly(0.3, kinds), batch_expires=0.1)
    with endpoint(options) as server:
        judge, budget = scene(server, 60, provider=provider, batches=True)
        run = finish(begin(judge, budget, batch=True))
        bill = server.bill()
    assert run.state == RunState.FINISHED
    assert sum(run.counts[name] for name in ("answered", "unparsable", "failed")) == 60
    assert run.counts["failed"] > 5
    labels = dict(Annotation.objects.values_list("instance", "ranking"))
    assert labels == preferred(labels)
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown) == (bill["calls"] * PRICE, 0, 0)
    assert not JudgeCall.objects.filter(state=CallState.FAILED, failure="").exists()


def test_a_batch_takes_what_the_budget_holds() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 20, batches=True)
        type(budget).objects.filter(pk=budget.pk).update(limit=13 * PRICE)
        run = finish(begin(judge, budget, batch=True))
        assert server.bill()["calls"] == 13
    assert (run.state, run.counts["answered"]) == (RunState.STOPPED, 6)
    assert state(budget).settled == 13 * PRICE


class Killed(BaseException):
    """Stands for a process that is gone: nothing after it runs."""


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("moment", ["_until_read", "_read", "_submit"])
def test_a_process_that_dies_loses_no_batch(
    monkeypatch: pytest.MonkeyPatch, provider: str, moment: str
) -> None:
    """Dead while waiting, before reading, and right after handing in without hearing the name."""

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    def submit_and_die(self: BatchEngine, row: JudgeBatch, asks: Any) -> None:
        questions = [ask.question for ask in asks]
        name = batching.name_of(row)
        self._runner.run(self._client.submit(questions, name=name))
        raise Killed

    with endpoint(batch_seconds=0.3) as server:
        judge, budget = scene(server, 10, provider=provider, batches=True)
        run = begin(judge, budget, batch=True)
        with monkeypatch.context() as patched:
            if moment == "_until_read":
                whole = BatchEngine._until_read
                patched.setattr(
                    BatchEngine, "_until_read", lambda self: die() if self._open else whole(self)
                )
            else:
                patched.setattr(BatchEngine, moment, submit_and_die if "sub" in moment else die)
            with pytest.raises(Killed):
                finish(run)
        assert state(budget).reserved == 20 * PRICE
        Job.objects.filter(pk=job_of(run)).update(lease_until="2000-01-01T00:00:00Z")
        jobs.sweep()
        run = finish(run)
        bill = server.bill()
    money = state(budget)
    assert run.state == RunState.FINISHED
    assert money.reserved == 0
    # Anthropic keeps no name of ours: nobody can tell what became of that batch.
    lost = moment == "_submit" and provider == "anthropic"
    assert run.counts["unknown" if lost else "answered"] == 10
    assert (money.settled, money.unknown) == ((0, 2000) if lost else (2000, 0))
    assert bill["bought_again"] == 0
    assert bill["calls"] == (0 if lost else 20)


def test_a_cancelled_run_leaves_its_batch_to_the_next() -> None:
    with endpoint(batch_seconds=2.0) as server:
        judge, budget = scene(server, 10, batches=True)
        run = begin(judge, budget, batch=True)
        assert run.job is not None
        real = batching.name_of

        def cancel_then_name(row: JudgeBatch) -> str:
            Job.objects.filter(pk=job_of(run)).update(cancel_requested=True)
            return real(row)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(batching, "name_of", cancel_then_name)
            run = finish(run)
        assert run.state == RunState.CANCELLED
        again = finish(begin(judge, budget, batch=True))
        bill = server.bill()
    assert (again.state, again.counts["answered"]) == (RunState.FINISHED, 10)
    money = state(budget)
    assert (money.settled, money.reserved) == (bill["calls"] * PRICE, 0)
