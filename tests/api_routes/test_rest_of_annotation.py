"""REST of tags, studies, payments, the arena, the judge report, prompts and the dashboard."""

import json
import uuid

import pytest

from accounts.models import Project, Role
from annotation.judges.services import create_judge
from annotation.labels.people import annotator_for
from jobs.models import Job
from tests.factories import make_annotation, make_instance, make_member

from .rest import Rest

pytestmark = pytest.mark.django_db
STUDY = {"name": "Crowd", "labels": 5, "places": 10, "completion_code": "DONE"}


@pytest.fixture
def reviewer(project: Project) -> Rest:
    return Rest(project, make_member(project, Role.REVIEWER))


def test_tags_are_said_by_hand_and_counted(reviewer: Rest, project: Project) -> None:
    instance = make_instance(project, tags=["domain:law", "language:de"])
    path = f"instances/{instance.pk}/tags/"
    changed = reviewer.patch(path, {"tags": {"domain": ["medicine"]}})
    assert set(changed["tags"]) == {"domain:medicine", "language:de"}
    assert {row["source"] for row in changed["given"] if row["name"] == "domain"} >= {"person"}
    reviewer.patch(path, {"tags": {"domain": ["astrology"]}}, expect=422)
    reviewer.patch(path, {"tags": {"colour": ["red"]}}, expect=422)
    counted = {row["name"]: row["values"] for row in reviewer.rows("tags/")}
    assert counted["domain"] == {"medicine": 1}


def test_a_judge_that_only_compares_gives_no_tags(owner: Rest, project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="m", provider="recorded")
    owner.post("tags/ask", {"judge": judge.pk}, expect=422)
    owner.post("tags/estimate", {"judge": judge.pk}, expect=422)


def test_a_study_is_prepared_opened_and_linked(owner: Rest, reviewer: Rest) -> None:
    made = owner.post("studies/", STUDY, expect=201)
    assert "PROLIFIC_PID" in made["link"]
    path = f"studies/{made['id']}/"
    assert "link" not in reviewer.get(path)
    assert owner.patch(path, {"state": "open"})["state"] == "open"
    assert owner.post(f"{path}link")["link"] != made["link"]
    assert reviewer.rows(f"{path}participations/") == []
    owner.patch(path, {"state": "draft"}, expect=409)
    owner.post("studies/", {**STUDY, "labels": 0}, expect=422)


def test_people_are_paid_by_rates_and_bonuses(
    owner: Rest, annotator: Rest, project: Project
) -> None:
    rate = {
        "basis": "label",
        "micros": 100_000,
        "currency": "EUR",
        "valid_from": "2020-01-01T00:00:00Z",
    }
    assert owner.post("rates/", rate, expect=201)["micros"] == 100_000
    owner.post("rates/", {**rate, "currency": "EURO"}, expect=400)
    member = next(row for row in owner.rows("members/") if row["role"] == "annotator")
    key = str(uuid.uuid4())
    bonus = {"micros": 2_000_000, "currency": "EUR", "reason": "Thank you", "key": key}
    line = owner.post(f"members/{member['id']}/bonus", bonus, expect=201)
    assert owner.post(f"members/{member['id']}/bonus", bonus, expect=201)["id"] == line["id"]
    assert [row["amount"] for row in annotator.rows("earnings/")] == [2_000_000]
    assert owner.rows("owed/")[0]["amount"] == 2_000_000
    payout = owner.post("payouts/", {"currency": "EUR"}, expect=201)
    assert (payout["people"], payout["amount"]) == (1, 2_000_000)
    owner.post("payouts/", {"currency": "EUR"}, expect=409)
    (row,) = owner.rows(f"payouts/{payout['id']}/rows")
    assert row["currency"] == "EUR"
    paid = owner.post(f"payouts/{payout['id']}/paid", {"reference": "SEPA 1"})
    assert paid["paid_at"]
    owner.post(f"payouts/{payout['id']}/withdraw", expect=409)
    assert owner.post("owed/derive") == {"written": 0}


def test_one_sees_ones_own_earnings_alone(annotator: Rest, project: Project) -> None:
    other = make_member(project, Role.ANNOTATOR)
    annotator_for(project=project, user=other)
    assert annotator.rows("earnings/") == []
    annotator.get("owed/", expect=403)


def test_an_arena_is_set_up_and_names_stay_hidden(
    owner: Rest, annotator: Rest, project: Project
) -> None:
    owner.get("arena/", expect=404)
    assert owner.patch("arena/", {"open": True, "most_turns": 2})["most_turns"] == 2
    owner.patch("arena/", {"most_turns": -1}, expect=400)
    annotator.post("arena/battles/", {"prompt": "Hello?"}, expect=409)
    for name in ("secret-one", "secret-two"):
        body = {
            "name": name,
            "source": "endpoint",
            "base_url": "https://api.openai.com/v1",
            "model": name,
        }
        owner.post("arena/contestants/", body, expect=201)
    assert len(owner.rows("arena/contestants/")) == 2
    battle = annotator.post("arena/battles/", {"prompt": "Hello?"}, expect=201)
    assert battle["state"] == "asking"
    shown = annotator.get(f"arena/battles/{battle['key']}/")
    assert "secret" not in json.dumps([battle, shown])
    vote = {"choice": "a", "client_id": str(uuid.uuid4())}
    annotator.post(f"arena/battles/{battle['key']}/vote", vote, expect=409)
    owner.get(f"arena/battles/{battle['key']}/", expect=404)
    first = owner.rows("arena/contestants/")[0]["id"]
    owner.post(f"arena/contestants/{first}/act", {"act": "pause"}, expect=204)
    owner.post(f"arena/contestants/{first}/act", {"act": "praise"}, expect=400)


def test_a_judge_report_is_asked_for(reviewer: Rest) -> None:
    assert reviewer.get("judges/report")["figures"] == {}
    started = reviewer.post("judges/report", expect=202)
    assert Job.objects.filter(pk=started["job"]).exists()
    reviewer.post("judges/report", expect=409)


def test_prompts_are_written_in_versions(owner: Rest, reviewer: Rest) -> None:
    made = owner.post("prompts/", {"name": "Kind", "rubric": "Be kind."}, expect=201)
    path = f"prompts/{made['id']}/"
    newer = owner.post(f"{path}versions", {"rubric": "Be kind and short."}, expect=201)
    assert (newer["version"], newer["parent"]) == (2, made["id"])
    owner.post(f"{path}versions", {"rubric": "Be kind."}, expect=422)
    owner.post("prompts/", {"name": "Kind"}, expect=422)
    owner.post("prompts/", {"name": "Other", "rubric": "x", "secret": 1}, expect=400)
    assert [row["version"] for row in reviewer.rows("prompts/", name="Kind")] == [2, 1]
    owner.post(f"{path}try", {"judge": 10**6}, expect=422)
    assert reviewer.rows("trials/") == []
    owner.post("minings/", {"judge": 10**6}, expect=422)
    assert reviewer.rows("minings/") == []


def test_the_dashboard_counts_what_people_did(reviewer: Rest, project: Project) -> None:
    person = annotator_for(project=project, user=make_member(project))
    make_annotation(make_instance(project), person, seconds=12.0)
    shown = reviewer.get("dashboard/", period="day")
    kinds = ("people", "judges", "other")
    assert sum(row[kind] for row in shown["throughput"] for kind in kinds) == 1
    assert shown["times"]["total"] == 1
    assert shown["distributions"][0]["total"] == 1
    reviewer.get("dashboard/", expect=422, period="century")
    reviewer.get("dashboard/", expect=422, criterion="none")


def test_the_leaderboard_shows_who_wants_to_be_seen(annotator: Rest, project: Project) -> None:
    assert not annotator.get("leaderboard/")["allowed"]
    project.protocol.leaderboard = True
    project.protocol.save()
    assert annotator.put("leaderboard/", {"shown": True, "name": "Ada"})["name"] == "Ada"
    annotator.put("leaderboard/", {"shown": "perhaps"}, expect=400)


def test_new_instances_are_sent_to_people(owner: Rest, project: Project) -> None:
    make_instance(project)
    started = owner.post("send", expect=202)
    assert Job.objects.filter(pk=started["job"]).exists()
    owner.post("send", expect=409)


def test_who_is_not_in_a_qualification_round_gets_no_feedback(annotator: Rest) -> None:
    assert annotator.get("label/qualification") == {"qualified": False, "right": None, "text": ""}


def test_models_are_listed(researcher: Rest) -> None:
    assert researcher.rows("models/", kind="reward") == []
    researcher.get("models/", expect=422, kind="cow")
    researcher.get("models/1000000/", expect=404)
