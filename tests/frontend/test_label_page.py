"""The labelling page: what it shows, what it never shows, and what its form does."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, User
from annotation.labels.models import Annotation, Draft
from annotation.labels.services import annotator_for
from annotation.projects.models import Protocol
from annotation.queue.models import Skip, Slot
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
    make_recorded_label,
    make_slot,
)

pytestmark = pytest.mark.django_db
SECRETS = ("gen-alpha", "gen-beta", "judge-nine", "because-of-nine", "arm-audit", "golden")


@pytest.fixture
def project() -> Project:
    return make_project("Answers", reasons=["more correct"])


@pytest.fixture
def annotator(project: Project) -> User:
    return make_member(project, username="ann")


@pytest.fixture
def page(annotator: User) -> Client:
    client = Client()
    client.force_login(annotator)
    return client


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of the form, as a browser without JavaScript sends them."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html)
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def open_page(client: Client, project: Project) -> str:
    return client.get(reverse("label", args=[project.slug])).content.decode()


def submit(client: Client, project: Project, **fields: str) -> int:
    return client.post(reverse("label-submit", args=[project.slug]), fields).status_code


def test_a_plain_form_post_stores_the_label_and_shows_the_next(
    page: Client, project: Project
) -> None:
    for _ in range(2):
        make_slot(make_instance(project))
    fields = fields_of(open_page(page, project))
    sent = fields | {"answer-overall": "b2", "reasons-overall": "more correct", "seconds": "12.5"}
    assert submit(page, project, **sent) == 302
    label = Annotation.objects.get()
    shown = [int(position) for position in fields["order"].split(",")]
    assert label.ranking[shown[1]] == 1
    assert label.ranking[shown[0]] == 2
    assert (label.strength, label.seconds, label.reasons) == (1.0, 12.5, ["more correct"])
    assert label.shown_order == shown
    assert str(label.client_id) == fields["client_id"]
    assert fields_of(open_page(page, project))["slot"] != fields["slot"]


def test_the_choice_is_mapped_from_the_shown_order(page: Client, project: Project) -> None:
    """Over many instances both orders occur, and A is always the one shown first."""
    orders = set()
    for number in range(12):
        make_slot(make_instance(project, [f"winner {number}", f"loser {number}"]))
    for _ in range(12):
        html = open_page(page, project)
        fields = fields_of(html)
        side = "a" if html.index("winner") < html.index("loser") else "b"
        assert submit(page, project, **fields, **{"answer-overall": f"{side}1"}) == 302
        orders.add(fields["order"])
    assert orders == {"0,1", "1,0"}
    rankings = Annotation.objects.values_list("ranking", flat=True)
    assert [list(ranking) for ranking in rankings] == [[1, 2]] * 12


@pytest.mark.parametrize(
    ("value", "ranking"), [("tie", [1, 1]), ("both bad", [1, 1]), ("cannot judge", [])]
)
def test_answers_that_are_no_preference(
    page: Client, project: Project, value: str, ranking: list[int]
) -> None:
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project))
    assert submit(page, project, **fields, **{"answer-overall": value}) == 302
    label = Annotation.objects.get()
    assert (label.ranking, label.tie_kind, label.strength) == (ranking, value, None)


@pytest.mark.parametrize(
    "change",
    [
        {"answer-overall": ""},
        {"answer-overall": "a9"},
        {"answer-overall": "c1"},
        {"order": "0,0"},
        {"client_id": "x"},
        {"slot": "x"},
        {"seconds": "soon"},
        {"reasons-overall": "not offered"},
    ],
)
def test_what_cannot_be_read_stores_nothing(
    page: Client, project: Project, change: dict[str, str]
) -> None:
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project)) | {"answer-overall": "a1"}
    assert submit(page, project, **fields | change) == 422
    assert not Annotation.objects.exists()


def test_the_same_submit_again_changes_nothing(page: Client, project: Project) -> None:
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project)) | {"answer-overall": "a1"}
    assert [submit(page, project, **fields) for _ in range(2)] == [302, 302]
    assert Annotation.objects.count() == 1
    assert submit(page, project, **fields | {"answer-overall": "b1"}) == 409


def test_nothing_on_the_page_could_sway(page: Client, project: Project) -> None:
    """No generator, judge, other person's label, arm or mark of gold, in any part of the page."""
    judge = make_annotator(project, "judge-nine", kind="judge")
    for _ in range(3):
        instance = make_instance(project, generators=("gen-alpha", "gen-beta"))
        instance.metadata = {"gold": "golden", "arm": "arm-audit"}
        instance.tags = ["golden"]
        instance.save()
        make_recorded_label(instance, origin="judge", annotator="judge-nine")
        make_annotation(instance, judge, rationale="because-of-nine")
        make_slot(instance)
    html = open_page(page, project)
    following = page.post(reverse("label-next", args=[project.slug])).content.decode()
    undone = page.post(
        reverse("label-submit", args=[project.slug]),
        fields_of(html) | {"answer-overall": "a1"},
        headers={"HX-Request": "true"},
    ).content.decode()
    history = page.get(reverse("history", args=[project.slug])).content.decode()
    for part in (html, following, undone, history):
        assert len(part) > 500
        assert not [secret for secret in SECRETS if secret in part]
        assert "audit" not in part.lower()


def test_the_next_slot_is_leased_ahead_and_stays(page: Client, project: Project) -> None:
    for _ in range(3):
        make_slot(make_instance(project))
    first = fields_of(open_page(page, project))["slot"]
    next_url = reverse("label-next", args=[project.slug])
    second = fields_of(page.post(next_url).content.decode())["slot"]
    assert second != first
    assert fields_of(page.post(next_url).content.decode())["slot"] == second
    assert fields_of(open_page(page, project))["slot"] == first


def test_an_empty_queue_is_friendly(page: Client, project: Project) -> None:
    assert "Nothing to label right now" in open_page(page, project)
    assert page.post(reverse("label-next", args=[project.slug])).status_code == 204


def test_undo_brings_the_instance_back_with_its_answer(page: Client, project: Project) -> None:
    for _ in range(2):
        make_slot(make_instance(project))
    fields = fields_of(open_page(page, project))
    submit(page, project, **fields, **{"answer-overall": "b1", "rationale-overall": "shorter"})
    assert page.post(reverse("label-undo", args=[project.slug])).status_code == 302
    html = open_page(page, project)
    assert fields_of(html)["slot"] == fields["slot"]
    assert fields_of(html)["client_id"] != fields["client_id"]
    assert re.search(r'value="b1"\s+required\s+checked', html)
    assert "shorter</textarea>" in html


def test_a_draft_is_kept_and_a_late_one_is_ignored(page: Client, project: Project) -> None:
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project))
    url = reverse("label-draft", args=[project.slug])
    for revision, choice in (("2", "a2"), ("1", "b2")):
        draft = fields | {
            "answer-overall": choice,
            "revision": revision,
            "rationale-overall": "so far",
        }
        assert page.post(url, draft).status_code == 204
    assert Draft.objects.get().revision == 2
    html = open_page(page, project)
    assert re.search(r'value="a2"\s+required\s+checked', html)
    assert "so far</textarea>" in html
    assert page.post(url, fields).status_code == 422


def test_skip_passes_the_instance_on(page: Client, project: Project, annotator: User) -> None:
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project))
    assert page.post(reverse("label-skip", args=[project.slug]), fields).status_code == 302
    assert Skip.objects.get().annotator == annotator_for(project=project, user=annotator)
    assert Slot.objects.get().state == "open"
    assert "Nothing to label right now" in open_page(page, project)


def test_a_tampered_order_is_refused(page: Client, project: Project) -> None:
    """Who could say that A was B could turn every label around."""
    make_slot(make_instance(project))
    fields = fields_of(open_page(page, project)) | {"answer-overall": "a1"}
    other = {"0,1": "1,0", "1,0": "0,1"}[fields["order"]]
    assert submit(page, project, **fields | {"order": other}) == 422
    assert not Annotation.objects.exists()
    assert submit(page, project, **fields) == 302


def test_a_refused_form_comes_back_filled_with_the_reason(page: Client, project: Project) -> None:
    make_slot(make_instance(project))
    sent = fields_of(open_page(page, project)) | {"rationale-overall": "half done"}
    answer = page.post(reverse("label-submit", args=[project.slug]), sent)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "half done</textarea>" in html
    assert "is not answered yet" in html


def test_history_shows_ones_own_labels_only(page: Client, project: Project) -> None:
    make_annotation(make_instance(project, prompt="of somebody else"), make_annotator(project))
    make_slot(make_instance(project, prompt="of mine"))
    fields = fields_of(open_page(page, project))
    submit(page, project, **fields, **{"answer-overall": "a2"})
    html = page.get(reverse("history", args=[project.slug])).content.decode()
    assert "A is clearly better" in html
    assert "of mine" in html
    assert "of somebody else" not in html


def test_an_unknown_slot_is_not_found(page: Client, project: Project) -> None:
    fields = {"slot": str(uuid.uuid4()), "client_id": str(uuid.uuid4()), "order": "0,1"}
    assert submit(page, project, **fields, **{"answer-overall": "a1"}) == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paused_at": "2026-01-01T00:00:00Z"}, "This project is paused"),
        ({"qualify_count": 3}, "needs a qualification"),
        ({}, "You have seen all that is open to you"),
    ],
)
def test_the_empty_page_says_why(
    page: Client, project: Project, fields: dict[str, object], words: str
) -> None:
    Protocol.objects.filter(project=project).update(**fields)
    assert words in open_page(page, project)


def test_a_quota_that_is_used_up_is_named(page: Client, project: Project, annotator: User) -> None:
    make_slot(make_instance(project))
    person = annotator_for(project=project, user=annotator)
    person.quota = 0
    person.save()
    assert "as many instances as you may" in open_page(page, project)


def test_without_a_script_the_reason_for_a_skip_can_be_chosen(client: Client) -> None:
    project = make_project()
    client.force_login(make_member(project))
    make_slot(make_instance(project))
    page = client.get(reverse("label", args=[project.slug])).content.decode()
    inside = page.split("<noscript>")[1].split("</noscript>")[0]
    assert 'name="kind"' in inside
    assert "unsafe" in inside
    assert 'name="note"' in inside
