"""Live routing end to end: from what comes in to decisions, places, labels and a router."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.instances.lines import Line
from annotation.instances.services import import_records
from annotation.judges.models import Judge, JudgeRun
from annotation.judges.services import ask
from annotation.labels.models import Annotation
from annotation.ledger.models import Entry
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Arm, Assignment, Destination, Slot
from routing.decisions.models import Decision, Router
from routing.features.extractors import TEXT
from routing.live.loop import something_to_do
from routing.live.models import Stall
from routing.live.services import live_of
from tests.annotation.judge_scene import make_judge
from tests.endpoint.client import endpoint
from tests.routing.live_scene import holds, label_everything, route, scene, work_of

pytestmark = pytest.mark.django_db


def test_new_instances_are_routed_and_paid() -> None:
    with endpoint() as server:
        project = scene(server, 60)
        result = route(project)
        bill = server.bill()
    assert result["routed"] == 60
    decisions = Decision.objects.filter(project=project)
    assert decisions.count() == Assignment.objects.count() == 60
    assert not decisions.filter(reason="").exists()
    assert all(0.05 <= each.propensity <= 1 for each in decisions)
    people = decisions.filter(destination__in=[Destination.HUMAN, Destination.BOTH])
    assert Slot.objects.count() == people.count()
    assert Entry.objects.filter(subject__startswith="slot:").count() == people.count()
    # Every instance was asked about once, in both orders, and the judge was paid for it.
    assert bill["calls"] == 120
    assert Annotation.objects.filter(annotator__kind="judge").count() == 60
    assert decisions.filter(arm=Arm.ROUTED, destination=Destination.JUDGE).exists()
    assert holds(project)
    label_everything(project)
    assert holds(project)
    assert Router.objects.get().version == 1


def test_a_seed_is_labelled_twice_then_the_router_is_fitted_and_the_rest_is_routed() -> None:
    with endpoint() as server:
        project = scene(server, 120, strategy="learned", seed_size=60)
        route(project)
        seeded = Decision.objects.filter(project=project)
        assert set(seeded.values_list("propensity", flat=True)) == {1.0}
        assert set(seeded.values_list("destination", flat=True)) == {Destination.BOTH}
        assert seeded.filter(arm=Arm.SEED).count() == 60
        assert not Router.objects.exists()
        assert not something_to_do(work_of(project))

        label_everything(project, wrong_every=5)
        assert something_to_do(work_of(project))
        route(project)
    router = Router.objects.get()
    assert router.report["why"]["trigger"] == "first"
    assert router.dual_labelled >= 50
    assert (router.judge, router.extractors["text"]) == (live_of(project).judge, TEXT)
    assert Decision.objects.filter(project=project).count() == 120
    routed = Decision.objects.filter(project=project, router=router)
    assert routed.exclude(gain=None).count() == routed.count()
    assert holds(project)


def test_an_import_rings_and_new_dual_labels_bring_the_next_router(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with endpoint() as server:
        project = scene(
            server, 120, strategy="learned", seed_size=50, refit_after=2, explore_share=0.25
        )
        route(project)
        label_everything(project, wrong_every=5)
        route(project)
        first = Router.objects.get()
        label_everything(project, wrong_every=5)
        route(project)
        again = Router.objects.exclude(pk=first.pk).get()
        assert (again.version, again.report["why"]["trigger"]) == (2, "labels")
        assert again.report["why"]["numbers"]["new"] >= 2

        line = {
            "id": "late",
            "prompt": "Late?",
            "responses": [{"text": "quality=0.9 yes"}, {"text": "quality=0.1 no"}],
        }
        with django_capture_on_commit_callbacks(execute=True):
            import_records(project=project, lines=[Line(1, line)], reveal=True)
        assert project.jobs.filter(kind="routing.live", state="queued").exists()
        route(project)
    late = Decision.objects.get(instance__external_id="late")
    assert late.router == again
    assert holds(project)


def test_the_judge_answers_also_where_another_has_labelled_before() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="random")
        mine = live_of(project).judge
        assert mine is not None
        assert mine.connection is not None
        other = make_judge(mine.connection, "earlier", prices={})
        ids = list(project.instances.values_list("pk", flat=True))
        ask(judge=other, instance_ids=ids, criterion=main_criterion(project))
        route(project)
    sent = Decision.objects.filter(destination=Destination.JUDGE).values_list("instance", flat=True)
    answered = Annotation.objects.filter(annotator=mine.annotator)
    assert sent
    assert set(sent) <= set(answered.values_list("instance", flat=True))
    assert not project.instances.filter(pk__in=sent).exclude(state="settled").exists()
    assert holds(project)


def test_a_strategy_without_what_it_reads_says_so() -> None:
    with endpoint() as server:
        project = scene(server, 10, strategy="verifier-first")
        assert route(project)["stalled"] == Stall.FIT
    assert "verifier" in live_of(project).stall_reason
    assert not Decision.objects.exists()


@pytest.mark.parametrize("strategy", ["judge-uncertainty", "random"])
@pytest.mark.parametrize("price", [0, 5_500])
def test_every_label_of_the_judge_traces_to_its_decision(strategy: str, price: int) -> None:
    """Also where the judge was asked before the router decided; by a run, and directly."""
    with endpoint() as server:
        project = scene(server, 25, strategy=strategy)
        Judge.objects.filter(project=project).update(
            price_per_call_micros=price, price_per_1k_input_micros=0, price_per_1k_output_micros=0
        )
        route(project)
    assert JudgeRun.objects.filter(project=project).exists() == bool(price)
    decided = dict(Decision.objects.filter(project=project).values_list("instance_id", "pk"))
    labels = Annotation.objects.filter(annotator__kind="judge")
    assert labels.exists()
    assert {(row.instance_id, row.decision_id) for row in labels} <= set(decided.items())
