"""Promotion goes through the gate, or through a reason of somebody who may give one."""

import pytest

from accounts.models import Role
from audit.models import Event
from core.exceptions import Conflict, Forbidden, InvalidInput
from tests.factories import make_member
from tests.training.test_registry import GOOD, compared, good_versions
from training.registry import gating, services
from training.registry.models import Evaluation, Gate

pytestmark = pytest.mark.django_db


def test_a_failing_version_stays_candidate_and_the_verdict_is_kept() -> None:
    [version] = good_versions(1)
    version.metrics = GOOD | {"accuracy_interval": [0.4, 0.9], "length_correlation": 0.95}
    version.save()
    with pytest.raises(Conflict, match=r"held-out accuracy is 0\.800") as refusal:
        services.promote(version=version, stage="production", actor=None)
    version.refresh_from_db()
    assert version.stage == "candidate"
    assert version.gate["passed"] is False
    assert refusal.value.extra["gate"] == version.gate
    names = [check["name"] for check in version.gate["checks"] if not check["passed"]]
    assert names == ["held-out accuracy", "correlation with length"]


def test_an_admin_may_overrule_with_a_reason_that_the_audit_log_keeps() -> None:
    [version] = good_versions(1)
    version.metrics = {}
    version.save()
    researcher = make_member(version.project, Role.RESEARCHER)
    admin = make_member(version.project, Role.ADMIN)
    for actor in (researcher, None):
        with pytest.raises(Forbidden):
            services.promote(
                version=version, stage="production", actor=actor, override_reason="Trust me."
            )
    services.promote(
        version=version, stage="production", actor=admin, override_reason="First of its kind."
    )
    version.refresh_from_db()
    assert version.stage == "production"
    event = Event.objects.get(action="model stage changed")
    assert event.data["override_reason"] == "First of its kind."
    assert "held-out prompts is not known" in event.data["failed_checks"][0]


def test_a_version_has_to_be_compared_with_the_one_in_production() -> None:
    first, second = good_versions(2)
    services.promote(version=first, stage="production", actor=None)
    with pytest.raises(Conflict, match="difference to production is not known"):
        services.promote(version=second, stage="production", actor=None)
    compared(second, with_=first)
    services.promote(version=second, stage="production", actor=None)
    # What was compared with a version that has gone since says nothing about its successor.
    first.refresh_from_db()
    compared(first, with_=first)
    with pytest.raises(Conflict, match="difference to production is not known"):
        services.promote(version=first, stage="production", actor=None)


def test_thresholds_of_the_project_and_its_newest_evaluations_count() -> None:
    [version] = good_versions(1)
    project = version.project
    bounds = {"benchmarks": {"llmbar": 0.6}, "minimum_safety_accuracy": 0.5}
    gating.set_gate(project=project, kind="reward", thresholds=bounds, actor=None)
    assert len(gating.check_gate(version).reasons) == 2
    safe = {"accuracy": 0.9, "accuracy_interval": [0.8, 1.0]}
    for name, figures in (("llmbar", {"score": 0.5}), ("llmbar", {"score": 0.7}), ("safety", safe)):
        Evaluation.objects.create(version=version, name=name, figures=figures)
    # One that is still running has no figures and hides nothing.
    Evaluation.objects.create(version=version, name="llmbar")
    assert gating.check_gate(version).passed
    gating.set_gate(project=project, kind="reward", thresholds={}, actor=None)
    assert Gate.objects.get().thresholds == {}
    assert Event.objects.filter(action="gate set").count() == 2


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [("both", {}), ("reward", {"benchmarks": {"mmlu": 0.5}}), ("reward", {"x": 1})],
)
def test_a_gate_that_means_nothing_is_refused(kind: str, bounds: dict[str, object]) -> None:
    [version] = good_versions(1)
    with pytest.raises(InvalidInput):
        gating.set_gate(project=version.project, kind=kind, thresholds=bounds, actor=None)
    assert not Gate.objects.exists()
