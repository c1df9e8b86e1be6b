"""Asking a judge from its page: what it will take, one run for one wish, watching and stopping."""

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.judges.asking import asker_of
from annotation.judges.estimating import estimate
from annotation.judges.models import CallState, Connection, Judge, JudgeCall, JudgeRun, RunState
from annotation.judges.selecting import selected
from annotation.labels.models import Annotation
from annotation.ledger.models import Budget
from annotation.ledger.services import create_budget
from annotation.projects.models import Criterion, Guideline
from annotation.projects.selectors import criteria_of
from core.exceptions import InvalidInput
from jobs.models import Job
from tests.annotation.judge_scene import connect, finish, make_judge
from tests.endpoint.client import Running, endpoint
from tests.endpoint.options import Options
from tests.factories import make_annotation, make_instance, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NOWHERE = Running(9, 0)


@pytest.fixture
def project() -> Project:
    return make_project("asked", owner=make_user("chief"), slug="asked")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


@pytest.fixture
def judge(project: Project) -> Judge:
    for _ in range(3):
        make_instance(project, tags=["domain:law"] if _ else [])
    return make_judge(connect(project, NOWHERE), "critic")


def wish(**fields: str) -> dict[str, str]:
    return {"criterion": "overall", "of": "all"} | fields


def url(judge: Judge) -> str:
    return f"/p/asked/judges/{judge.pk}/ask/"


def test_what_it_will_take_is_said_before_anything_is_asked(chief: Client, judge: Judge) -> None:
    budget = create_budget(project=judge.project, name="small", limit_micros=350)
    shown = chief.get(url(judge), wish(budget=str(budget.pk)), headers=HTMX).content.decode()
    assert "<html" not in shown
    assert "Calls to make" in shown
    assert "<b>6</b>" in shown
    assert "both orders" in shown
    assert "The budget will not last" in shown
    whole = chief.get(url(judge), wish(budget=str(budget.pk))).content.decode()
    assert "<html" in whole
    assert "Start asking" in whole
    assert not JudgeRun.objects.exists()


def test_an_estimate_leaves_out_what_is_stored(judge: Judge) -> None:
    criteria = criteria_of(judge.project)
    ids = list(selected(judge, criteria, {"of": "all"}).values_list("pk", flat=True))
    before = estimate(judge, criteria, ids)
    assert (before.calls, before.most_micros, before.expected_micros) == (6, 600, 600)
    question = asker_of(judge, criteria[0]).questions(ids)[0]
    JudgeCall.objects.create(
        judge=judge,
        instance_id=ids[0],
        criterion=criteria[0],
        shown_order=[0, 1],
        cache_key=question.key,
        state=CallState.ANSWERED,
    )
    after = estimate(judge, criteria, ids)
    assert (after.calls, after.stored, after.most_micros) == (5, 1, 500)


def test_many_instances_are_scaled_up_from_the_first_ones(judge: Judge) -> None:
    ids = list(judge.project.instances.values_list("pk", flat=True))
    found = estimate(judge, criteria_of(judge.project), ids, looked_at=2)
    assert (found.instances, found.calls, found.sampled) == (3, 6, True)


def test_lists_are_asked_the_cheaper_way_and_say_why(chief: Client, judge: Judge) -> None:
    make_instance(judge.project, [f"Completion {n} of some length." for n in range(6)])
    Judge.objects.update(price_per_call_micros=0, price_per_1k_input_micros=1000)
    shown = chief.get(url(judge), wish(), headers=HTMX).content.decode()
    assert "rankings" in shown
    assert "cheaper than 30 calls for all pairs" in shown


def test_selections(judge: Judge) -> None:
    criteria = criteria_of(judge.project)
    first, second, third = judge.project.instances.order_by("pk")
    old = Guideline.objects.create(project=judge.project, version=50)
    new = Guideline.objects.create(project=judge.project, version=51)
    make_annotation(first, judge.annotator, guideline=old)
    make_annotation(second, judge.annotator, guideline=new)
    JudgeCall.objects.create(
        judge=judge,
        instance=third,
        criterion=criteria[0],
        shown_order=[0, 1],
        cache_key="x",
        state=CallState.FAILED,
    )

    def ids(of: str, **more: object) -> list[int]:
        rows = selected(judge, criteria, {"of": of} | more)
        return list(rows.values_list("pk", flat=True))

    assert ids("all") == [first.pk, second.pk, third.pk]
    assert ids("unlabelled") == ids("failed") == [third.pk]
    assert ids("stale") == [first.pk]
    assert ids("tag", tag="domain:law") == [second.pk, third.pk]
    assert ids("instances", instances=[second.pk]) == [second.pk]
    assert len(ids("all", most=2)) == 2
    assert ids("all", most=2) == ids("all", most=2)
    type(first).objects.filter(pk=first.pk).update(state="dropped")
    assert ids("all") == [second.pk, third.pk]
    with pytest.raises(InvalidInput):
        ids("everything")


def test_a_second_criterion_without_a_label_counts_as_unlabelled(judge: Judge) -> None:
    Criterion.objects.create(project=judge.project, key="truth", name="Truth", position=1)
    for instance in judge.project.instances.all():
        make_annotation(instance, judge.annotator)
    criteria = criteria_of(judge.project)
    assert selected(judge, criteria[:1], {"of": "unlabelled"}).count() == 0
    assert selected(judge, criteria, {"of": "unlabelled"}).count() == 3


def test_sent_twice_it_is_one_run(chief: Client, judge: Judge) -> None:
    form = wish(limit="5", budget_name="once")
    first, second = (chief.post(url(judge), form) for _ in range(2))
    run = JudgeRun.objects.get()
    assert first["Location"] == second["Location"] == f"/p/asked/judges/runs/{run.pk}/"
    assert Job.objects.filter(kind="judges.run").count() == 1
    budget = Budget.objects.get()
    assert (budget.name, budget.limit, run.budget) == ("once", 5_000_000, budget)


@pytest.mark.parametrize(
    "form",
    [
        {"criterion": "nothing"},
        {"of": "everything"},
        {"of": "tag"},
        {"most": "many"},
        {"limit": "-1"},
        {"budget": "999999999999"},
        {"budget": "9" * 30},
        {},
    ],
)
def test_what_makes_no_sense_starts_nothing(
    chief: Client, judge: Judge, form: dict[str, str]
) -> None:
    response = chief.post(url(judge), wish(**form))
    assert response.status_code in (404, 422)
    assert 'role="alert"' in response.content.decode()
    assert not JudgeRun.objects.exists()
    assert not Budget.objects.exists()


def test_an_unknown_price_is_no_free_judge(chief: Client, judge: Judge) -> None:
    Judge.objects.update(price_known=False)
    response = chief.post(url(judge), wish(limit="5"))
    assert response.status_code == 422
    assert not Budget.objects.exists()


def test_a_researcher_spends_from_budgets_that_are_there(client: Client, judge: Judge) -> None:
    client.force_login(make_member(judge.project, Role.RESEARCHER))
    assert client.post(url(judge), wish(limit="5")).status_code == 403
    assert not Budget.objects.exists()
    budget = create_budget(project=judge.project, name="theirs", limit_micros=1_000)
    assert client.post(url(judge), wish(budget=str(budget.pk))).status_code == 302
    assert JudgeRun.objects.get().budget == budget


def test_a_budget_of_another_project_is_not_found(chief: Client, judge: Judge) -> None:
    other = create_budget(project=make_project(), name="theirs", limit_micros=1_000)
    assert chief.post(url(judge), wish(budget=str(other.pk))).status_code == 404
    assert not JudgeRun.objects.exists()


def test_a_run_is_watched_and_stopped(chief: Client, judge: Judge) -> None:
    chief.post(url(judge), wish(limit="5"))
    run = JudgeRun.objects.get()
    path = f"/p/asked/judges/runs/{run.pk}/"
    live = chief.get(path, headers=HTMX).content.decode()
    assert "<html" not in live
    assert 'hx-trigger="every 2s"' in live
    assert "No worker serves the queue" in live
    chief.post(f"{path}cancel/")
    ended = chief.get(path, headers=HTMX).content.decode()
    assert "cancelled" in ended
    assert "hx-trigger" not in ended
    assert "Stop asking?" not in ended


def test_a_run_that_ended_says_what_became_of_everything(chief: Client, judge: Judge) -> None:
    options = Options(errors={"refusal": 1.0})
    with endpoint(options) as server:
        Connection.objects.update(base_url=server.openai)
        chief.post(url(judge), wish(limit="5"))
        run = finish(JudgeRun.objects.get())
        bill = server.bill()
    assert run.state == RunState.FINISHED
    assert not Annotation.objects.exists()
    shown = chief.get(f"/p/asked/judges/runs/{run.pk}/").content.decode()
    assert "The model declined to judge." in shown
    assert "charged: a reply came" in shown
    assert f"{bill['calls']} calls made" in shown
    call = JudgeCall.objects.filter(run=run)[0]
    sent = chief.get(f"/p/asked/judges/calls/{call.pk}/").content.decode()
    assert "You compare two completions" in sent
