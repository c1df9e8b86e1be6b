"""What instances may hold: hostile tags, scripts of all kinds, huge and empty completions."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState, Signal
from annotation.quality.services import make_gold
from annotation.queue.models import Arm
from routing.decisions.models import Decision, Router
from routing.features.binning import fit
from routing.features.project import feature_table
from routing.features.text import extract
from routing.live.services import live_of
from tests.annotation.judge_scene import connect, make_judge
from tests.endpoint.client import endpoint
from tests.factories import make_instance, make_project
from tests.hostile import ATTACKS
from tests.routing.live_scene import (
    POUND,
    allow,
    label_everything,
    route,
    same_draws,
    scene,
    switch_on,
)

pytestmark = pytest.mark.django_db
HOSTILE = [
    "domain:<script>alert(1)</script>",
    "safety:\"quoted\" & 'so'",
    "domain:a|b:c|d",
    "expertise:two\nlines\r\tand tabs",
    "language:日本語",
    "context:{{ secret }}",
    "format:=1+1",
    ":",
    "domain:",
    "no colon",
    "domain:" + "x" * 500,
]
PROMPTS = [
    "ما هي عاصمة فرنسا؟",
    "法国的首都是什么?",
    "🧪🧬👩🏽‍🔬",
    "\u202eevil\u2066",
    "e\u0301" * 50,
]


def hostile(project: Project, count: int) -> None:
    """Pairs whose tags and prompts are as bad as they come; planted as those of the scene."""
    for number in range(count):
        good, bad = f"Answer {number}: quality=0.9", f"Answer {number}: quality=0.1"
        make_instance(
            project,
            (bad, good) if number % 2 else (good, bad),
            external_id=f"hostile {number} <b>|:",
            prompt=f"{PROMPTS[number % len(PROMPTS)]} {number}",
            tags=[HOSTILE[number % len(HOSTILE)], HOSTILE[(number + 3) % len(HOSTILE)]],
        )


@pytest.mark.parametrize("strategy", ["learned", "learned-error"])
def test_hostile_tags_go_through_seed_fit_and_pages(client: Client, strategy: str) -> None:
    with endpoint() as server:
        project = same_draws(make_project())
        hostile(project, 90)
        allow(project, 1000 * POUND)
        switch_on(project, make_judge(connect(project, server)), strategy=strategy, seed_size=70)
        for _ in range(3):
            route(project)
            label_everything(project, wrong_every=4)
    router = Router.objects.filter(project=project).first()
    assert router is not None, live_of(project).stall_reason
    client.force_login(project.memberships.get(role="owner").user)
    for name, args in (
        ("routing", ()),
        ("routing-live", ()),
        ("routing-decisions", ()),
        ("router", ()),
        ("router-version", (1,)),
        ("features", ()),
        ("tags", ()),
        ("frontier", ()),
    ):
        page = client.get(reverse(name, args=[project.slug, *args]))
        assert page.status_code == 200, name
        assert b"<script>alert" not in page.content, name
    for row in router.report.get("explanation", []):
        answer = client.get(
            reverse("router-behind", args=[project.slug, 1]), {"column": row["column"]}
        )
        assert answer.status_code == 200, row["column"]


def test_ten_thousand_values_of_a_tag_become_few_columns() -> None:
    project = make_project()
    rows = [
        Instance(
            project=project,
            external_id=f"i{n}",
            content_hash=f"{n:064d}",
            prompt_hash=f"{n:064d}",
            messages=[{"role": "user", "content": str(n)}],
            tags=[f"domain:value {n}"],
        )
        for n in range(10_000)
    ]
    Instance.objects.bulk_create(rows, batch_size=1000)
    table = feature_table(project, [row.pk for row in rows]).table
    assert len(fit(table).columns) < 300


COMPLETIONS: dict[str, list[str]] = {
    "empty": ["", ""],
    "one empty": ["", "Something."],
    "identical": ["The same.", "The same."],
    "a megabyte": ["word " * 210_000, "short"],
    "a megabyte of one word": ["w" * 1_000_000, "x" * 1_000_000],
    "digits and dots": ["1.1" * 300_000, "1,1:" * 300_000],
    "capitals": ["A'b-" * 250_000, "A. B! " * 150_000],
    "white": [" \n\t\u00a0\u3000", "\u200b"],
    "one": ["Alone."],
    "three": ["One.", "Two.", "Three."],
    "nine": [f"Number {n}." for n in range(9)],
} | {
    f"attack {name}": [text.replace("\0", ""), "x"]
    for name, text in ATTACKS.items()
    if name != "controls"
}


@pytest.mark.parametrize("texts", COMPLETIONS.values(), ids=COMPLETIONS)
def test_features_of_any_completions_are_finite(texts: list[str]) -> None:
    if len(texts) < 2:
        pytest.skip("no comparison: never routed")
    found = extract("A prompt?", texts)
    assert all(abs(value) < 1e12 for value in found.values())


@pytest.mark.parametrize("strategy", ["random", "judge-uncertainty"])
def test_instances_of_any_size_have_a_stated_outcome(strategy: str) -> None:
    with endpoint() as server:
        project = scene(server, 0, strategy=strategy, people_share=0.5)
        made = {
            name: make_instance(project, texts, external_id=name)
            for name, texts in COMPLETIONS.items()
            if not name.startswith("attack")
        }
        route(project)
    decided = set(Decision.objects.values_list("instance", flat=True))
    assert decided == {row.pk for name, row in made.items() if name != "one"}


def test_gold_and_flagged_instances_are_never_routed() -> None:
    with endpoint() as server:
        project = scene(server, 12, strategy="random", people_share=1)
        first, second, *_ = project.instances.order_by("pk")
        right: dict[str, Any] = {"overall": {"accept": [{"ranking": [1, 2]}]}}
        make_gold(instance=first, kind="gold", answers=right, by=None)
        Instance.objects.filter(pk=second.pk).update(state=InstanceState.FLAGGED)
        route(project)
        route(project, everything=True)
    assert not Decision.objects.filter(instance__in=[first.pk, second.pk]).exists()
    assert Decision.objects.count() == 10


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308])
@pytest.mark.parametrize("strategy", ["learned", "reward-uncertainty"])
def test_signals_that_are_no_numbers_kill_no_fit(strategy: str, value: float) -> None:
    with endpoint() as server:
        project = scene(server, 90, strategy=strategy, seed_size=60)
        for number, row in enumerate(project.instances.order_by("pk")):
            for name in ("reward_margin", "reward_variance", "panel_spread"):
                Signal.objects.create(
                    instance=row, name=name, value=value if number % 3 else number / 90
                )
        for _ in range(3):
            route(project)
            label_everything(project, wrong_every=4)
    for router in Router.objects.all():
        text = json.dumps([router.parameters, router.report])
        assert "NaN" not in text
        assert "Infinity" not in text
    assert Router.objects.exists() or live_of(project).stall_reason
    for decision in Decision.objects.all():
        assert 0 < decision.propensity <= 1
        assert decision.gain is None or abs(decision.gain) < float("inf")


PROTOCOLS = ["rating", "listwise", "binary"]


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_other_protocols_have_a_stated_outcome(kind: str) -> None:
    with endpoint() as server:
        project = same_draws(make_project(kind=kind))
        for number in range(12):
            make_instance(project, external_id=f"{kind} {number}")
        allow(project, 100 * POUND)
        switch_on(
            project,
            make_judge(connect(project, server)),
            strategy="judge-uncertainty",
            audit_share=0.3,
        )
        result = route(project)
    assert result.get("reason") or Decision.objects.filter(arm=Arm.AUDIT).exists()
