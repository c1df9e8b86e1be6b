"""Every form about judges with what no form sends: refused in words, never a crash."""

import itertools
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.judges.models import Connection, Judge, JudgeRun, Mining, Prompt
from annotation.judges.prompting import create_prompt
from annotation.ledger.models import Budget
from annotation.ledger.services import create_budget
from jobs.models import Job

from .world import World

VALUES = ("\0", "9" * 18, "9" * 400, "1e308", "<script>{0.__class__}\u202e\u2028")
PRICES = "price_per_call_micros price_per_1k_input_micros price_per_1k_output_micros"
CONNECTION = "name provider base_url key requests_per_minute concurrency batch_price_percent"
PROMPT = "name from act system rubric shape mode examples note base criterion"
POSTED = {
    "connection-new": CONNECTION,
    "connection": CONNECTION,
    "connection-delete": "name",
    "judge-new": f"name model prompt family temperature max_tokens constrain {PRICES}",
    "judge-prices": PRICES,
    "judge-stage": "stage",
    "judge-ask": "criterion of most budget budget_name limit",
    "prompt-save": PROMPT,
    "prompt-preview": PROMPT,
    "prompt-try": "base criterion count budget",
    "trial-promote": "name",
    "trial-injection": "budget",
    "mining-start": "base criterion pairs own most budget",
    "mining-accept": "candidate name prompt act",
    "judge-report-compute": "name",
}
READ = {
    "judge": "page",
    "judge-ask": "criterion of most budget tag",
    "prompt": "base count criterion",
    "prompt-draft": "from",
    "trials-compare": "run",
    "trial-disagreements": "kind page",
    "mining": "base pairs most",
    "judge-matrix": "criterion scope",
    "judge-report": "criterion tag scope",
    "judge-behind": "criterion tag kind page bin",
    "judge-panel-behind": "criterion tag kind page bin",
}
GOOD = {
    "name": "Something",
    "model": "gpt-x",
    "provider": "openai-compatible",
    "base_url": "https://models.example/v1",
    "criterion": "overall",
    "of": "all",
    "price_per_call_micros": "1",
    "limit": "1",
    "system": "Judge.",
    "shape": "pair",
    "mode": "token",
}
TAKES = {
    "connection": "connection_id",
    "connection-delete": "connection_id",
    "judge-run": "judge_run_id",
    "judge-call": "call_id",
    "judge-stage": "judge_id",
    "judge-prices": "judge_id",
    "judge-ask": "judge_id",
    "judge-report": "judge_id",
    "judge-behind": "judge_id",
    "judge": "judge_id",
    "prompt": "prompt_id",
    "prompt-try": "prompt_id",
    "trial": "trial_id",
    "trial-promote": "trial_id",
    "trial-injection": "trial_id",
    "trial-disagreements": "trial_id",
    "mining-result": "mining_id",
    "mining-accept": "mining_id",
}


def url(name: str, world: World) -> str:
    taken = [world.ids[TAKES[name]]] if name in TAKES else []
    return reverse(name, args=[world.project.slug, *taken])


@pytest.fixture
def owner(ours: World) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(ours.people["owner"])
    return client


@pytest.mark.parametrize("name", POSTED)
def test_no_field_brings_a_form_down(owner: Client, ours: World, name: str) -> None:
    query = f"?connection={ours.ids['connection_id']}" if name == "judge-new" else ""
    address = url(name, ours) + query
    for field, (number, value) in itertools.product(POSTED[name].split(), enumerate(VALUES)):
        sent = {**GOOD, "name": f"Something {field} {number}", field: value}
        response = owner.post(address, sent)
        assert response.status_code < 500, (field, value)


@pytest.mark.parametrize("name", READ)
def test_no_query_brings_a_page_down(owner: Client, ours: World, name: str) -> None:
    for field, value in itertools.product(READ[name].split(), VALUES):
        response = owner.get(url(name, ours), {field: value})
        assert response.status_code < 500, (field, value)


def test_what_a_form_names_is_of_its_own_project(owner: Client, ours: World, theirs: World) -> None:
    """Forged ids of another project's judge, prompt, budget, connection: nothing is made."""
    budget = create_budget(project=theirs.project, name="theirs", limit_micros=10**9)
    other = create_prompt(project=theirs.project, name="Secret prompt", system="Secret words.")
    Judge.objects.filter(project=ours.project).update(price_per_call_micros=1)
    before = _counts()
    ids: dict[str, Any] = theirs.ids
    forged: list[tuple[str, dict[str, Any]]] = [
        ("judge-ask", {"criterion": "overall", "of": "all", "budget": budget.pk}),
        ("judge-new", {"name": "x", "model": "m", "prompt": other.pk}),
        ("prompt-try", {"base": ids["judge_id"], "criterion": "overall", "count": 5}),
        ("prompt-try", {"base": ours.ids["judge_id"], "budget": budget.pk, "count": 5}),
        ("prompt-save", {"from": other.pk, "system": "Mine now.", "shape": "pair"}),
        ("mining-start", {"base": ids["judge_id"], "pairs": 30, "propose": "on"}),
        ("mining-start", {"base": ours.ids["judge_id"], "budget": budget.pk, "pairs": 30}),
        ("mining-accept", {"candidate": 0, "prompt": other.pk, "act": "rubric"}),
        ("trial-injection", {"budget": budget.pk}),
    ]
    for name, sent in forged:
        query = f"?connection={ours.ids['connection_id']}" if name == "judge-new" else ""
        response = owner.post(url(name, ours) + query, sent)
        assert 400 <= response.status_code < 500, (name, sent, response.status_code)
        assert b"Secret words" not in response.content
    connected = reverse("judge-new", args=[ours.project.slug])
    theirs_connection = f"{connected}?connection={ids['connection_id']}"
    assert owner.post(theirs_connection, {"name": "x", "model": "m"}).status_code == 404
    draft = reverse("prompt-draft", args=[ours.project.slug])
    assert owner.get(draft, {"from": other.pk}).status_code == 404
    compared = owner.get(
        reverse("trials-compare", args=[ours.project.slug]),
        {"run": [ids["trial_id"], ours.ids["trial_id"]]},
    )
    assert b"theirs" not in compared.content
    assert _counts() == before


def _counts() -> list[int]:
    kinds = (Judge, Prompt, Budget, Connection, JudgeRun, Mining, Job)
    return [kind.objects.count() for kind in kinds]
