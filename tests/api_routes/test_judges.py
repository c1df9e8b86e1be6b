"""REST of judges: connected, added, priced, retired, asked; a key never comes back."""

import json
from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.models import Judge, JudgeRun
from annotation.labels.models import Annotation
from annotation.ledger.models import Budget
from jobs.models import Job
from jobs.runner import run_queued
from tests.factories import make_instance, make_recorded_label

from .rest import Rest

pytestmark = pytest.mark.django_db
SECRET = "sk-very-secret-4711"
CONNECTION = {
    "name": "Provider",
    "provider": "openai-compatible",
    "base_url": "https://api.openai.com/v1",
    "key": SECRET,
}
RECORDED = {"name": "critic", "provider": "recorded", "model": "gpt-x", "price_per_call_micros": 0}


def test_a_key_goes_in_and_never_comes_out(owner: Rest) -> None:
    made = owner.post("connections/", CONNECTION, expect=201)
    path = f"connections/{made['id']}/"
    replies: list[Any] = [made, owner.get("connections/"), owner.get(path)]
    replies.append(owner.patch(path, {"concurrency": 4}))
    assert SECRET not in json.dumps(replies)
    assert '"key"' not in json.dumps(replies)
    assert replies[-1]["key_set"]
    assert replies[-1]["concurrency"] == 4
    assert not owner.patch(path, {"key": ""})["key_set"]
    owner.patch(path, {"concurrency": 0}, expect=422)
    owner.patch(path, {"secret": "x"}, expect=400)
    owner.post("connections/", CONNECTION, expect=409)
    owner.delete(path)


def test_a_key_goes_to_the_server_it_was_entered_for(owner: Rest) -> None:
    made = owner.post("connections/", CONNECTION, expect=201)
    other = {"base_url": "https://example.com/v1"}
    owner.patch(f"connections/{made['id']}/", other, expect=422)


def test_a_judge_asks_through_a_connection(owner: Rest) -> None:
    connection = owner.post("connections/", CONNECTION, expect=201)["id"]
    body = {"name": "chat", "provider": "openai-compatible", "model": "m"}
    owner.post("judges/", body, expect=422)
    made = owner.post("judges/", {**body, "connection": connection}, expect=201)
    assert not made["price_known"]
    problem = owner.post(f"judges/{made['id']}/ask", {}, expect=422)
    assert "costs" in problem["detail"]
    prices = {
        "price_per_call_micros": 0,
        "price_per_1k_input_micros": 150,
        "price_per_1k_output_micros": 600,
    }
    priced = owner.patch(f"judges/{made['id']}/", {"prices": prices})
    assert priced["judge"]["price_known"]
    owner.patch(f"judges/{made['id']}/", {"prices": {"price": 1}}, expect=422)
    owner.delete(f"connections/{connection}/", expect=409)


def test_only_known_parameters_are_taken(owner: Rest) -> None:
    odd = {**RECORDED, "parameters": {"base_url": "http://169.254.169.254"}}
    assert "base_url" in owner.post("judges/", odd, expect=400)["detail"]
    made = owner.post("judges/", {**RECORDED, "parameters": {"temperature": 0.5}}, expect=201)
    assert made["parameters"] == {"temperature": 0.5}


def test_a_judge_is_asked_as_a_job_and_labels(researcher: Rest, project: Project) -> None:
    instance = make_instance(project)
    for number, order in enumerate(([0, 1], [1, 0])):
        said: dict[str, Any] = {"shown_order": order, "ordinal": number}
        make_recorded_label(instance, [1, 2], origin="judge", annotator="gpt-x", **said)
    judge = researcher.post("judges/", RECORDED, expect=201)["id"]
    expected = researcher.post(f"judges/{judge}/estimate", {})
    assert expected["instances"] == 1
    started = researcher.post(f"judges/{judge}/ask", {"selection": {"of": "all"}}, expect=202)
    run_queued(Job.objects.get(pk=started["job"], kind="judges.run"))
    run = researcher.get(f"judges/runs/{started['run']}/")
    assert run["progress"]["state"] == "finished"
    assert run["progress"]["answered"] == 1
    assert Annotation.objects.filter(project=project).count() == 1
    (listed,) = researcher.rows("judges/")
    assert listed["labels"] == 1
    assert [row["id"] for row in researcher.rows(f"judges/{judge}/runs/")] == [run["id"]]
    calls = researcher.rows(f"judges/{judge}/calls/", state="answered")
    assert researcher.get(f"judges/calls/{calls[0]['id']}/")["ranking"] == calls[0]["ranking"]
    researcher.get(f"judges/{judge}/calls/", expect=422, state="lost")


def test_asking_twice_at_once_is_refused_and_a_run_can_be_stopped(
    researcher: Rest, project: Project
) -> None:
    make_instance(project)
    judge = researcher.post("judges/", RECORDED, expect=201)["id"]
    started = researcher.post(f"judges/{judge}/ask", {}, expect=202)
    researcher.post(f"judges/{judge}/ask", {}, expect=409)
    stopped = researcher.post(f"judges/runs/{started['run']}/cancel")
    assert stopped["progress"]["state"] == "cancelled"


@pytest.mark.parametrize(
    "body",
    [
        {"selection": {"of": "some"}},
        {"selection": {"of": "tag"}},
        {"selection": {"of": "instances"}},
        {"new_budget": {"name": "x", "limit_micros": 0}},
        {"colour": "red"},
    ],
)
def test_a_wish_that_says_nothing_is_refused(
    researcher: Rest, project: Project, body: dict[str, Any]
) -> None:
    judge = researcher.post("judges/", RECORDED, expect=201)["id"]
    researcher.post(f"judges/{judge}/ask", body, expect=400)
    assert not JudgeRun.objects.exists()


def test_a_new_budget_is_made_with_the_run_or_not_at_all(
    owner: Rest, researcher: Rest, project: Project
) -> None:
    make_instance(project)
    judge = owner.post("judges/", RECORDED, expect=201)["id"]
    wish = {"new_budget": {"name": "Trial", "limit_micros": 1000}}
    researcher.post(f"judges/{judge}/ask", wish, expect=403)
    owner.post(f"judges/{judge}/ask", {**wish, "criteria": ["none"]}, expect=422)
    assert not Budget.objects.exists()
    run = owner.post(f"judges/{judge}/ask", wish, expect=202)["run"]
    assert JudgeRun.objects.get(pk=run).budget == Budget.objects.get(name="Trial")
    owner.post(f"judges/{judge}/ask", {"budget": 10**9}, expect=404)


def test_a_judge_is_retired_and_brought_back(owner: Rest, researcher: Rest) -> None:
    judge = owner.post("judges/", RECORDED, expect=201)["id"]
    researcher.patch(f"judges/{judge}/", {"stage": "retired"}, expect=403)
    assert owner.patch(f"judges/{judge}/", {"stage": "retired"})["judge"]["stage"] == "retired"
    assert owner.rows("judges/", stage="active") == []
    assert owner.patch(f"judges/{judge}/", {"stage": "active"})["judge"]["stage"] == "active"
    assert Judge.objects.get().stage == "active"
