"""The list of judges, one judge, and one call: figures, words for failures, nothing unescaped."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, Role
from annotation.judges import failures, selectors
from annotation.judges.asking import asker_of
from annotation.judges.models import CallState, Failure, Judge, JudgeCall, Stage
from annotation.judges.services import create_judge, new_version
from annotation.projects.models import Guideline
from annotation.projects.selectors import guideline_of, main_criterion
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
MARKUP = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def project() -> Project:
    return make_project("judged", owner=make_user("chief"), slug="judged")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def judge_of(project: Project, name: str = "critic", **fields: Any) -> Judge:
    return create_judge(project=project, name=name, model="gpt-x", **fields)


def call(judge: Judge, instance: Any, **fields: Any) -> JudgeCall:
    values = {
        "criterion": main_criterion(judge.project),
        "shown_order": [0, 1],
        "cache_key": uuid.uuid4().hex,
        "state": CallState.ANSWERED,
        "ranking": [1, 2],
        "price_micros": 2_000_000,
    }
    return JudgeCall.objects.create(judge=judge, instance=instance, **(values | fields))


def said(judge: Judge, instance: Any, ranking: tuple[int, int], **fields: Any) -> None:
    verdict = {"p": 0.8, "gap": 0.1, "flipped": fields.pop("flipped", False)}
    make_annotation(instance, judge.annotator, ranking, attributes={"verdict": verdict}, **fields)


def page(client: Client, path: str = "") -> str:
    response = client.get(f"/p/judged/judges/{path}")
    assert response.status_code == 200
    return response.content.decode()


def test_the_empty_list_leads_on(chief: Client, project: Project) -> None:
    shown = page(chief)
    assert "No judge yet" in shown
    assert 'href="/p/judged/judges/new/"' in shown


def test_a_reviewer_may_look_and_add_nothing(client: Client, project: Project) -> None:
    client.force_login(make_member(project, Role.REVIEWER))
    judge = judge_of(project)
    assert "judges/new/" not in page(client)
    shown = page(client, f"{judge.pk}/")
    assert 'action="/p/judged/judges/' not in shown


def test_figures_of_a_judge(project: Project) -> None:
    judge = judge_of(project)
    old = Guideline.objects.create(project=project, version=50)
    Guideline.objects.create(project=project, version=51)
    first, second, third = (make_instance(project) for _ in range(3))
    said(judge, first, (1, 2), guideline=guideline_of(project))
    said(judge, second, (2, 1), guideline=old)
    said(judge, third, (1, 1), tie_kind="tie", flipped=True)
    for person in (make_annotator(project), make_annotator(project, kind="import")):
        make_annotation(first, person, (1, 2))
        make_annotation(second, person, (1, 2))
        make_annotation(third, person, (1, 2))
    make_annotation(first, make_annotator(project), (1, 1), tie_kind="tie")
    make_annotation(first, judge_of(project, "another").annotator, (1, 2))
    call(judge, first)
    call(judge, second, state=CallState.FAILED, failure=Failure.AUTH, price_micros=0)
    call(judge, second, state=CallState.UNKNOWN, failure=Failure.TIMEOUT, price_micros=5)
    call(judge, third, state=CallState.UNPARSABLE, failure=Failure.REFUSAL, price_micros=7)
    (found,) = selectors.standings([judge])
    assert (found.labels, found.ordered, found.flipped, found.stale) == (3, 3, 1, 1)
    assert (found.agreed, found.shared) == (2, 4)
    assert (found.calls, found.failed, found.unknown, found.unparsable) == (4, 1, 1, 1)
    assert found.spent_micros == 2_000_012
    assert found.failures == 3


def test_superseded_and_excluded_labels_agree_with_nobody(project: Project) -> None:
    judge, instance = judge_of(project), make_instance(project)
    said(judge, instance, (1, 2))
    person, other = make_annotator(project), make_annotator(project)
    before = make_annotation(instance, person, (2, 1))
    make_annotation(instance, person, (1, 2), supersedes=before)
    make_annotation(instance, other, (2, 1))
    type(other).objects.filter(pk=other.pk).update(excluded_at=before.created_at)
    (found,) = selectors.standings([judge])
    assert (found.agreed, found.shared) == (1, 1)


def test_the_list_sorts_without_script(chief: Client, project: Project) -> None:
    few, many = judge_of(project, "few"), judge_of(project, "many")
    for _ in range(2):
        said(many, make_instance(project), (1, 2))
    call(few, make_instance(project))
    assert page(chief).index(">many<") < page(chief).index(">few<")
    by_cost = page(chief, "?sort=spent")
    assert by_cost.index(">few<") < by_cost.index(">many<")
    assert 'aria-sort="descending"' in by_cost
    by_name = page(chief, "?sort=name&up=1")
    assert by_name.index(">few<") < by_name.index(">many<")


def test_the_list_needs_a_constant_number_of_queries(chief: Client, project: Project) -> None:
    counts = []
    for size in (1, 4):
        for number in range(size):
            judge = judge_of(project, f"judge {size} {number}")
            instance = make_instance(project)
            said(judge, instance, (1, 2))
            call(judge, instance)
        with CaptureQueriesContext(connection) as queries:
            page(chief)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_judge_of_a_generators_family_is_flagged(chief: Client, project: Project) -> None:
    judge_of(project)
    make_instance(project, generators=("gpt-4o", "llama-3"))
    assert "judges its own family: gpt-4o" in page(chief)
    Judge.objects.update(family="claude")
    assert "judges its own family" not in page(chief)


def test_the_page_of_a_judge_says_what_it_is(chief: Client, project: Project) -> None:
    judge = judge_of(project, parameters={"temperature": 0.25}, price_per_1k_input_micros=2_500)
    draft = new_version(judge=judge, model="gpt-y")
    shown = page(chief, f"{judge.pk}/")
    assert all(text in shown for text in ("gpt-x", "0.25", "0.0025", "built in, 1", "critic v2"))
    assert "You compare two completions" in shown
    assert "Reply with one letter only" in shown
    assert "draft" in page(chief, f"{draft.pk}/")


def test_failures_are_grouped_and_said_in_words(chief: Client, project: Project) -> None:
    judge, instance = judge_of(project), make_instance(project)
    for _ in range(3):
        call(judge, instance, state=CallState.FAILED, failure=Failure.AUTH, error=MARKUP)
    call(judge, instance, state=CallState.UNKNOWN, failure=Failure.TIMEOUT)
    shown = page(chief, f"{judge.pk}/")
    assert "The provider refused the key." in shown
    assert "not charged" in shown
    assert "stays charged: it may have been paid" in shown
    assert shown.index("refused the key") < shown.index("No reply came in time")
    assert ESCAPED in shown
    assert MARKUP not in shown


def test_every_failure_and_state_has_words() -> None:
    assert set(failures.WORDS) == set(Failure.values)
    assert set(failures.CHARGES) == set(CallState.values)


def test_a_call_shows_what_was_sent_and_came_back(chief: Client, project: Project) -> None:
    judge, instance = judge_of(project), make_instance(project, prompt=MARKUP)
    question = asker_of(judge, main_criterion(project)).questions([instance.pk])[1]
    made = call(
        judge,
        instance,
        cache_key=question.key,
        shown_order=list(question.shown_order),
        reply=f"{MARKUP} B",
        p_first=0.25,
        logprobs=[{"token": " B", "logprob": -0.1}, {"token": "A", "logprob": -2.0}],
    )
    shown = page(chief, f"calls/{made.pk}/")
    assert shown.count(ESCAPED) >= 2
    assert MARKUP not in shown
    assert "You compare two completions" in shown
    assert "\N{OPEN BOX}B" in shown
    assert shown.index("90.5") < shown.index("13.5")


def test_a_call_whose_question_changed_says_so(chief: Client, project: Project) -> None:
    made = call(judge_of(project), make_instance(project))
    assert "can no longer be put together" in page(chief, f"calls/{made.pk}/")


def test_prices_are_entered_once_known_and_change_no_past(chief: Client, project: Project) -> None:
    judge = judge_of(project, price_known=False)
    assert "Nobody has said what it costs" in page(chief, f"{judge.pk}/")
    url = f"/p/judged/judges/{judge.pk}/prices/"
    assert chief.post(url, {}).status_code == 422
    assert chief.post(url, {"price_per_call_micros": "-1"}).status_code == 422
    judge.refresh_from_db()
    assert not judge.price_known
    assert chief.post(url, {"price_per_call_micros": "0,004"}).status_code == 302
    judge.refresh_from_db()
    assert (judge.price_known, judge.price_per_call_micros) == (True, 4_000)


def test_a_judge_is_retired_and_brought_back(chief: Client, project: Project) -> None:
    judge = judge_of(project)
    url = f"/p/judged/judges/{judge.pk}/stage/"
    chief.post(url, {"act": "retire"})
    judge.refresh_from_db()
    assert judge.stage == Stage.RETIRED
    assert "What will it take" not in page(chief, f"{judge.pk}/")
    chief.post(url, {"act": "back"})
    judge.refresh_from_db()
    assert judge.stage == Stage.ACTIVE
