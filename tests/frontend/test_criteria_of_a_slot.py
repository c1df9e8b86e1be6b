"""An instance may be routed by criterion: only those it was sent out for are asked and taken."""

import json
import re
import uuid

import pytest
from django.test import Client

from accounts.models import Project, Role
from annotation.consensus.models import Consensus
from annotation.consensus.services import update
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Draft
from annotation.labels.people import annotator_for
from annotation.projects.models import Criterion, Protocol
from annotation.quality.reviewing import majority_answers
from annotation.quality.services import make_gold
from annotation.queue.adapting import doubt_of
from annotation.queue.models import Assignment, Slot
from annotation.queue.services import AssignmentItem, add_slot, assign
from core.exceptions import InvalidInput
from tests.factories import make_instance, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
FIELDS = re.compile(r'name="(slot|client_id|order)" value="([^"]*)"')


@pytest.fixture
def project() -> Project:
    project = make_project("parts", owner=make_user("chief"), slug="parts")
    for place, key in enumerate(("style", "facts"), 1):
        Criterion.objects.create(project=project, key=key, name=key, position=place)
    return project


@pytest.fixture
def client(project: Project) -> Client:
    client = Client()
    client.force_login(make_member(project, Role.ANNOTATOR, "labeller"))
    return client


def send(project: Project, *criteria: str, overlap: int = 1) -> Instance:
    instance = make_instance(project)
    item = AssignmentItem(instance.pk, "human", "routed", 1.0, overlap, criteria=criteria)
    assign(project=project, items=[item])
    return instance


def asked_in(page: str) -> set[str]:
    return set(re.findall(r'name="answer-(\w+)"', page))


def form_of(page: str) -> dict[str, str]:
    return dict(FIELDS.findall(page))


def post(client: Client, act: str, **fields: str) -> tuple[int, str]:
    reply = client.post(f"/p/parts/label/{act}/", fields, headers={"HX-Request": "true"})
    return reply.status_code, reply.content.decode()


def test_from_the_page_to_the_consensus_only_what_is_asked_counts(
    client: Client, project: Project
) -> None:
    first, second, third = send(project, "style"), send(project, "facts", "style"), send(project)
    page = client.get("/p/parts/label/").content.decode()
    assert asked_in(page) == {"style"}
    form = form_of(page)
    # What was not asked is refused, and so is leaving out what was.
    forged = {**form, "answer-style": "a1", "answer-facts": "a1"}
    status, said = post(client, "submit", **forged)
    assert status == 422
    assert "facts" in said
    assert post(client, "submit", **form)[0] == 422
    assert not Annotation.objects.exists()
    # The next one comes ahead, with its own criteria, in the order of the project.
    assert asked_in(post(client, "next")[1]) == {"style", "facts"}
    assert post(client, "draft", **form, **{"answer-style": "b1"}, revision="1")[0] == 204
    draft = Draft.objects.get(slot__instance=first)
    assert list(draft.payload["fields"]) == ["answer-style"]
    status, following = post(client, "submit", **form, **{"answer-style": "a1"})
    assert status == 200
    assert asked_in(following) == {"overall", "style", "facts"}
    label = Annotation.objects.get()
    assert (label.instance, label.criterion.key) == (first, "style")
    first.refresh_from_db()
    assert first.state == InstanceState.SETTLED
    update(project=project)
    assert list(Consensus.objects.values_list("criterion__key", flat=True).distinct()) == ["style"]
    # Undo brings the same question back, and a later change asks it again.
    assert asked_in(post(client, "undo")[1]) == {"style"}
    again = form_of(client.get("/p/parts/label/").content.decode())
    assert post(client, "submit", **again, **{"answer-style": "b1"})[0] == 200
    url = f"/p/parts/history/{again['slot']}/"
    page = client.get(url).content.decode()
    assert asked_in(page) == {"style"}
    changed = client.post(url, {**form_of(page), "answer-style": "a1", "answer-facts": "a1"})
    assert changed.status_code == 422
    assert client.post(url, {**form_of(page), "answer-style": "a1"}).status_code == 302
    assert {second.state, third.state} == {InstanceState.NEW}


def test_assignments_slots_and_added_places_carry_the_criteria(project: Project) -> None:
    instance = send(project, "facts", overlap=2)
    assert Assignment.objects.get(instance=instance).criteria == ["facts"]
    assert [slot.criteria for slot in Slot.objects.filter(instance=instance)] == [["facts"]] * 2
    extra = add_slot(instance=instance)
    assert extra.criteria == ["facts"]
    with pytest.raises(InvalidInput, match="no criterion 'taste'"):
        send(project, "taste")


def test_doubt_is_about_what_is_asked(project: Project) -> None:
    Protocol.objects.filter(project=project).update(overlap_most=2, settle_entropy=0.9)
    instance = send(project, "style")
    protocol = Protocol.objects.get(project=project)
    client = Client()
    client.force_login(make_member(project, Role.ANNOTATOR, "labeller"))
    form = form_of(client.get("/p/parts/label/").content.decode())
    assert post(client, "submit", **form, **{"answer-style": "a1"})[0] in (200, 204)
    # 0.75 for what was said and the rest for three other answers; ln 4 of what nobody asked.
    assert doubt_of(instance, protocol) == pytest.approx(0.837, abs=1e-3)
    instance.refresh_from_db()
    assert instance.state == InstanceState.SETTLED


def test_a_reviewer_is_asked_the_same_and_may_accept_the_majority(project: Project) -> None:
    instance = send(project, "style", overlap=3)
    for number, answer in enumerate(("a1", "a1", "b1")):
        client = Client()
        client.force_login(make_member(project, Role.ANNOTATOR, f"labeller {number}"))
        form = form_of(client.get("/p/parts/label/").content.decode())
        order = json.loads(f"[{form['order']}]")
        # The same completion, wherever it stands.
        side = answer if order == [0, 1] else {"a1": "b1", "b1": "a1"}[answer]
        post(client, "submit", **form, **{"answer-style": side})
    update(project=project)
    assert [each.criterion_key for each in majority_answers(instance)] == ["style"]
    reviewer = Client()
    reviewer.force_login(make_member(project, Role.REVIEWER, "reviewer"))
    page = reviewer.get(f"/p/parts/review/{instance.pk}/").content.decode()
    assert asked_in(page) == {"style"}
    sent = {"act": "accept", "client_id": str(uuid.uuid4())}
    assert reviewer.post(f"/p/parts/review/{instance.pk}/submit/", sent).status_code == 302
    review = Annotation.objects.get(purpose="review")
    assert (review.criterion.key, review.ranking) == ("style", [1, 2])


def test_gold_asks_what_the_slot_before_it_asked(client: Client, project: Project) -> None:
    Protocol.objects.filter(project=project).update(gold_share=0.5)
    right = {"accept": [{"ranking": [1, 2]}]}
    for key in ("style", "facts"):
        for _ in range(12):
            make_gold(instance=make_instance(project), kind="gold", answers={key: right}, by=None)
    for _ in range(12):
        send(project, "style")
    user = make_member(project, Role.ANNOTATOR, "other")
    annotator = annotator_for(project=project, user=user)
    client.force_login(user)
    seen = []
    for _ in range(16):
        page = client.get("/p/parts/label/").content.decode()
        form = form_of(page)
        slot = Slot.objects.get(key=form["slot"])
        before = Slot.objects.filter(annotator=annotator, purpose="label").exclude(pk=slot.pk)
        if before.exists():
            assert asked_in(page) == {"style"}
            seen.append(slot.purpose)
        answers = {f"answer-{key}": "a1" for key in asked_in(page)}
        assert post(client, "submit", **form, **answers)[0] in (200, 204)
    assert set(seen) == {"label", "gold"}
    golds = Slot.objects.filter(annotator=annotator, purpose="gold", criteria=["style"])
    assert all("style" in slot.instance.gold.answers for slot in golds)
