"""REST of projects: made, read, changed, paused; criteria and guideline; people and links."""

import pytest

from accounts.models import Project, Role
from annotation.projects.models import Protocol
from tests.factories import make_annotation, make_instance, make_member

from .rest import Rest

pytestmark = pytest.mark.django_db


def test_a_project_is_made_read_and_listed(owner: Rest) -> None:
    made = owner.post(
        "/api/v1/projects/",
        {
            "name": "Two summaries",
            "criteria": [{"key": "short", "name": "Short", "question": "Which is shorter?"}],
            "protocol": {"kind": "pairwise", "overlap": 3},
            "guideline": "Read both.",
        },
        expect=201,
    )
    assert made["slug"] == "two-summaries"
    assert made["protocol"]["overlap"] == 3
    assert [row["key"] for row in made["criteria"]] == ["short"]
    assert owner.get("/api/v1/projects/two-summaries/") == made
    newest = owner.rows("/api/v1/projects/")[0]
    assert newest["project"]["slug"] == "two-summaries"
    assert newest["role"] == "owner"


def test_a_template_says_what_is_not_named(owner: Rest) -> None:
    keys = [row["key"] for row in owner.rows("/api/v1/templates/")]
    assert "multipref" in keys
    body = {
        "name": "Like MultiPref",
        "template": "multipref",
        "protocol": {"ask_confidence": False},
    }
    made = owner.post("/api/v1/projects/", body, expect=201)
    assert len(made["criteria"]) == 4
    assert made["protocol"]["seats"]
    assert not made["protocol"]["ask_confidence"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "protocol": {"overlapp": 2}}, "overlapp"),
        ({"name": "x", "template": "none such"}, "template"),
        ({"name": "x\0"}, "zero byte"),
        ({"name": "x", "protocol": {"seats": ["\ud800"]}}, "character"),
        ({"name": "x", "protocol": {"overlap": 10**30}}, "large"),
        ({}, "name"),
    ],
)
def test_what_is_unknown_or_missing_is_refused_by_name(
    owner: Rest, body: dict[str, object], named: str
) -> None:
    problem = owner.post("/api/v1/projects/", body, expect=400)
    assert named in problem["detail"]
    assert Project.objects.count() == 1


def test_settings_that_do_not_go_together_are_refused(owner: Rest) -> None:
    owner.patch("", {"protocol": {"overlap": 9, "overlap_most": 3}}, expect=422)
    assert Protocol.objects.get().overlap == 1


def test_settings_change_and_the_project_pauses_and_goes_on(owner: Rest) -> None:
    changed = owner.patch("", {"protocol": {"overlap": 2}, "state": "paused"})
    assert changed["protocol"]["overlap"] == 2
    assert changed["protocol"]["paused_at"]
    assert changed["guideline"] == 2
    assert owner.patch("", {"state": "running"})["protocol"]["paused_at"] is None
    assert owner.patch("", {"state": "archived"})["archived_at"]
    assert owner.rows("/api/v1/projects/") == []
    assert owner.patch("", {"state": "restored"})["archived_at"] is None


def test_criteria_are_added_reworded_and_removed_while_nobody_answered(
    owner: Rest, project: Project
) -> None:
    owner.post("criteria/", {"key": "tone", "name": "Tone"}, expect=201)
    assert owner.patch("criteria/tone/", {"question": "Kinder?"})["question"] == "Kinder?"
    owner.patch("criteria/tone/", {"key": "other"}, expect=400)
    make_annotation(make_instance(project))
    owner.patch("criteria/overall/", {"kind": "rating"}, expect=409)
    owner.delete("criteria/overall/", expect=409)
    owner.delete("criteria/tone/")
    owner.delete("criteria/tone/", expect=404)
    assert [row["key"] for row in owner.rows("criteria/")] == ["overall"]


def test_a_guideline_is_published_once_per_text(owner: Rest, annotator: Rest) -> None:
    assert owner.post("guidelines/", {"text": "Be fair."}, expect=201)["version"] == 2
    assert owner.post("guidelines/", {"text": "Be fair.\r\n"})["version"] == 2
    owner.post("guidelines/", {"text": "x" * 100_001}, expect=400)
    assert [row["version"] for row in owner.rows("guidelines/")] == [2, 1]
    assert annotator.get("guideline/") == {"version": 2, "text": "Be fair."}


def test_members_are_listed_changed_and_removed(owner: Rest, project: Project) -> None:
    make_member(project, Role.ANNOTATOR, "ana")
    (row,) = owner.rows("members/", search="ana")
    changed = owner.patch(
        f"members/{row['id']}/", {"role": "reviewer", "qualifications": ["lang:de"]}
    )
    assert (changed["role"], changed["qualifications"]) == ("reviewer", ["lang:de"])
    assert owner.patch(f"members/{row['id']}/", {"quota": 5})["qualifications"] == ["lang:de"]
    assert owner.post(f"members/{row['id']}/release") == {"released": 0}
    owner.get("members/", expect=422, serch="ana")
    owner.delete(f"members/{row['id']}/")
    owner.get(f"members/{row['id']}/", expect=404)


def test_the_last_owner_stays(owner: Rest) -> None:
    (row,) = owner.rows("members/")
    owner.delete(f"members/{row['id']}/", expect=409)


def test_an_invitation_shows_its_link_once(owner: Rest) -> None:
    made = owner.post("invitations/", {"role": "annotator", "seats": 2}, expect=201)
    assert "/join/?t=" in made["link"]
    (listed,) = owner.rows("invitations/")
    assert "link" not in listed
    assert listed["state"] == "open"
    assert owner.post(f"invitations/{made['id']}/revoke")["state"] == "revoked"
    owner.post("invitations/", {"role": "owner"}, expect=422)
    owner.post("invitations/", {"role": "annotator", "seats": 0}, expect=422)


def test_lists_are_walked_by_their_cursor(owner: Rest, project: Project) -> None:
    for _number in range(3):
        make_member(project)
    page = owner.get("members/", limit=3)
    rest = owner.get("members/", limit=3, cursor=page["next"])
    assert len(page["results"]) == 3
    assert len(rest["results"]) == 1
    assert rest["next"] is None


def test_only_who_manages_people_takes_somebody_out(
    owner: Rest, researcher: Rest, annotator: Rest
) -> None:
    row = owner.rows("members/")[0]
    researcher.delete(f"members/{row['id']}/", expect=403)
    annotator.delete(f"members/{row['id']}/", expect=403)
