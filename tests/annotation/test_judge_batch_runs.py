"""Runs through batch endpoints: labels, money, what expires, kills and cancels."""

from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from django.http import QueryDict

from annotation.judges.models import CallState, Judge, JudgeBatch, JudgeCall, RunState
from annotation.judges.running import batching
from annotation.judges.running.batching import BatchEngine
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from frontend.judges.asking import Wish, forecast_of
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


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_costs_what_the_connection_says(provider: str) -> None:
    prices = {"price_per_1k_input_micros": 33, "price_per_1k_output_micros": 150}
    with endpoint() as server:
        judge, budget = scene(server, 10, provider=provider, batches=True, batch_price_percent=50)
        Judge.objects.filter(pk=judge.pk).update(price_per_call_micros=0, **prices)
        wish = Wish([main_criterion(judge.project)], {"of": "all"}, budget, batch=True)
        told = forecast_of(Judge.objects.get(pk=judge.pk), wish, QueryDict()).estimate
        direct = forecast_of(
            Judge.objects.get(pk=judge.pk), replace(wish, batch=False), QueryDict()
        ).estimate
        finish(begin(Judge.objects.get(pk=judge.pk), budget, batch=True))
    calls = JudgeCall.objects.all()
    assert len(calls) == 20
    for call in calls:
        whole = call.input_tokens * 33 + call.output_tokens * 150
        assert call.price_micros == ceil(whole / 2000) > 0
    money = state(budget)
    assert money.settled == sum(call.price_micros for call in calls)
    assert abs(told.most_micros - direct.most_micros / 2) <= 20
    assert money.settled <= told.most_micros


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


def die(*args: Any, **kwargs: Any) -> None:
    raise Killed


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("moment", ["_until_read", "_read", "_submit"])
def test_a_process_that_dies_loses_no_batch(
    monkeypatch: pytest.MonkeyPatch, provider: str, moment: str
) -> None:
    """Dead while waiting, before reading, and right after handing in without hearing the name."""

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


def test_a_batch_about_another_criterion_is_read_as_its_own() -> None:
    with endpoint(batch_seconds=0.5) as server:
        judge, budget = scene(server, 6, batches=True)
        Criterion.objects.create(
            project=judge.project, key="clarity", name="Clarity", question="Which is clearer?"
        )
        run = begin(judge, budget, batch=True)
        with pytest.MonkeyPatch.context() as patched:
            whole = BatchEngine._until_read
            patched.setattr(
                BatchEngine, "_until_read", lambda self: die() if self._open else whole(self)
            )
            with pytest.raises(Killed):
                finish(run)
        Job.objects.filter(pk=job_of(run)).update(state="failed")
        other = finish(begin(judge, budget, batch=True, criteria=["clarity"]))
        assert server.bill()["calls"] == 24
        again = finish(begin(judge, budget, batch=True))
        assert server.bill()["calls"] == 24
    assert (other.state, other.counts["answered"]) == (RunState.FINISHED, 6)
    assert (again.state, again.counts["answered"], again.calls) == (RunState.FINISHED, 6, 0)
    for key in ("overall", "clarity"):
        labels = dict(
            Annotation.objects.filter(criterion__key=key).values_list("instance", "ranking")
        )
        assert labels == preferred(labels)
        assert len(labels) == 6
    assert state(budget).settled == 24 * PRICE
