"""A project from the browser: every template through the form, without JavaScript."""

from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Project
from accounts.services import create_user
from annotation.projects.models import Guideline, Kind, TieKind
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.projects.templates import TEMPLATES
from frontend.labelling.scales import beside
from frontend.wizard.words import TIES
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("key", TEMPLATES)


class Form(HTMLParser):
    """The fields of the form that goes to `action`, as a browser would send them."""

    def __init__(self, page: str, action: str = "/new/") -> None:
        super().__init__()
        self.action = action
        self.fields: dict[str, list[str]] = {}
        self._inside = False
        self._select = self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and given.get("action") == self.action:
            self._inside = True
        if not self._inside:
            return
        if "disabled" in given:
            self._select = ""
            return
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and (
            given.get("type") not in {"radio", "checkbox"} or "checked" in given
        ):
            self._add(name, value if "value" in given else "on")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self._add(self._select, value)
        elif tag == "textarea":
            self._text = name
            self._add(name, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        if tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._inside and self._text:
            self.fields[self._text][-1] += data

    def _add(self, name: str, value: str) -> None:
        if name and name != "csrfmiddlewaretoken":
            self.fields.setdefault(name, []).append(value)


@pytest.fixture
def person() -> Client:
    client = Client()
    client.force_login(make_user("maker"))
    return client


def filled(client: Client, key: str, **more: Any) -> dict[str, Any]:
    page = client.get("/new/", {"template": key})
    assert page.status_code == 200
    return Form(page.content.decode()).fields | {"name": ["Mine"]} | more


@EACH
def test_a_template_goes_through_the_form_unchanged(person: Client, key: str) -> None:
    review = person.post("/new/", filled(person, key, act="review"))
    assert review.status_code == 200, review.content.decode()[-600:]
    created = Form(review.content.decode()).fields | {"act": "create"}
    assert person.post("/new/", created).status_code == 302
    project = Project.objects.get()
    protocol, arguments = protocol_of(project), TEMPLATES[key].arguments()
    wanted = arguments.pop("criteria")
    assert Guideline.objects.get().text.strip() == arguments.pop("guideline").strip()
    for name, value in arguments.items():
        found = getattr(protocol, name)
        assert sorted(found) == sorted(value) if name == "ties" else found == value, name
    for row, criterion in zip(criteria_of(project), wanted, strict=True):
        assert {name: getattr(row, name) for name in criterion} == criterion
    assert Membership.objects.get(project=project).role == "owner"


@EACH
def test_the_preview_is_the_labelling_page(person: Client, key: str) -> None:
    reply = person.post("/new/preview/", filled(person, key))
    page = reply.content.decode()
    assert reply.status_code == 200
    assert "inert" in page
    assert 'class="slot"' in page
    for criterion in TEMPLATES[key].criteria:
        assert criterion["name"] in page
    assert not Project.objects.exists()


def test_choosing_shows_every_template(person: Client) -> None:
    page = person.get("/new/").content.decode()
    assert all(f"?template={key}" in page for key in (*TEMPLATES, "blank"))


def test_criteria_are_added_moved_and_removed(person: Client) -> None:
    fields = filled(person, "blank", act="add")
    page = Form(person.post("/new/", fields).content.decode()).fields
    page |= {"criteria-1-name": ["Tone"], "criteria-1-kind": ["rating"], "act": ["up-1"]}
    page = Form(person.post("/new/", page).content.decode()).fields
    assert page["criteria-0-name"] == ["Tone"]
    page |= {"act": ["remove-1"]}
    page = Form(person.post("/new/", page).content.decode()).fields
    assert "criteria-1-name" not in page
    person.post("/new/", page | {"act": "create"})
    assert [(row.key, row.kind) for row in criteria_of(Project.objects.get())] == [
        ("tone", "rating")
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": " "}, "Give the project a name"),
        ({"criteria-0-name": "", "criteria-0-question": ""}, "at least one criterion"),
        ({"overlap": "many"}, "write a whole number"),
        ({"overlap": "0"}, "overlap is from 1 to 50"),
        ({"people": "seats", "seats": "expert 2"}, "Write seats as lines"),
        ({"people": "seats", "seats": ""}, "Name at least one cohort"),
        ({"people": "adaptive", "overlap": "3", "overlap_most": "2"}, "must not be below"),
        ({"gates": "Deutsch!"}, "is no gate"),
        ({"kind": "tournament"}, "kind"),
        ({"rationale": "sometimes"}, "rationale"),
        ({"least_seconds": "soon"}, "write a number"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_lost(
    person: Client, change: dict[str, str], says: str
) -> None:
    reply = person.post("/new/", filled(person, "blank", act="create", **change))
    page = reply.content.decode()
    assert reply.status_code == 422
    assert says in page
    assert "Which completion is better overall?" in page or "criteria-0-name" in change
    assert not Project.objects.exists()


def test_what_people_type_is_shown_as_text(person: Client) -> None:
    fields = filled(person, "blank") | {"criteria-0-name": "<script>alert(1)</script>"}
    page = person.post("/new/preview/", fields).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_full_tie_is_called_the_same_where_it_is_chosen_and_where_it_is_given() -> None:
    protocol = protocol_of(make_project(kind=Kind.LISTWISE, ties=[TieKind.TIE]))
    (given,) = beside(protocol, Kind.LISTWISE, "")
    assert given.text == TIES[TieKind.TIE]


def test_who_came_in_by_a_study_makes_no_projects(client: Client) -> None:
    client.force_login(create_user(username="study:1:abc", password=None))
    assert client.get(reverse("project-new")).status_code == 403
    assert reverse("project-new") not in client.get(reverse("home")).content.decode()
