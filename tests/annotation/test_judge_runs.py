"""Runs of judges against a real endpoint: labels, money, and every way it can end."""

import pytest

from annotation.judges.models import CallState, JudgeCall, RunState
from annotation.judges.runs import run_progress
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from jobs.models import State
from tests.annotation.judge_scene import PRICE, begin, finish, preferred, scene
from tests.endpoint.client import endpoint

pytestmark = pytest.mark.django_db


def test_a_run_labels_everything_and_pays_what_the_endpoint_charged() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 40)
        run = finish(begin(judge, budget))
        bill = server.bill()
    assert (run.state, run.stop_reason) == (RunState.FINISHED, "")
    labels = dict(Annotation.objects.values_list("instance", "ranking"))
    assert labels == preferred(labels)
    assert len(labels) == run.counts["answered"] == 40
    assert bill["calls"] == run.calls == 80
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown) == (80 * PRICE, 0, 0)
    assert run.spent_micros == run.projected_micros == 80 * PRICE
    progress = run_progress(run)
    assert (progress.done, progress.total, progress.percent) == (40, 40, 100)
    assert JudgeCall.objects.filter(run=run, state=CallState.ANSWERED).count() == 80
    assert run.job is not None
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done) == (State.SUCCEEDED, 40)


def test_what_is_stored_is_not_bought_again() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 10)
        finish(begin(judge, budget))
        again = finish(begin(judge, budget))
        bill = server.bill()
    assert (again.state, again.counts["answered"], again.calls) == (RunState.FINISHED, 10, 0)
    assert (bill["calls"], bill["bought_again"]) == (20, 0)
    assert Annotation.objects.count() == 10
