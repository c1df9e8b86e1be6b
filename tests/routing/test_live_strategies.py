"""Every strategy routes a small project live: seed, labels, fit, scores, decisions with reasons."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project
from annotation.instances.models import Signal
from annotation.judges.models import Judge, JudgeCall
from annotation.judges.services import create_judge
from annotation.judges.verdicts import signal_name
from annotation.judges.verifier import sandbox
from annotation.labels.models import Annotation
from annotation.queue.models import Arm, Destination
from core.exceptions import InvalidInput
from jobs.models import Job
from jobs.runner import run_queued
from routing.decisions.models import Decision, Router
from routing.decisions.services import save_router
from routing.features.extractors import ENCODED_FEATURES, encoded_by
from routing.features.models import Embedding, FeatureVector
from routing.frontier.selectors import router_in_use, sheet_of
from routing.live.arrival import tick
from routing.live.models import LiveRouting, Stall
from routing.live.services import change_settings, live_of
from routing.strategies import registry
from tests.annotation.judge_scene import connect, make_judge, plant
from tests.endpoint.client import endpoint
from tests.factories import make_project
from tests.routing import planted
from tests.routing.live_scene import (
    POUND,
    allow,
    holds,
    label_everything,
    route,
    same_draws,
    switch_on,
)

pytestmark = pytest.mark.django_db

SEEDED, REST = 70, 40
ENCODER = "planted-1"
QUICK = {"mixes": 60}
STRATEGIES: list[tuple[str, dict[str, Any]]] = [
    ("hyper-linear", QUICK),
    ("hyper-linear", QUICK | {"selection": "simulated", "draws": 50}),
    ("hyper-linear", QUICK | {"selection": "positive"}),
    ("hyper-linear", QUICK | {"selection": "marginal", "epsilon": 1e-6}),
    ("hyper-quadratic", QUICK),
    ("hyper-boosted", QUICK),
    ("influence", {}),
    ("learned", {}),
    ("learned-error", {}),
    ("judge-uncertainty", {"combine": "mean"}),
    ("reward-uncertainty", {"source": "laplace"}),
    ("reward-uncertainty", {}),
    ("small-margin", {}),
    ("small-margin", {"of": "reward"}),
    ("d-optimal", {}),
    ("escalation", {"alpha": 0.4}),
    ("allocated", {"inner": "learned-error"}),
    ("allocated", {"inner": "learned"}),
    ("random", {}),
    ("all-human", {}),
    ("all-judge", {}),
]


def embed(project: Project) -> None:
    """Vectors as an encoder would store them, the better completion along the first axis."""
    draw = np.random.default_rng(5)
    rows = list(project.instances.order_by("pk").prefetch_related("completions"))
    made = []
    for row in rows:
        vectors = draw.normal(0, 0.3, (2, 8))
        for each in row.completions.all():
            vectors[each.position, 0] += 1.0 if "0.9" in each.text else -1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made.append(
            Embedding(instance=row, extractor=ENCODER, dimensions=8, vectors=packed(vectors))
        )
    Embedding.objects.bulk_create(made)
    FeatureVector.objects.bulk_create(
        FeatureVector(
            instance=row,
            extractor=encoded_by(ENCODER),
            values=draw.random(len(ENCODED_FEATURES)).tolist(),
        )
        for row in rows
    )


def packed(vectors: np.ndarray) -> bytes:
    return vectors.astype("<f2").tobytes()


def reward_models(project: Project, names: tuple[str, ...] = ("rm-1", "rm-2")) -> None:
    """Two versions of a reward model, with what each said of every instance."""
    draw = np.random.default_rng(6)
    ids = list(project.instances.values_list("pk", flat=True))
    for name in names:
        judge = create_judge(project=project, name=name, model=name, provider="reward-model")
        Judge.objects.filter(pk=judge.pk).update(stage="active")
        Signal.objects.bulk_create(
            Signal(instance_id=pk, name=signal_name("judge_p", judge), version="1", value=value)
            for pk, value in zip(ids, draw.uniform(0.1, 0.9, len(ids)), strict=True)
        )


def ready(server: Any, count: int = SEEDED + REST, **values: Any) -> Project:
    project = same_draws(make_project())
    ids = plant(project, count)
    for name, of in (("coding", ids[::2]), ("law", ids[1::2])):
        project.instances.filter(pk__in=of).update(tags=[f"domain:{name}"])
    embed(project)
    reward_models(project)
    allow(project, 10_000 * POUND)
    judge = make_judge(connect(project, server))
    switch_on(project, judge, **{"seed_size": 60, "people_share": 0.3} | values)
    return project


@pytest.mark.slow
@pytest.mark.parametrize(("key", "options"), STRATEGIES, ids=str)
def test_a_strategy_routes_a_project_live(key: str, options: dict[str, Any]) -> None:
    with endpoint(accuracy=0.75) as server:
        project = ready(server, strategy=key, options=options)
        result = route(project)
        while "stalled" not in result and label_everything(project):
            result = route(project)
    assert "stalled" not in result, live_of(project).stall_reason
    router = Router.objects.filter(project=project).order_by("version").first()
    assert router is not None
    assert router.strategy == key
    routed = Decision.objects.filter(project=project, arm=Arm.ROUTED)
    assert routed.filter(superseded_by__isnull=True).count() >= REST // 2
    assert not routed.filter(reason="").exists()
    people = routed.filter(destination__in=[Destination.HUMAN, Destination.BOTH]).count()
    if key == "all-judge":
        assert people == 0
    elif key not in {"escalation", "verifier-first"} and "selection" not in options:
        assert 0 < people <= 0.7 * routed.count()
    assert Decision.objects.filter(project=project).values("instance").distinct().count() == 110
    assert live_of(project).stall == Stall.NONE
    assert holds(project)
    if router.dual_labelled:
        assert_frontier(project)


def assert_frontier(project: Project) -> None:
    """A new router has its frontier prepared by itself."""
    job = Job.objects.filter(project=project, kind="routing.frontier").earliest("pk")
    job = run_queued(job)
    assert job.state == "succeeded", job.error
    router = router_in_use(project)
    assert router is not None
    assert sheet_of(router) is not None


def test_embeddings_that_are_missing_are_computed_and_routing_goes_on() -> None:
    """By the encoder of the installation."""
    with endpoint(accuracy=0.75) as server:
        project = ready(server, 75, strategy="d-optimal")
        Embedding.objects.all().delete()
        FeatureVector.objects.all().delete()
        route(project)
        label_everything(project)
        assert route(project)["stalled"] == Stall.FEATURES
        assert tick() == 0
        done = run_queued(project.jobs.get(kind="routing.features"))
        assert done.state == "succeeded", done.error
        assert tick() == 1
        result = route(project)
    assert result["fitted"] == 1
    assert Embedding.objects.count() == 75
    assert Decision.objects.filter(project=project, arm=Arm.ROUTED).exists()


@pytest.mark.skipif(not sandbox.available().kind, reason="no sandbox works on this machine")
def test_a_program_decides_first_and_the_rest_is_learned(settings: Settings) -> None:
    """The program knows every other pair; its inner strategy needs the seed all the same."""
    settings.VERIFIERS = True
    with endpoint(accuracy=0.75) as server:
        project = ready(server, 90, strategy="verifier-first", options={"inner": "learned"})
        program = create_judge(
            project=project,
            name="program",
            model="regex",
            provider="verifier",
            parameters={"pattern": r"[02468]: quality=0\.9"},
        )
        Judge.objects.filter(pk=program.pk).update(stage="active")
        result = route(project)
        while "stalled" not in result and label_everything(project):
            result = route(project)
    assert "stalled" not in result, live_of(project).stall_reason
    routed = Decision.objects.filter(project=project, arm=Arm.ROUTED)
    checked = routed.filter(destination=Destination.VERIFIER)
    assert checked.exists()
    calls = JudgeCall.objects.filter(judge=program)
    said = Counter(calls.values_list("state", "failure", "error"))
    assert set(said) == {("answered", "", "")}, said
    labels = Annotation.objects.filter(annotator__kind="verifier")
    assert set(checked.values_list("instance", flat=True)) <= set(
        labels.values_list("instance", flat=True)
    )
    assert holds(project)


def test_a_cascade_asks_the_strong_judge_where_the_cheap_one_doubts() -> None:
    with endpoint(accuracy=0.9) as server:
        project = ready(server, 200, strategy="cascade", options={"alpha": 0.45, "delta": 0.5})
        judge = live_of(project).judge
        assert judge is not None
        assert judge.connection is not None
        dear = make_judge(judge.connection, "strong")
        change(project, strong_judge=dear, seed_size=120)
        result = route(project)
        while "stalled" not in result and label_everything(project):
            result = route(project)
    assert "stalled" not in result, live_of(project).stall_reason
    router = Router.objects.order_by("version").first()
    assert router is not None
    assert router.report["promise"]
    asked = Annotation.objects.filter(annotator__judge=dear)
    seeded = Decision.objects.filter(project=project).exclude(arm=Arm.ROUTED)
    assert set(seeded.values_list("instance", flat=True)) <= set(
        asked.values_list("instance", flat=True)
    )
    assert Decision.objects.filter(project=project, arm=Arm.ROUTED).count() >= 40
    assert holds(project)


def change(project: Project, **values: Any) -> None:
    row = live_of(project)
    change_settings(project=project, version=row.version, by=None, **values)


def test_without_an_encoder_it_says_so_and_does_not_try_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("routing.live.features.can_encode", lambda encoder: False)
    with endpoint() as server:
        project = ready(server, 20, strategy="d-optimal")
        Embedding.objects.all().delete()
        FeatureVector.objects.all().delete()
        LiveRouting.objects.update(router=placed(project))
        result = route(project)
    assert result["stalled"] == Stall.FIT
    assert "no encoder is installed" in result["reason"]
    assert not project.jobs.filter(kind="routing.features").exists()
    assert tick() == 0


def placed(project: Project) -> Router:
    """A router of an earlier time, when there was an encoder."""
    return save_router(
        project=project,
        strategy="d-optimal",
        parameters=dict(registry.fit("d-optimal", planted.seed(60), {}).to_json()),
        report={},
        dual_labelled=60,
        judge=live_of(project).judge,
    )


WRONG: list[tuple[str, Any, str]] = [
    ("hyper-linear", {"selection": "best"}, "top-k"),
    ("hyper-linear", {"mixes": 10**9}, "mixes"),
    ("escalation", {"alpha": 0}, "alpha"),
    ("escalation", {"alfa": 0.1}, "alpha, delta"),
    ("random", {"share": 0.5}, "no option"),
    ("verifier-first", {"inner": "verifier-first"}, "inner"),
    ("allocated", {"inner": "learned", "options": {"x": 1}}, "learned has no option"),
    ("judge-uncertainty", {"signals": []}, "signals"),
    ("judge-uncertainty", [], "object"),
]


@pytest.mark.parametrize(("key", "options", "says"), WRONG, ids=str)
def test_options_that_no_strategy_takes_are_refused(key: str, options: Any, says: str) -> None:
    project = make_project()
    with pytest.raises(InvalidInput, match=says):
        change(project, strategy=key, options=options)
