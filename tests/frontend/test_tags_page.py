"""Tags on pages: coverage, what asking a judge will cost, and giving them by hand."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.judges.models import JudgeRun, RunState
from annotation.tagging.models import InstanceTag
from annotation.tagging.services import tag_by_judge
from tests.annotation.judge_scene import PRICE, connect, finish, make_budget, make_judge
from tests.endpoint.client import endpoint
from tests.factories import make_instance, make_member, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("tagged", owner=make_user("chief"), slug="tagged")


@pytest.fixture
def chief(project: Project) -> Client:
    client = Client()
    client.force_login(project.memberships.get(role=Role.OWNER).user)
    return client


def page(client: Client, **query: str) -> str:
    return client.get(reverse("tags", args=["tagged"]), query).content.decode()


def give(client: Client, instance: Instance, **tags: list[str] | str) -> None:
    url = reverse("instance-tags", args=["tagged", instance.pk])
    assert client.post(url, tags).status_code == 302
    instance.refresh_from_db()


def test_asking_says_its_cost_first_and_ends_on_the_page(chief: Client, project: Project) -> None:
    for number in range(4):
        make_instance(project, prompt=f"about=law {number}")
    with endpoint() as server:
        judge, budget = make_judge(connect(project, server)), make_budget(project)
        shown = page(chief)
        assert "4 calls about 4 prompts" in shown
        assert "<b>USD 0.0004</b>, 0.0004 at most" in " ".join(shown.split())
        sent = {"judge": str(judge.pk), "of": "untagged", "budget": str(budget.pk)}
        reply = chief.post(reverse("tags-ask", args=["tagged"]), sent)
        run = finish(JudgeRun.objects.get())
    assert reply["Location"] == reverse("judge-run", args=["tagged", run.pk])
    assert (run.state, run.spent_micros) == (RunState.FINISHED, 4 * PRICE)
    assert "one of each prompt, for its tags" in chief.get(reply["Location"]).content.decode()
    shown = page(chief)
    assert "4 of 4 (100 %)" in shown
    assert "?tag=domain:law" in shown
    assert "0 calls about 0 prompts" in shown
    listed = chief.get(reverse("instances", args=["tagged"]), {"tag": "domain:law"})
    assert len(listed.context["page"].rows) == 4
    # The calls for tags are no opinions on the completions.
    instance = Instance.objects.first()
    assert instance is not None
    assert chief.get(reverse("instance", args=["tagged", instance.pk])).context["view"].calls == []
    call = run.made.first()
    assert call is not None
    found = chief.get(reverse("judge-call", args=["tagged", call.pk]))
    assert found.status_code == 200


def test_what_cannot_be_asked_is_said_in_the_form(chief: Client, project: Project) -> None:
    make_instance(project)
    assert "Add a judge first" in page(chief)
    url = reverse("tags-ask", args=["tagged"])
    assert chief.post(url, {"judge": "1"}).status_code == 422
    with endpoint() as server:
        judge = make_judge(connect(project, server), price_known=False)
    shown = chief.get(
        reverse("tags", args=["tagged"]),
        {"judge": str(judge.pk), "budget": "99"},
        headers={"HX-Request": "true"},
    ).content.decode()
    assert "no such budget" in shown
    assert "<html" not in shown
    assert "Nobody has said what this judge costs" in page(chief)


def test_a_person_changes_tags_and_takes_them_back(chief: Client, project: Project) -> None:
    instance = make_instance(project)
    instance.tags = ["domain:alchemy", "batch 7"]
    instance.save()
    shown = chief.get(reverse("instance", args=["tagged", instance.pk])).content.decode()
    # What the vocabulary does not know stays chosen, so that keeping the form keeps it.
    assert '<option value="alchemy" selected>' in shown
    give(chief, instance, domain=["alchemy", "", ""], safety="")
    assert not InstanceTag.objects.exists()
    give(chief, instance, domain=["law", "law", "music"], safety="high")
    assert instance.tags == ["batch 7", "domain:law", "domain:music", "safety:high"]
    shown = chief.get(reverse("instance", args=["tagged", instance.pk])).content.decode()
    assert "chief: law, music" in shown
    assert "import: alchemy" in shown
    give(chief, instance, domain=["", "", ""])
    assert instance.tags == ["batch 7", "domain:alchemy", "safety:high"]


def test_forged_tags_are_refused_and_other_projects_are_not_there(
    chief: Client, project: Project
) -> None:
    instance, other = make_instance(project), make_instance(make_project("other"))
    url = reverse("instance-tags", args=["tagged", instance.pk])
    for forged in ({"domain": "<b>"}, {"safety": ["low", "high"]}, {"domain": ["law"] + ["x"] * 3}):
        assert chief.post(url, forged).status_code == 422
    url = reverse("instance-tags", args=["tagged", other.pk])
    assert chief.post(url, {"safety": "low"}).status_code == 404
    assert not InstanceTag.objects.exists()


def test_annotators_see_no_tags(project: Project) -> None:
    instance = make_instance(project)
    client = Client()
    client.force_login(make_member(project, Role.ANNOTATOR, "labeller"))
    assert client.get(reverse("tags", args=["tagged"])).status_code == 403
    url = reverse("instance-tags", args=["tagged", instance.pk])
    assert client.post(url, {"safety": "low"}).status_code == 403


def test_the_page_needs_a_constant_number_of_queries(chief: Client, project: Project) -> None:
    with endpoint() as server:
        judge = make_judge(connect(project, server))
    counts = []
    for size in (2, 6):
        made = [make_instance(project) for _ in range(size)]
        values = ("law", "music", "art", "film", "games", "history")[:size]
        tags = zip(made, values, strict=True)
        tag_by_judge(judge=judge, wanted={row.pk: {"domain": (each,)} for row, each in tags})
        make_instance(project)
        with CaptureQueriesContext(connection) as queries:
            page(chief)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 20
