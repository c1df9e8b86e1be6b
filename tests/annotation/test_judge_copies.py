"""Instances with equal texts: asked about once, labelled each, whatever becomes of the call."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project
from annotation.instances.models import Completion, Instance
from annotation.judges.models import CallState, JudgeCall, RunState
from annotation.judges.running import session
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from tests.annotation.judge_scene import PRICE, begin, finish, scene
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options

pytestmark = pytest.mark.django_db


def copy_of(instance: Instance, name: str) -> Instance:
    """The same texts, written by other models."""
    twin = Instance.objects.create(
        project=instance.project,
        external_id=f"{instance.external_id}-{name}",
        content_hash=f"{name}{instance.content_hash}"[:64],
        prompt_hash=instance.prompt_hash,
        messages=instance.messages,
    )
    for each in instance.completions.order_by("position"):
        Completion.objects.create(
            instance=twin, position=each.position, text=each.text, generator=f"{name}-model"
        )
    return twin


def twins_of(project: Project) -> None:
    """Each instance twice more."""
    for instance in Instance.objects.filter(project=project):
        copy_of(instance, "second")
        copy_of(instance, "third")


def labels() -> dict[str, list[list[int]]]:
    """The rankings by the pair that is the same."""
    found: dict[str, list[list[int]]] = {}
    for name, ranking in Annotation.objects.values_list("instance__external_id", "ranking"):
        found.setdefault("-".join(name.split("-")[:2]), []).append(ranking)
    return found


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("window", [2, 500])
def test_equal_texts_are_asked_about_once(
    monkeypatch: pytest.MonkeyPatch, settings: Any, batch: bool, window: int
) -> None:
    """In one window, and in windows of which the second comes while the first is in flight."""
    settings.JUDGE_BATCH_POLL_SECONDS = 0.1
    monkeypatch.setattr(session, "WINDOW_LIMITS", (window, window))
    with endpoint(latency=0.05) as server:
        judge, budget = scene(server, 5, batches=True)
        twins_of(judge.project)
        run = finish(begin(judge, budget, batch=batch))
        bill = server.bill()
    assert (run.state, run.counts["answered"], run.calls) == (RunState.FINISHED, 15, 10)
    assert (bill["calls"], state(budget).settled) == (10, 10 * PRICE)
    copies = JudgeCall.objects.exclude(copy_of=None)
    assert (copies.count(), set(copies.values_list("price_micros", flat=True))) == (20, {0})
    for rankings in labels().values():
        assert len(rankings) == 3
        assert rankings[0] == rankings[1] == rankings[2]


def test_a_reply_of_an_earlier_run_holds_for_equal_texts() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 4)
        finish(begin(judge, budget))
        twins_of(judge.project)
        run = finish(begin(judge, budget))
        again = finish(begin(judge, budget))
        assert server.bill()["calls"] == 8
    assert [each.counts["answered"] for each in (run, again)] == [12, 12]
    assert (run.calls, again.calls, JudgeCall.objects.count()) == (0, 0, 24)


def test_a_spoilt_reply_is_asked_once_more_for_all() -> None:
    with endpoint(errors={"wrong-label": 0.5}) as server:
        judge, budget = scene(server, 12)
        twins_of(judge.project)
        run = finish(begin(judge, budget))
        bill = server.bill()
    originals = JudgeCall.objects.filter(copy_of=None)
    assert bill["calls"] == originals.count() == run.calls
    assert originals.filter(state=CallState.UNPARSABLE).exists()
    assert run.counts["answered"] + run.counts["unparsable"] == 36
    assert run.counts["answered"] % 3 == 0
    assert Annotation.objects.count() == run.counts["answered"]
    assert JudgeCall.objects.count() == 3 * originals.count()


def test_what_gave_no_verdict_is_told_of_all() -> None:
    with endpoint(errors={"half-reply": 1.0}) as server:
        judge, budget = scene(server, 2)
        twins_of(judge.project)
        run = finish(begin(judge, budget))
        assert server.bill()["calls"] == 4
        assert run.counts["unknown"] == 6
        server.change(Options(errors={"context": 1.0}))
        failing = finish(begin(judge, budget, retry_unknown=True))
        assert failing.counts["failed"] == 6
        server.change(Options())
        whole = finish(begin(judge, budget))
        bill = server.bill()
    assert whole.counts["answered"] == 6
    assert bill["kinds"]["context"] == 4
    assert state(budget).settled == 4 * PRICE


def test_the_page_of_a_copy_leads_to_the_call_that_was_paid(client: Client) -> None:
    with endpoint() as server:
        judge, budget = scene(server, 1)
        twins_of(judge.project)
        finish(begin(judge, budget))
    client.force_login(judge.project.memberships.get(role="owner").user)
    copied = JudgeCall.objects.exclude(copy_of=None)[0]
    slug = judge.project.slug
    page = client.get(reverse("judge-call", args=[slug, copied.pk])).content.decode()
    paid = reverse("judge-call", args=[slug, copied.copy_of_id])
    assert f'<a href="{paid}">paid once</a>' in page
