"""The quality and review pages, and that gold looks like everything else to a browser."""

import csv
import io
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Criterion
from annotation.quality.measuring import Settings, measure
from annotation.quality.models import Gold, Relabel, Remark
from annotation.quality.services import make_gold
from annotation.queue.purposes import Purpose
from jobs.models import Job
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}


@pytest.fixture
def project() -> Project:
    return make_project("quality", owner=make_user("chief"), slug="quality")


@pytest.fixture
def chief(project: Project, client: Client) -> Client:
    client.login(username="chief", password="secret")
    return client


def in_doubt(project: Project) -> tuple[int, list[Annotator]]:
    """An instance on which two of three people agree; the judge and the people are named."""
    instance = make_instance(project, tags=["domain:law"])
    people = [make_annotator(project) for _ in range(3)]
    for person, ranking in zip(people, ((1, 2), (1, 2), (2, 1)), strict=True):
        make_annotation(instance, person, ranking, rationale="Because <b>so</b>.")
    update(project=project)
    return instance.pk, people


def test_the_page_without_and_with_figures(chief: Client, project: Project) -> None:
    assert "No figures yet" in chief.get("/p/quality/quality/").content.decode()
    _, people = in_doubt(project)
    measure(project, Settings())
    page = chief.get("/p/quality/quality/?sort=name&up=1").content.decode()
    names = re.findall(r"/quality/quality/(\d+)/", page)
    order = sorted(people, key=lambda person: person.pseudonym)
    assert [int(name) for name in names[:3]] == [person.pk for person in order]
    make_annotation(make_instance(project), people[0])
    assert "1 newer label" in chief.get("/p/quality/quality/").content.decode()


def test_computing_is_a_job_and_never_in_the_request(chief: Client, project: Project) -> None:
    reply = chief.post("/p/quality/quality/compute/", {"model": "mace"})
    assert reply.status_code == 302
    job = Job.objects.get(kind="annotation.quality")
    assert (job.state, job.arguments["model"]) == ("queued", "mace")
    assert "being computed now" in chief.get("/p/quality/quality/").content.decode()
    asks = chief.get("/p/quality/quality/", headers={"HX-Request": "true"})
    assert (asks.status_code, asks.headers.get("HX-Refresh")) == (204, None)
    assert chief.post("/p/quality/quality/compute/", {"model": "vibes"}).status_code == 422
    job.state = "cancelled"
    job.save()
    asks = chief.get("/p/quality/quality/", headers={"HX-Request": "true"})
    assert asks["HX-Refresh"] == "true"


def test_the_table_as_csv(chief: Client, project: Project) -> None:
    in_doubt(project)
    report = measure(project, Settings())
    reply = chief.get("/p/quality/quality/annotators.csv")
    rows = list(csv.DictReader(io.StringIO(reply.content.decode())))
    assert len(rows) == 3
    assert {row["labels"] for row in rows} == {"1"}
    assert {row["report"] for row in rows} == {str(report.pk)}


def test_the_page_of_an_annotator_takes_a_constant_number_of_queries(
    chief: Client, project: Project, django_assert_max_num_queries: object
) -> None:
    _, people = in_doubt(project)
    for _ in range(5):
        in_doubt(project)
    measure(project, Settings())
    address = f"/p/quality/quality/{people[2].pk}/"
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        page = chief.get(address).content.decode()
    assert "Against the majority of the others" in page
    assert chief.get(f"/p/quality/quality/{make_annotator(make_project()).pk}/").status_code == 404


def test_excluding_and_including_again(chief: Client, project: Project) -> None:
    instance, people = in_doubt(project)
    address = f"/p/quality/quality/{people[2].pk}/exclude/"
    assert chief.post(address, {"because": ""}).status_code == 422
    chief.post(address, {"because": "Answers at random"})
    row = Consensus.objects.get(instance=instance, scope=Scope.HUMAN)
    assert row.worth == [1.0, 0.0]
    page = chief.get(f"/p/quality/quality/{people[2].pk}/").content.decode()
    assert "Answers at random" in page
    chief.post(address, {"act": "include"})
    row.refresh_from_db()
    assert row.labels == 3


def gold_page(chief: Client, name: str) -> str:
    reply = chief.post("/p/quality/quality/gold/find/", {"instance": name})
    assert reply.status_code == 302
    return str(reply["Location"])


def sending(client: Client, address: str, **fields: object) -> Any:
    """Post the form of a page with these answers."""
    page = client.get(address).content.decode()
    own = dict(re.findall(r'name="(slot|client_id|order)" value="([^"]*)"', page))
    return client.post(address, {**own, **fields})


def test_gold_is_set_with_several_right_answers_and_retired(
    chief: Client, project: Project
) -> None:
    instance = make_instance(project, external_id="known")
    assert chief.post("/p/quality/quality/gold/find/", {"instance": "no"}).status_code == 404
    address = gold_page(chief, "known")
    sent = {"kind": "attention", "feedback": "Dates."}
    assert sending(chief, address, **sent).status_code == 422
    assert sending(chief, address, **sent, **{"answer-overall": "a1"}).status_code == 302
    gold = Gold.objects.get(instance=instance)
    assert (gold.answers, gold.kind, gold.feedback) == (RIGHT, "attention", "Dates.")
    assert sending(chief, address, **{"answer-overall": "a1"}).status_code == 422
    sending(chief, address, **{"answer-overall": "tie"})
    gold.refresh_from_db()
    assert gold.answers["overall"]["accept"] == [{"ranking": [1, 2]}, {"tie_kind": "tie"}]
    page = chief.get("/p/quality/quality/gold/").content.decode()
    assert "overall: A is better / Tie" in page
    chief.post(f"/p/quality/quality/gold/{gold.pk}/retire/")
    gold.refresh_from_db()
    assert not gold.active


def test_gold_of_ranks_and_scores_leaves_open_what_is_not_said(
    chief: Client, project: Project
) -> None:
    project.protocol.kind = "listwise"
    project.protocol.best_worst = True
    project.protocol.save()
    Criterion.objects.create(
        project=project, key="clear", name="Clear", position=1, kind="rating", levels=5
    )
    instance = make_instance(project, ("One.", "Two.", "Three."))
    address = f"/p/quality/quality/gold/set/{instance.pk}/"
    sent = {"kind": "gold", "rank-overall-0": "2", "rank-overall-1": "1", "rank-overall-2": ""}
    assert sending(chief, address, **sent, within="x").status_code == 422
    sending(chief, address, **sent)
    gold = Gold.objects.get()
    assert gold.answers == {"overall": {"accept": [{"ranking": [2, 1, 3]}]}}
    scores = {f"score-clear-{place}": str(5 - place) for place in range(3)}
    sending(chief, address, **scores, within="1")
    gold.refresh_from_db()
    assert gold.answers["clear"] == {"accept": [{"scores": [5, 4, 3], "within": 1}]}
    assert "A 5, B 4, C 3 (± 1)" in chief.get(address).content.decode()


def test_what_people_agree_on_becomes_gold_by_one_click(chief: Client, project: Project) -> None:
    instance, _ = in_doubt(project)
    page = chief.get(f"/p/quality/instances/{instance}/").content.decode()
    address = f"/p/quality/quality/gold/promote/{instance}/"
    assert address in page
    assert chief.post(address).status_code == 302
    assert Gold.objects.get(instance=instance).answers == RIGHT
    assert chief.post(address).status_code == 422
    assert chief.post("/p/quality/quality/gold/promote/999999/").status_code == 404


def test_gold_with_labels_is_set_only_knowingly(chief: Client, project: Project) -> None:
    instance, _ = in_doubt(project)
    address = f"/p/quality/quality/gold/set/{instance}/"
    sent = {"kind": "gold", "answer-overall": "b1"}
    assert sending(chief, address, **sent).status_code == 409
    assert not Gold.objects.exists()
    assert sending(chief, address, **sent, labelled="1").status_code == 302
    assert not Consensus.objects.filter(instance=instance).exists()


def test_doubted_gold_is_retired_and_labelled_again(chief: Client, project: Project) -> None:
    gold = make_gold(instance=make_instance(project), kind="gold", answers=RIGHT, by=None)
    for annotator in (make_annotator(project), make_annotator(project)):
        make_annotation(gold.instance, annotator, (2, 1), purpose=Purpose.GOLD)
    assert "0 % of 2" in chief.get("/p/quality/quality/gold/").content.decode()
    measure(project, Settings())
    page = chief.get(f"/p/quality/quality/{annotator.pk}/").content.decode()
    assert "Retire the marked and relabel them" in page
    address = "/p/quality/quality/gold/doubt/"
    assert chief.post(address).status_code == 422
    assert chief.post(address, {"instance": [make_instance(project).pk]}).status_code == 404
    reply = chief.post(address, {"instance": [gold.instance_id]})
    assert reply["Location"] == "/p/quality/quality/relabels/"
    gold.refresh_from_db()
    assert not gold.active
    assert Relabel.objects.get().slot.state == "open"  # type: ignore[union-attr]


def marked(page: str, report: str) -> list[int]:
    """The instances that the list of a report offers to mark."""
    forms = re.findall(r"<form.*?</form>", page, re.S)
    form = next(form for form in forms if f'name="report" value="{report}"' in form)
    return [int(pk) for pk in re.findall(r'name="instance"\s+value="(\d+)"', form)]


def test_every_list_of_instances_sends_to_relabel(chief: Client, project: Project) -> None:
    instance, people = in_doubt(project)
    agreed = make_instance(project)
    for person in people:
        make_annotation(agreed, person)
    lone = make_instance(project)
    make_annotation(lone, people[2], (2, 1))
    for person in people[:1]:
        make_annotation(lone, person, (1, 2))
    measure(project, Settings())
    page = chief.get(f"/p/quality/quality/{people[2].pk}/").content.decode()
    assert marked(page, "bias") == [lone.pk, instance]
    pair = f"/p/quality/quality/pair/{people[0].pk}/{people[2].pk}/"
    assert pair in chief.get("/p/quality/quality/").content.decode()
    assert marked(chief.get(pair).content.decode(), "agreement") == [lone.pk, instance]
    same = f"/p/quality/quality/pair/{people[0].pk}/{people[1].pk}/"
    assert "They differ on nothing" in chief.get(same).content.decode()
    assert marked(chief.get("/p/quality/instances/").content.decode(), "dashboard") == [
        lone.pk,
        agreed.pk,
        instance,
    ]
    assert marked(chief.get("/p/quality/review/").content.decode(), "disagreement")


def test_winners_that_flip_without_somebody_are_listed(chief: Client, project: Project) -> None:
    instance = make_instance(project)
    judge = make_annotator(project, kind="judge")
    person = make_annotator(project)
    make_annotation(instance, judge, (1, 2), attributes={"verdict": {"p": 0.6}})
    make_annotation(instance, person, (2, 1))
    measure(project, Settings())
    page = chief.get(f"/p/quality/quality/{person.pk}/").content.decode()
    assert marked(page, "exclusion") == [instance.pk]


def test_marked_instances_are_sent_to_relabel(chief: Client, project: Project) -> None:
    instance, _ = in_doubt(project)
    assert chief.post("/p/quality/quality/relabels/ask/", {"report": "gold"}).status_code == 422
    sent = {"instance": [instance], "report": "disagreement"}
    chief.post("/p/quality/quality/relabels/ask/", sent)
    assert Relabel.objects.get().instance_id == instance
    assert "disagreement" in chief.get("/p/quality/quality/relabels/").content.decode()
    foreign = make_instance(make_project()).pk
    sent = {"instance": [foreign], "report": "disagreement"}
    assert chief.post("/p/quality/quality/relabels/ask/", sent).status_code == 404
    assert Relabel.objects.count() == 1


def test_the_queue_of_doubt_and_its_filters(chief: Client, project: Project) -> None:
    instance, _ = in_doubt(project)
    address = f"/p/quality/review/{instance}/"
    assert address in chief.get("/p/quality/review/").content.decode()
    assert address in chief.get("/p/quality/review/?tag=domain:law").content.decode()
    assert address not in chief.get("/p/quality/review/?tag=domain:health").content.decode()


def test_the_review_page_shows_answers_by_pseudonym_and_escapes(
    chief: Client, project: Project
) -> None:
    instance, people = in_doubt(project)
    page = chief.get(f"/p/quality/review/{instance}/").content.decode()
    assert people[0].pseudonym in page
    assert people[0].name not in page
    assert "Because &lt;b&gt;so&lt;/b&gt;." in page
    assert "Accept the majority" in page


def test_a_decision_goes_to_the_next_and_decides(chief: Client, project: Project) -> None:
    first, _ = in_doubt(project)
    second, _ = in_doubt(project)
    page = chief.get(f"/p/quality/review/{first}/").content.decode()
    fields = dict(re.findall(r'name="(slot|client_id|order)" value="([^"]*)"', page))
    letter = "a" if fields["order"].startswith("1") else "b"
    sent = {**fields, "answer-overall": f"{letter}2"}
    reply = chief.post(f"/p/quality/review/{first}/submit/", {**fields})
    assert reply.status_code == 422
    reply = chief.post(f"/p/quality/review/{first}/submit/", sent)
    assert reply["Location"] == f"/p/quality/review/{second}/"
    row = Consensus.objects.get(instance=first, scope=Scope.MIXED)
    assert (row.method, row.worth) == ("review", [0.0, 1.0])


def test_the_majority_is_accepted_with_one_button(chief: Client, project: Project) -> None:
    instance, _ = in_doubt(project)
    sent = {"act": "accept", "client_id": str(uuid.uuid4())}
    reply = chief.post(f"/p/quality/review/{instance}/submit/", sent)
    assert reply["Location"] == "/p/quality/review/"
    assert Annotation.objects.get(purpose=Purpose.REVIEW).ranking == [1, 2]


def test_remarks_and_forged_ones(chief: Client, project: Project) -> None:
    instance, people = in_doubt(project)
    label = Annotation.objects.filter(instance=instance, annotator=people[0]).get()
    assert str(label.instance.completions.all()[0].text) in (
        chief.get(f"/p/quality/review/annotator/{people[0].pk}/").content.decode()
    )
    sent = {
        "annotation": label.pk,
        "verdict": "disagree",
        "note": "See the dates.",
        "back": "check",
    }
    reply = chief.post("/p/quality/review/remark/", sent)
    assert reply["Location"] == f"/p/quality/review/annotator/{people[0].pk}/"
    said = Remark.objects.get()
    assert (said.agrees, said.drawn) == (False, True)
    foreign = make_annotation(make_instance(make_project())).pk
    reply = chief.post("/p/quality/review/remark/", {"annotation": foreign, "verdict": "agree"})
    assert reply.status_code == 404


def send(client: Client, page: str, answer: str = "a1") -> object:
    fields = dict(re.findall(r'name="(slot|client_id|order)" value="([^"]*)"', page))
    return client.post(
        "/p/quality/label/submit/",
        {**fields, "answer-overall": answer, "seconds": "9"},
        headers={"HX-Request": "true"},
    )


@pytest.mark.django_db(transaction=True)
def test_feedback_comes_after_each_answer_of_the_qualification_round(project: Project) -> None:
    project.protocol.qualify_count = 1
    project.protocol.qualify_share = 1.0
    project.protocol.save()
    instance = make_instance(project)
    make_gold(
        instance=instance,
        kind="qualification",
        answers=RIGHT,
        by=None,
        feedback="The first one has the date.",
    )
    client = Client()
    client.force_login(make_member(project, Role.ANNOTATOR, "newcomer"))
    page = client.get("/p/quality/label/").content.decode()
    assert "qualification/feedback" in page
    order = dict(re.findall(r'name="(order)" value="([^"]*)"', page))["order"]
    send(client, page, "b1" if order == "0,1" else "a1")
    said = client.get("/p/quality/qualification/feedback/").content.decode()
    assert "The first one has the date." in said
    assert "Others decide this one differently." in said
    assert "This round is over" in said
