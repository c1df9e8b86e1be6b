"""Every strategy routes a small project live: seed, labels, fit, scores, decisions with reasons."""

from typing import Any

import numpy as np
import pytest

from accounts.models import Project
from annotation.instances.models import Signal
from annotation.judges.models import Judge
from annotation.judges.services import create_judge
from annotation.judges.verdicts import signal_name
from annotation.queue.models import Arm, Destination
from routing.decisions.models import Decision, Router
from routing.features.extractors import ENCODED_FEATURES, encoded_by
from routing.features.models import Embedding, FeatureVector
from routing.live.models import Stall
from routing.live.services import live_of
from tests.annotation.judge_scene import connect, make_judge, plant
from tests.endpoint.client import endpoint
from tests.factories import make_project
from tests.routing.live_scene import POUND, allow, holds, label_everything, route, switch_on

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
    ("verifier-first", {"inner": "learned"}),
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
    project = make_project()
    ids = plant(project, count)
    for name, of in (("coding", ids[::2]), ("law", ids[1::2])):
        project.instances.filter(pk__in=of).update(tags=[f"domain:{name}"])
    embed(project)
    reward_models(project)
    allow(project, 10_000 * POUND)
    judge = make_judge(connect(project, server))
    switch_on(project, judge, **{"seed_size": 60, "people_share": 0.3} | values)
    return project


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
