"""An online round whose labels a judge gives: win probabilities for the policy to learn (SPPO)."""

import pytest

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from tests.annotation.judge_scene import connect, make_judge
from tests.endpoint.client import endpoint
from training.registry.models import ModelVersion

from .test_online_round import project, start

__all__ = ["project"]
pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_a_judge_labels_what_the_policy_wrote(project: Project) -> None:
    with endpoint(accuracy=0.9) as server:
        judge = make_judge(connect(project, server))
        row = start(project, preset="sppo", judge=judge.name, prompts=4, budget_micros=10**9)
    shown = Instance.objects.filter(project=project, metadata__round=row.number)
    told = Annotation.objects.filter(instance__in=shown)
    assert shown.exists()
    assert set(told.values_list("instance", flat=True)) == set(shown.values_list("pk", flat=True))
    assert {label.annotator.kind for label in told.select_related("annotator")} == {"judge"}
    new = ModelVersion.objects.get(pk=row.summary["policy_version"])
    assert new.run.config["preset"] == "sppo_hard"
    assert new.run.config["preset_options"]["labels"] == "soft"
    assert 0 <= row.summary["win_rate_by_reward"] <= 1
