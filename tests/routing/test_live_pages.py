"""The pages of live routing: what they show, what they refuse, and who may press what."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from accounts.services import add_member
from routing.decisions.models import Decision
from routing.live.models import LiveRouting, Mode, Stall
from routing.live.services import live_of
from tests.endpoint.client import endpoint
from tests.factories import make_project, make_user
from tests.routing.live_scene import allow, route, scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    with endpoint() as server:
        made = scene(server, 30, strategy="random", people_share=0.5)
        route(made)
    return made


def client_of(project: Project, role: Role = Role.OWNER) -> Client:
    user = make_user()
    add_member(project=project, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def sent(project: Project, **values: Any) -> dict[str, Any]:
    row = live_of(project)
    form = {
        "version": row.version,
        "mode": row.mode,
        "strategy": row.strategy,
        "judge": row.judge_id,
        "strong_judge": "",
        "batch_size": row.batch_size,
        "seed_size": row.seed_size,
        "refit_after": row.refit_after,
        "seconds_per_label": row.seconds_per_label,
        "audit_share": "5",
        "explore_share": "5",
        "people_share": "25",
        "human_price": "0.3",
        "expert_price": "1",
    }
    return form | values


def test_the_page_shows_arms_decisions_and_settings(project: Project) -> None:
    text = client_of(project).get(reverse("routing-live", args=[project.slug])).content.decode()
    assert "Route now" in text
    assert "drawn at random" in text
    assert "pair-29" in text
    # Who may only look gets the settings without the form.
    text = (
        client_of(project, Role.RESEARCHER)
        .get(reverse("routing-live", args=[project.slug]))
        .content.decode()
    )
    assert "Route now" not in text
    assert 'name="people_share"' not in text


def test_saving_changes_settings_and_tells_who_comes_second(project: Project) -> None:
    client, url = client_of(project), reverse("routing-live", args=[project.slug])
    stale = sent(project, people_share="40")
    assert client.post(url, stale).status_code == 302
    assert live_of(project).people_share == pytest.approx(0.4)
    response = client.post(url, stale | {"people_share": "50"})
    assert response.status_code == 409
    assert live_of(project).people_share == pytest.approx(0.4)


WRONG = (
    {"audit_share": "0"},
    {"audit_share": "no"},
    {"strategy": "oracle"},
    {"strategy": "<script>"},
    {"judge": "999999"},
    {"judge": "x"},
    {"mode": "sideways"},
    {"seed_size": "3"},
    {"batch_size": "-1"},
    {"human_price": "nan"},
    {"people_share": "1e99"},
)


def test_wrong_settings_are_refused_and_nothing_is_saved(project: Project) -> None:
    before = LiveRouting.objects.values().get(project=project)
    client, url = client_of(project), reverse("routing-live", args=[project.slug])
    for wrong in WRONG:
        response = client.post(url, sent(project, **wrong))
        assert response.status_code == 422, wrong
        assert b'role="alert"' in response.content
    assert LiveRouting.objects.values().get(project=project) == before


def test_buttons_route_refit_and_pause(project: Project) -> None:
    client = client_of(project)
    start = reverse("routing-live-start", args=[project.slug])
    assert client.post(start, {"what": "all"}).status_code == 302
    assert project.jobs.filter(kind="routing.live", arguments={"all": True}).exists()
    # One is queued: a second one is told so.
    assert client.post(start, {"what": "refit"}).status_code == 409
    assert client.post(reverse("routing-live-pause", args=[project.slug])).status_code == 302
    assert live_of(project).mode == Mode.OFF


def test_a_stall_is_shown_with_its_reason_and_what_to_do(project: Project) -> None:
    LiveRouting.objects.filter(project=project).update(
        stall=Stall.AUDIT, stall_reason="The budget “all” lacks 3.00 USD for this."
    )
    text = client_of(project).get(reverse("routing-live", args=[project.slug])).content.decode()
    assert "lacks 3.00 USD" in text
    assert "Raise the budget" in text


def test_decisions_are_filtered_and_paged(project: Project) -> None:
    client, url = client_of(project), reverse("routing-decisions", args=[project.slug])
    everything = client.get(url).content.decode()
    assert everything.count("pair-") >= 30
    judge = client.get(url, {"destination": "judge"}).content.decode()
    number = Decision.objects.filter(project=project, destination="judge").count()
    assert judge.count('<th scope="row"') == number
    for odd in ({"router": "x"}, {"before": "yesterday"}, {"arm": "nope"}, {"about": "%"}):
        assert client.get(url, odd).status_code == 200


def test_an_instance_shows_its_decision(project: Project) -> None:
    decision = Decision.objects.filter(project=project).first()
    assert decision is not None
    url = reverse("instance", args=[project.slug, decision.instance_id])
    assert decision.reason in client_of(project).get(url).content.decode()


def test_a_project_without_live_routing_has_a_page() -> None:
    made = make_project()
    allow(made, 1)
    response = client_of(made).get(reverse("routing-live", args=[made.slug]))
    assert response.status_code == 200
    assert live_of(made).mode == Mode.OFF
