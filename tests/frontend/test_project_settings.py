"""The settings page: each form changes what it says and no more; versions of the guideline."""

from collections.abc import Mapping

import pytest
from django.http import QueryDict
from django.test import Client

from accounts.models import Project
from annotation.projects.models import Guideline
from annotation.projects.selectors import criteria_of, guideline_of, protocol_of
from annotation.projects.services import CHANGEABLE, create_project
from annotation.projects.templates import TEMPLATES
from frontend.wizard.difference import settings, words
from frontend.wizard.settings import SECTIONS, read_section, typed
from tests.factories import make_annotation, make_instance, make_user

from .test_project_wizard import Form

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="S", owner=make_user("owner"), **TEMPLATES["multipref"].arguments())


@pytest.fixture
def owner(project: Project) -> Client:
    client = Client()
    client.force_login(project.memberships.get().user)
    return client


def fields(client: Client, project: Project, section: str) -> dict[str, list[str]]:
    """What the browser would send of one form, unchanged."""
    page = client.get(f"/p/{project.slug}/settings/").content.decode()
    forms = page.split("<form ")
    mine = next(form for form in forms if f'name="section" value="{section}"' in squeezed(form))
    return Form(f"<form {mine}", f"/p/{project.slug}/settings/save/").fields


def squeezed(text: str) -> str:
    return " ".join(text.split())


def save(client: Client, project: Project, data: Mapping[str, object]) -> int:
    return client.post(f"/p/{project.slug}/settings/save/", data).status_code


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "key", ["multipref", "ranking", "best-worst", "steps", "attributes", "images"]
)
def test_a_form_sent_back_unchanged_changes_nothing(key: str, section: str, labelled: bool) -> None:
    project = create_project(name="T", owner=make_user("o"), **TEMPLATES[key].arguments())
    if labelled:
        make_annotation(make_instance(project), criterion=criteria_of(project)[0])
    client = Client()
    client.force_login(project.memberships.get().user)
    assert save(client, project, fields(client, project, section)) == 302
    assert Guideline.objects.filter(project=project).count() == 1


def test_answers_people_quality_and_the_rest_change(project: Project, owner: Client) -> None:
    data = fields(owner, project, "answers") | {"scale": "7", "rationale": "always"}
    assert save(owner, project, data) == 302
    people = fields(owner, project, "people") | {"seats": "anybody: 1\nexpert: 2", "gates": "lang:"}
    assert save(owner, project, people) == 302
    quality = fields(owner, project, "quality") | {"gold_share": "7.5", "qualify_count": "8"}
    assert save(owner, project, quality) == 302
    general = fields(owner, project, "general") | {"locale": "de", "leaderboard": "on"}
    assert save(owner, project, general) == 302
    protocol = protocol_of(project)
    assert (protocol.strength_levels, protocol.rationale) == (3, "always")
    assert (protocol.overlap, protocol.gates) == (3, ["lang:"])
    assert (protocol.gold_share, protocol.qualify_count) == (0.075, 8)
    assert (protocol.locale, protocol.leaderboard) == ("de", True)
    assert guideline_of(project).version == 5  # type: ignore[union-attr]


def test_what_stands_still_is_disabled_and_cannot_be_forged(
    project: Project, owner: Client
) -> None:
    make_annotation(make_instance(project))
    page = squeezed(owner.get(f"/p/{project.slug}/settings/").content.decode())
    assert '<select id="scale" name="scale" disabled>' in page
    forged = fields(owner, project, "answers") | {"kind": "listwise", "scale": "7"}
    save(owner, project, forged)
    assert (protocol_of(project).kind, protocol_of(project).strength_levels) == ("pairwise", 2)


def test_a_refused_form_says_why_and_keeps_what_was_typed(project: Project, owner: Client) -> None:
    data = fields(owner, project, "quality") | {"gold_share": "45", "repeat_share": "40"}
    reply = owner.post(f"/p/{project.slug}/settings/save/", data)
    page = reply.content.decode()
    assert reply.status_code == 422
    assert "at most half" in page
    assert 'value="45"' in page
    assert protocol_of(project).gold_share == 0
    assert owner.post(f"/p/{project.slug}/settings/save/", {"section": "x"}).status_code == 422


def test_criteria_are_reworded_added_and_removed(project: Project, owner: Client) -> None:
    address = f"/p/{project.slug}/settings/criterion/"
    new = {"criteria-9-name": "Tone", "criteria-9-kind": "rating", "criteria-9-labels": "bad\ngood"}
    owner.post(address, new | {"act": "add"})
    tone = criteria_of(project)[-1]
    assert (tone.key, tone.kind, tone.levels, tone.labels) == ("tone", "rating", 2, ["bad", "good"])
    owner.post(address, {"act": "save", "key": "tone", "criteria-0-name": "Voice"})
    assert criteria_of(project)[-1].name == "Voice"
    make_annotation(make_instance(project), criterion=criteria_of(project)[0])
    owner.post(address, {"act": "save", "key": "overall", "criteria-0-name": "All in all"})
    assert criteria_of(project)[0].name == "All in all"
    assert owner.post(address, {"act": "remove", "key": "overall"}).status_code == 422
    owner.post(address, {"act": "remove", "key": "tone"})
    assert len(criteria_of(project)) == 4
    assert owner.post(address, {"act": "add", "criteria-0-name": " "}).status_code == 422
    assert (
        owner.post(address, {"act": "save", "key": "none", "criteria-0-name": "x"}).status_code
        == 404
    )


def test_a_project_is_paused_and_archived_and_comes_back(project: Project, owner: Client) -> None:
    address = f"/p/{project.slug}/settings/state/"
    owner.post(address, {"act": "pause"})
    assert protocol_of(project).paused_at is not None
    owner.post(address, {"act": "resume"})
    assert protocol_of(project).paused_at is None
    owner.post(address, {"act": "archive"})
    assert protocol_of(project).paused_at is not None
    home = owner.get("/").content.decode()
    assert f"/p/{project.slug}/label/" not in home
    assert f"/p/{project.slug}/settings/" in home
    owner.post(address, {"act": "restore"})
    project.refresh_from_db()
    assert project.archived_at is None
    assert owner.post(address, {"act": "delete"}).status_code == 422


def test_a_guideline_has_versions_with_their_differences(project: Project, owner: Client) -> None:
    address = f"/p/{project.slug}/settings/guideline/"
    owner.post(f"{address}publish/", {"text": "Be fair and kind."})
    owner.post(f"{address}publish/", {"text": "Be fair and quick.\r\n"})
    owner.post(f"{address}publish/", {"text": "Be fair and quick."})
    assert guideline_of(project).version == 3  # type: ignore[union-attr]
    page = owner.get(address, {"version": "3"}).content.decode()
    assert "<del>kind</del>" in page
    assert "<ins>quick</ins>" in page
    assert owner.get(address, {"version": "1"}).status_code == 200
    assert owner.get(address, {"version": "99"}).status_code == 404
    preview = owner.post(f"{address}preview/", {"text": "**bold** <script>x</script>"})
    assert "<strong>bold</strong>" in preview.content.decode()
    assert "<script>" not in preview.content.decode()


def test_differences_are_by_word_and_by_setting() -> None:
    assert words("a b", "a c") == [("same", "a "), ("out", "b"), ("in", "c")]
    assert words("", "a") == [("in", "a")]
    before = {"overlap": 1, "criteria": [{"key": "a", "name": "A"}]}
    after = {"overlap": 2, "criteria": [{"key": "a", "name": "B"}]}
    assert settings(before, after) == [("a: name", "A", "B"), ("overlap", "1", "2")]
    assert settings(before, before) == []


def test_every_setting_is_on_the_page(project: Project) -> None:
    protocol = protocol_of(project)
    data = QueryDict(mutable=True)
    data.update({name: str(value) for name, value in typed(protocol).items()})
    found = {name for section in SECTIONS for name in read_section(section, data, protocol, False)}
    assert CHANGEABLE - found == {"settle_entropy"}
