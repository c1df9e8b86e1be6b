"""The feature explorer: what it shows of a project, for whom, and the job it starts."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role, User
from accounts.services import add_member
from annotation.consensus import services as consensus
from annotation.instances.models import Signal
from annotation.judges.models import Provider
from annotation.judges.services import create_judge
from annotation.judges.verdicts import signal_name
from jobs.models import Job
from routing.features.jobs import ENCODE_KIND, FEATURES_KIND
from routing.features.pending import batches, comparable
from routing.features.services import compute_features
from routing.features.store import text_features
from tests.factories import make_annotation, make_annotator, make_instance, make_project, make_user

pytestmark = pytest.mark.django_db
PAIRS = 40


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner=owner)


@pytest.fixture
def page(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def url(project: Project, name: str = "features") -> str:
    return reverse(name, args=[project.slug])


def fill(project: Project) -> None:
    """Pairs whose judge errs on the long ones, and a tag that says so."""
    person = make_annotator(project, kind="import")
    for name in ("first judge", "second judge"):
        create_judge(project=project, name=name, model="m", provider=Provider.RECORDED)
    judge = project.judges.get(name="first judge")
    for place in range(PAIRS):
        long = place % 2
        instance = make_instance(
            project,
            texts=(f"Words {place} " * (30 if long else 2), f"Other {place}"),
            tags=[f"complexity:{'complex' if long else 'simple'}"],
        )
        make_annotation(instance, person, [1, 2])
        Signal.objects.create(
            instance=instance,
            name=signal_name("judge_p", judge),
            version="1",
            value=0.2 if long else 0.9,
        )
    consensus.update(project=project)
    for batch in batches(comparable(project)):
        text_features(batch)


def words(html: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.decode()))


def test_an_empty_project_says_what_is_needed(page: Client, project: Project) -> None:
    assert "Nothing to compare yet" in words(page.get(url(project)).content)


def test_it_shows_what_goes_with_disagreement(page: Client, project: Project) -> None:
    fill(project)
    html = page.get(url(project)).content
    text = words(html)
    # The judge differs from people on the long ones and on no other.
    assert re.search(r"Length of the longer completion \+1\.00", text)
    assert re.search(r"complex 20 50 % 100 %", text)
    assert re.search(r"simple 20 50 % 0 %", text)
    assert "first judge differs from people: 50 %" in text
    assert "style=" not in html.decode()
    assert "Known of 100 % (40)." in text


def test_the_judge_can_be_chosen(page: Client, project: Project) -> None:
    fill(project)
    second = project.judges.get(name="second judge")
    text = words(page.get(url(project), {"judge": second.pk}).content)
    assert "No feature varies together with disagreement yet" in text
    assert "first judge differs from people" in words(
        page.get(url(project), {"judge": "x"}).content
    )


def test_the_button_starts_one_job_and_the_page_follows_it(page: Client, project: Project) -> None:
    make_instance(project)
    for _ in range(2):
        assert page.post(url(project, "features-compute")).status_code == 302
    job = Job.objects.get(kind=FEATURES_KIND)
    Job.objects.create(
        kind=ENCODE_KIND, project=project, parent=job, done=3, total=8, note="texts compared"
    )
    assert "Features are being computed." in words(page.get(url(project)).content)

    polled = page.get(url(project), headers={"HX-Request": "true"})
    assert "3 of 8 texts compared" in words(polled.content)

    Job.objects.filter(project=project).update(state="failed", error="The encoder broke.")
    ended = page.get(url(project), headers={"HX-Request": "true"})
    assert ended.headers["HX-Refresh"] == "true"
    assert "The last computation failed: The encoder broke." in words(
        page.get(url(project)).content
    )


def test_an_unknown_encoder_is_refused(page: Client, project: Project) -> None:
    answer = page.post(url(project, "features-compute"), {"encoder": "../secrets"})
    assert answer.status_code == 422
    assert not Job.objects.filter(kind=FEATURES_KIND).exists()


def test_a_reviewer_sees_neither_page_nor_tags(client: Client, project: Project) -> None:
    user = make_user()
    add_member(project=project, user=user, role=Role.REVIEWER)
    client.force_login(user)
    assert client.get(url(project)).status_code == 403
    assert client.post(url(project, "features-compute")).status_code == 403


def test_a_project_with_hostile_names_is_escaped(page: Client, project: Project) -> None:
    make_instance(project, tags=["<img src=x>:<script>alert(1)</script>"])
    html = page.get(url(project)).content.decode()
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_newest_job_of_another_project_is_not_shown(page: Client, project: Project) -> None:
    other = make_project()
    make_instance(project)
    compute_features(project=other)
    assert "being computed" not in words(page.get(url(project)).content)
