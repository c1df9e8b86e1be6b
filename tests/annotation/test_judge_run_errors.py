"""Every kind of error a judge's endpoint can meet has a stated outcome, and money adds up."""

from typing import Any

import pytest

from annotation.judges.models import CallState, Failure, Judge, JudgeCall, JudgeRun, RunState
from annotation.labels.models import Annotation
from annotation.ledger.models import Budget
from annotation.ledger.selectors import state
from tests.annotation.judge_scene import PRICE, begin, finish, preferred, scene
from tests.endpoint.client import Running, endpoint
from tests.endpoint.options import KINDS, evenly

pytestmark = pytest.mark.django_db
NAMED = {name for name in Failure.values if name}
QUICK: dict[str, Any] = {"retry_after": 0.01, "hang": 3.0}


def hold_together(judge: Judge, budget: Budget, run: JudgeRun, server: Running) -> None:
    """Every instance is labelled or explained; the ledger is the endpoint's own bill."""
    assert (run.state, run.stop_reason) == (RunState.FINISHED, "")
    labels = dict(Annotation.objects.values_list("instance", "ranking"))
    assert labels == preferred(labels)
    assert sum(run.counts[name] for name in OUTCOMES) == run.total
    assert run.counts["answered"] == len(labels)
    calls = JudgeCall.objects.filter(judge=judge)
    explained = set(calls.exclude(failure="").exclude(error="").values_list("instance", flat=True))
    everything = set(judge.project.instances.values_list("pk", flat=True))
    assert everything - set(labels) <= explained
    assert not calls.filter(state=CallState.IN_FLIGHT).exists()
    money = state(budget)
    assert money.reserved == money.debt == 0
    assert money.settled + money.unknown == server.bill()["calls"] * PRICE


OUTCOMES = ("answered", "unparsable", "failed", "incomplete", "unknown")


def test_a_thousand_comparisons_with_errors_of_all_kinds() -> None:
    with endpoint(latency=0.01, errors=evenly(0.05), **QUICK) as server:
        judge, budget = scene(server, 1_000, concurrency=64, timeout_seconds=2)
        run = finish(begin(judge, budget))
        hold_together(judge, budget, run, server)
        kinds = server.bill()["kinds"]
    assert set(kinds) - {"answered"} == set(KINDS)
    assert run.counts["answered"] > 900


@pytest.mark.slow
def test_ten_thousand_comparisons_with_errors_of_all_kinds() -> None:
    with endpoint(latency=0.01, errors=evenly(0.05), **QUICK) as server:
        judge, budget = scene(server, 10_000, concurrency=64, timeout_seconds=2)
        run = finish(begin(judge, budget))
        hold_together(judge, budget, run, server)
    assert run.counts["answered"] > 9_000


# What one kind of error on every call comes to: state, failure, and how often it was asked.
AGAIN, ONCE = 2, 1
STATED: dict[str, tuple[str, set[str], int]] = {
    "400": ("failed", {"bad-request"}, ONCE),
    "401": ("failed", {"auth"}, ONCE),
    "403": ("failed", {"auth"}, ONCE),
    "404": ("failed", {"not-found"}, ONCE),
    "408": ("failed", {"timeout"}, AGAIN),
    "413": ("failed", {"too-large"}, ONCE),
    "429": ("failed", {"rate-limit"}, 4 * AGAIN),
    "500": ("failed", {"server"}, AGAIN),
    "503": ("failed", {"server"}, AGAIN),
    "529": ("failed", {"server"}, AGAIN),
    "context": ("failed", {"context"}, ONCE),
    "refusal": ("unparsable", {"refusal"}, ONCE),
    "empty": ("unparsable", {"empty"}, ONCE),
    "wrong-label": ("unparsable", {"wrong-label"}, ONCE),
    "invalid-json": ("unknown", {"invalid-json"}, ONCE),
    "no-logprobs": ("answered", {"no-logprobs"}, ONCE),
    "timeout": ("unknown", {"timeout"}, ONCE),
    "half-reply": ("unknown", {"half-reply"}, ONCE),
    "dropped": ("unknown", {"network", "half-reply"}, ONCE),
}


@pytest.mark.parametrize("kind", STATED)
@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_each_kind_of_error_has_a_stated_outcome(kind: str, provider: str) -> None:
    if (kind, provider) == ("no-logprobs", "anthropic"):
        pytest.skip("the Messages API has no log-probabilities at all")
    stated, failures, attempts = STATED[kind]
    with endpoint(errors={kind: 1.0}, **QUICK) as server:
        judge, budget = scene(
            server, 2, attempts=AGAIN, timeout_seconds=1, provider=provider, concurrency=4
        )
        run = finish(begin(judge, budget))
        bill = server.bill()
    calls = list(JudgeCall.objects.filter(judge=judge))
    assert {call.state for call in calls} == {stated}
    assert {call.failure for call in calls} <= failures <= NAMED
    assert all(call.error for call in calls if stated != "answered")
    assert {call.attempts for call in calls} == {attempts}
    assert run.counts[stated] == 2
    assert bool(Annotation.objects.exists()) == (stated == "answered")
    money = state(budget)
    assert (money.reserved, money.settled + money.unknown) == (0, bill["calls"] * PRICE)
    assert (money.unknown > 0) == (stated == "unknown")


def test_a_spoilt_reply_is_asked_once_more() -> None:
    """What cannot be read is paid, and asked once more with a reminder of the form."""
    with endpoint(errors={"wrong-label": 1.0}) as server:
        judge, budget = scene(server, 1)
        finish(begin(judge, budget))
        assert server.bill()["calls"] == 4
    assert JudgeCall.objects.filter(state=CallState.UNPARSABLE).count() == 4


def test_hard_verdicts_count_where_log_probabilities_are_missing() -> None:
    with endpoint(logprobs=False) as server:
        judge, budget = scene(server, 4)
        run = finish(begin(judge, budget))
    assert run.counts["answered"] == 4
    assert set(JudgeCall.objects.values_list("p_first", flat=True)) == {None}


def test_a_slow_call_holds_up_no_other() -> None:
    """A call that hangs for a second costs that second once, not once for each window."""
    with endpoint(latency=0.02, slow_share=0.05, slow=1.0) as server:
        judge, budget = scene(server, 200, concurrency=16)
        run = finish(begin(judge, budget))
        arrivals = server.arrivals()
    assert run.counts["answered"] == 200
    slow = sum(call.milliseconds > 900 for call in JudgeCall.objects.filter(judge=judge))
    assert slow > 10
    # One after the other the slow ones alone would take longer.
    assert arrivals[-1] - arrivals[0] < slow
