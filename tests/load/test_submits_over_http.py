"""Submits that come twice, in another order, too late, or from somebody who should not send them.

At the level of HTTP, with the form as the page's script sends it; the services behind it have
tests of their own in tests/annotation/test_submit_label.py.
"""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Project, User
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign, claim, expire_leases
from tests.bench.labelling.browsing import FRAGMENT, Shown, read_slot
from tests.factories import make_annotator, make_instance, make_member, make_project

pytestmark = pytest.mark.django_db
Form = dict[str, str]


class Window:
    """The labelling page of one person."""

    def __init__(self, user: User, project: Project) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.project = project

    def url(self, name: str) -> str:
        return reverse(name, args=[self.project.slug])

    def post(self, name: str, form: Form) -> tuple[int, str]:
        response = self.client.post(self.url(name), form, headers=FRAGMENT)
        return response.status_code, response.content.decode()

    def open(self) -> Form:
        """What the form in front sends when A is chosen."""
        return answered(read_slot(self.client.get(self.url("label")).content.decode()))

    def ahead(self) -> Form:
        """The same for the slot that waits behind it."""
        return answered(read_slot(self.post("label-next", {})[1]))

    def submit(self, form: Form, **changed: str) -> int:
        return self.post("label-submit", form | changed)[0]


def answered(slot: Shown | None) -> Form:
    assert slot is not None
    choices = {name: values[0] for name, values in slot.choices.items()}
    return slot.fields | choices | {"client_id": str(uuid.uuid4()), "seconds": "2.5"}


def make_window(instances: int = 5, overlap: int = 1) -> Window:
    project = make_project()
    items = [
        AssignmentItem(make_instance(project).pk, "human", "routed", 1, overlap)
        for _ in range(instances)
    ]
    assign(project=project, items=items)
    return Window(make_member(project), project)


def slot_of(form: Form) -> Slot:
    return Slot.objects.get(key=form["slot"])


def retaken(form: Form) -> Slot:
    """The lease runs out, and somebody else is given the slot."""
    Slot.objects.filter(key=form["slot"]).update(leased_until=timezone.now() - timedelta(minutes=1))
    slot = slot_of(form)
    expire_leases(project=slot.project)
    other = claim(project=slot.project, annotator=make_annotator(slot.project))
    assert other == slot
    return other


def stored() -> list[tuple[str, str]]:
    """(client id, slot key) of every row, oldest first."""
    rows = Annotation.objects.order_by("pk").values_list("client_id", "slot__key")
    return [(str(client), str(slot)) for client, slot in rows]


def told(*forms: Form) -> list[tuple[str, str]]:
    return [(form["client_id"], form["slot"]) for form in forms]


def test_the_same_submit_again_is_acknowledged_and_stores_nothing() -> None:
    window = make_window()
    form = window.open()
    assert [window.submit(form) for _ in range(3)] == [200, 200, 200]
    assert stored() == told(form)


def test_a_repeated_submit_still_brings_the_next_instance() -> None:
    window = make_window()
    form = window.open()
    first = read_slot(window.post("label-submit", form)[1])
    again = read_slot(window.post("label-submit", form)[1])
    assert first is not None
    assert again is not None
    assert first.key != form["slot"]


def test_other_content_under_a_used_client_id_is_refused() -> None:
    window = make_window()
    form = window.open()
    window.submit(form)
    assert window.submit(form, seconds="9", **{"answer-overall": "b1"}) == 409
    assert stored() == told(form)


def test_submits_that_overtake_each_other_are_both_stored() -> None:
    window = make_window()
    older, newer = window.open(), window.ahead()
    assert [window.submit(newer), window.submit(older)] == [200, 200]
    assert stored() == told(newer, older)


def test_an_old_submit_that_arrives_after_undo_and_a_new_one_changes_nothing() -> None:
    window = make_window()
    old = window.open()
    window.submit(old)
    assert window.post("label-undo", {})[0] == 200
    new = old | {"client_id": str(uuid.uuid4()), "answer-overall": "b1"}
    assert [window.submit(new), window.submit(old)] == [200, 200]
    assert [str(row.client_id) for row in current(window.project)] == [new["client_id"]]


def test_a_second_answer_to_the_same_slot_is_refused() -> None:
    window = make_window()
    form = window.open()
    window.submit(form)
    assert window.submit(form, client_id=str(uuid.uuid4())) == 409
    assert stored() == told(form)


def test_a_late_submit_is_stored_while_nobody_else_has_the_slot() -> None:
    window = make_window(instances=1)
    form = window.open()
    Slot.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
    expire_leases(project=window.project)
    assert window.submit(form) in {200, 204}
    assert stored() == told(form)


def test_a_late_submit_takes_a_free_place_of_the_instance() -> None:
    window = make_window(instances=1, overlap=2)
    form = window.open()
    slot = retaken(form)
    assert window.submit(form) in {200, 204}
    ((client, key),) = stored()
    assert client == form["client_id"]
    assert key != str(slot.key)


def test_a_late_submit_without_a_free_place_is_refused_with_the_reason() -> None:
    window = make_window(instances=1)
    form = window.open()
    holder = retaken(form).annotator
    status, text = window.post("label-submit", form)
    assert status == 409
    assert "after your lease ran out" in text
    assert stored() == []
    assert slot_of(form).annotator == holder


def test_a_slot_in_another_hand_cannot_be_filled() -> None:
    theirs = make_window(instances=1)
    form = theirs.open()
    mine = Window(make_member(theirs.project), theirs.project)
    assert mine.submit(form) in {404, 409, 422}  # 422: they would see another order
    assert stored() == []
    assert theirs.submit(form) in {200, 204}


@pytest.mark.parametrize("foreign", [True, False])
def test_a_key_of_another_project_looks_like_no_key(foreign: bool) -> None:
    form = make_window().open()
    key = form["slot"] if foreign else str(uuid.uuid4())
    here = make_window()
    here.open()
    assert here.submit(form, slot=key) == 404
    assert stored() == []


@pytest.mark.parametrize("order", ["", "0", "0,1,2", "0,0", "1,2", "a,b"])
def test_an_order_that_cannot_have_been_shown_is_refused(order: str) -> None:
    window = make_window()
    assert window.submit(window.open(), order=order) == 422
    assert stored() == []


def test_the_other_order_is_not_believed() -> None:
    """The server knows which completion was A: a form cannot turn the answer round."""
    window = make_window()
    form = window.open()
    turned = ",".join(reversed(form["order"].split(",")))
    assert window.submit(form, order=turned) == 422
    assert stored() == []
    window.submit(form)
    shown = slot_of(form).shown_order
    assert shown is not None
    assert Annotation.objects.get().ranking[shown[0]] == 1


@pytest.mark.parametrize("field", ["slot", "client_id"])
def test_an_id_that_is_none_is_refused(field: str) -> None:
    window = make_window()
    assert window.submit(window.open(), **{field: "1 OR 1=1"}) == 422
    assert stored() == []


def test_strangers_and_missing_tokens_are_kept_out() -> None:
    window = make_window()
    form = window.open()
    url = window.url("label-submit")
    stranger = Window(make_member(make_project()), window.project)
    assert stranger.submit(form) == 404
    assert Client().post(url, form).status_code == 302
    checked = Client(enforce_csrf_checks=True)
    checked.cookies = window.client.cookies
    assert checked.post(url, form | {"csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert stored() == []
