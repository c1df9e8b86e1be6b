"""The page of routing rules: what it counts, saves and refuses."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from routing.rules.matching import EXPERTS, JUDGE, METADATA, PEOPLE, TAG, Rule
from routing.rules.selectors import in_force
from routing.rules.services import save_rules
from tests.factories import make_annotator, make_instance, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    made = make_project()
    for number in range(6):
        make_instance(made, tags=["domain:law" if number % 3 else "domain:chat"])
    return made


def client_of(project: Project, role: Role = Role.OWNER) -> Client:
    client = Client()
    client.force_login(make_member(project, role=role))
    return client


def form(version: int, *rules: Rule, do: str = "save", orders: str = "") -> dict[str, Any]:
    return {
        "version": version,
        "do": do,
        "order": list(orders) or [str(number) for number, _ in enumerate(rules)],
        **{
            part: [getattr(rule, part) for rule in rules]
            for part in ("source", "name", "value", "to", "qualification")
        },
    }


def test_rules_are_counted_before_they_are_saved_and_kept_in_their_order(project: Project) -> None:
    client, url = client_of(project), reverse("routing-rules", args=[project.slug])
    make_annotator(project, qualifications=["lawyer"])
    law = Rule(TAG, "domain", "law", EXPERTS, "lawyer")
    every = Rule(TAG, "domain", "", JUDGE)
    counted = client.post(url, form(0, every, law, do="count", orders="21"))
    assert [(row.waiting, row.everywhere) for row in counted.context["caught"]] == [
        (4, 4),
        (2, 2),
        (0, 0),
    ]
    assert in_force(project).version == 0
    assert client.post(url, form(0, every, law, orders="21")).status_code == 302
    assert in_force(project).rules == (law, every)
    text = client.get(url).content.decode()
    assert "lawyer" in text
    assert "v1" in text
    # An empty name takes a rule away.
    assert client.post(url, form(1, Rule(TAG, "", "", PEOPLE), every)).status_code == 302
    assert in_force(project).rules == (every,)


def test_htmx_gets_the_counts_alone(project: Project) -> None:
    url = reverse("routing-rules", args=[project.slug])
    sent = form(0, Rule(TAG, "domain", "law", PEOPLE), do="count")
    answer = client_of(project).post(url, sent, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith("<section")
    assert "not saved" in text


def test_two_admins_at_once_and_bad_rows_are_told_so(project: Project) -> None:
    client, url = client_of(project), reverse("routing-rules", args=[project.slug])
    law = Rule(TAG, "domain", "law", PEOPLE)
    save_rules(project=project, rules=[law], version=0, by=None)
    late = client.post(url, form(0, Rule(METADATA, "source", "app", JUDGE)))
    assert late.status_code == 409
    assert "Somebody else has saved rules" in late.content.decode()
    # What was typed is still there.
    assert "source" in late.content.decode()
    for values in (
        form(1, law, orders="x"),
        form(1, law) | {"name": []},
        form(1, *([law] * 51)),
        form(1, law, law),
        form(1, Rule("x", "domain", "law", PEOPLE)),
        form(1, Rule(TAG, "domain", "\0", PEOPLE)),
    ):
        assert client.post(url, values).status_code in {400, 409, 422}
    assert in_force(project).version == 1


def test_what_people_write_is_escaped(project: Project) -> None:
    hostile = Rule(METADATA, "<script>", "<img src=x>", JUDGE)
    save_rules(project=project, rules=[hostile], version=0, by=None)
    text = client_of(project).get(reverse("routing-rules", args=[project.slug])).content.decode()
    assert "<img src=x>" not in text
    assert "&lt;img src=x&gt;" in text


def test_researchers_see_them_and_change_nothing(project: Project) -> None:
    save_rules(project=project, rules=[Rule(TAG, "domain", "law", PEOPLE)], version=0, by=None)
    text = (
        client_of(project, Role.RESEARCHER)
        .get(reverse("routing-rules", args=[project.slug]))
        .content.decode()
    )
    assert "<form" not in text.split("<main")[1]
    assert "law" in text
