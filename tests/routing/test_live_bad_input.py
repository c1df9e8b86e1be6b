"""What routing makes of a seed that teaches nothing, and of what it has never seen."""

import numpy as np
import pytest

from accounts.models import Project
from annotation.queue.models import Arm
from jobs.models import Job
from routing.decisions.models import Decision, Router
from routing.features.table import FeatureTable
from routing.live import fitting
from routing.live.choosing import propensities, wanted_share
from routing.live.models import Stall
from routing.live.services import live_of
from routing.live.stability import CHANGED, index, largest_shift
from routing.live.writing import Stalled
from tests.annotation.judge_scene import plant
from tests.endpoint.client import endpoint
from tests.routing.live_scene import holds, label_everything, route, scene, work_of

pytestmark = pytest.mark.django_db


def seeded(project: Project, **values: int) -> None:
    route(project)
    label_everything(project, **values)


def test_fewer_than_fifty_dual_labelled_instances_fit_no_router() -> None:
    with endpoint() as server:
        project = scene(server, 40, strategy="learned", seed_size=50)
        seeded(project)
        job = Job(project=project)
        with pytest.raises(Stalled, match="at least 50"):
            fitting.fit(work_of(project), fitting.Due("first", 40, {}), job)
    assert not Router.objects.exists()


def test_a_judge_that_always_agrees_is_still_routed_or_its_refusal_is_told() -> None:
    with endpoint() as server:
        project = scene(server, 110, strategy="learned-error", seed_size=60)
        seeded(project)
        route(project)
    row = live_of(project)
    if row.router is None:
        assert row.stall == Stall.FIT
        assert row.stall_reason
        assert not Decision.objects.filter(arm=Arm.ROUTED).exists()
    else:
        assert Decision.objects.filter(project=project).count() == 110
    assert holds(project)


def test_a_tag_that_the_seed_did_not_have_is_no_obstacle() -> None:
    with endpoint() as server:
        project = scene(server, 80, strategy="learned", seed_size=60)
        project.instances.update(tags=["domain:coding"])
        seeded(project, wrong_every=4)
        route(project)
        first = Router.objects.get()
        fresh = plant_more(project)
        project.instances.filter(pk__in=fresh).update(tags=["domain:law"])
        route(project)
    assert Decision.objects.filter(instance__in=fresh, router=first).count() == len(fresh)


def plant_more(project: Project) -> list[int]:
    """Pairs whose ids and contents are new: those planted are renamed first."""
    for row in project.instances.all():
        row.external_id, row.content_hash = f"old-{row.pk}", f"{row.pk:064d}"
        row.save(update_fields=["external_id", "content_hash"])
    return plant(project, 20)


def test_every_way_to_a_human_label_counts_in_the_propensity() -> None:
    wanted = np.array([0.0, 0.5, 1.0])
    e = propensities(wanted, audit_share=0.05, explore_share=0.1)
    assert e == pytest.approx([0.05 + 0.95 * 0.1, 0.05 + 0.95 * 0.55, 1.0])
    # A simulation of the three draws agrees.
    draw = np.random.default_rng(1)
    audit, explore, routed = (draw.random((200_000, 3)) for _ in range(3))
    human = (audit < 0.05) | (explore < 0.1) | (routed < wanted)
    assert human.mean(axis=0) == pytest.approx(e, abs=0.005)


def test_a_stream_of_single_instances_keeps_the_share() -> None:
    draw = np.random.default_rng(2)
    before: list[float] = []
    sent = 0.0
    for gain in draw.random(3000):
        sent += wanted_share(np.array([gain]), np.array(before[-2000:]), 0.25)[0]
        before.append(gain)
    assert sent / 3000 == pytest.approx(0.25, abs=0.03)
    assert wanted_share(np.ones(10), np.empty(0), 0.25) == pytest.approx(np.full(10, 0.25))


def test_the_stability_index_tells_another_population_from_the_same() -> None:
    draw = np.random.default_rng(3)

    def table(shift: float, tags: tuple[str, ...]) -> FeatureTable:
        values = np.column_stack([draw.normal(shift, 1, 300), draw.normal(0, 1, 300)])
        return FeatureTable(("moved", "still"), values, {"domain": tags})

    coding = ("coding",) * 300
    assert largest_shift(table(0, coding), table(0, coding)).index < 0.1
    moved = largest_shift(table(0, coding), table(2, coding))
    assert (moved.feature, moved.index > CHANGED) == ("moved", True)
    new = largest_shift(table(0, coding), table(0, ("law",) * 300))
    assert new.feature in {"domain: law", "domain: coding"}
    assert index(np.array([50, 50]), np.array([50, 50])) == pytest.approx(0)
