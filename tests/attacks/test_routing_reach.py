"""What routing knows stays with those who may see it; ids of other projects lead nowhere."""

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from accounts.services import add_member
from annotation.ledger.models import Entry
from annotation.queue.models import Arm, Slot
from routing.budgets.models import Allowance, Period
from routing.budgets.services import create_allowance, end_allowance
from routing.budgets.windows import bounds
from routing.decisions.models import Decision
from routing.decisions.services import save_router
from routing.lab.models import Replay
from routing.live.models import LiveRouting
from tests.endpoint.client import endpoint
from tests.factories import make_annotator, make_project, make_user
from tests.races import at_once
from tests.routing.budget_scene import ONE, allow, free_judge
from tests.routing.live_scene import label_everything, route, scene

pytestmark = pytest.mark.django_db
READ = (
    "routing",
    "routing-live",
    "routing-decisions",
    "budgets",
    "frontier",
    "features",
    "replays",
)


def client_of(project: Project, role: Role) -> Client:
    user = make_user()
    add_member(project=project, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def test_annotators_learn_nothing_of_what_routing_knows() -> None:
    with endpoint() as server:
        project = scene(server, 30, strategy="random", people_share=0.5, audit_share=0.3)
        project.instances.update(tags=["domain:law", "safety:high"])
        route(project)
    person = make_annotator(project, qualifications=[])
    assert person.user is not None
    client = Client()
    client.force_login(person.user)
    arms = dict(Decision.objects.values_list("instance", "arm"))
    pages: dict[int, Any] = {}
    while not {arms[pk] for pk in pages} >= {Arm.AUDIT, Arm.ROUTED}:
        answer = client.get(reverse("label", args=[project.slug]))
        slot = Slot.objects.filter(annotator=person, state="leased").latest("pk")
        pages[slot.instance_id] = answer
        client.post(reverse("label-skip", args=[project.slug]), {"slot": str(slot.key)})
        Slot.objects.filter(pk=slot.pk).update(state="withdrawn", annotator=None)
    assert len({tuple(sorted(page.headers)) for page in pages.values()}) == 1
    decided = Decision.objects.in_bulk()
    for page in pages.values():
        text = page.content.decode() + str(page.headers)
        for word in ("domain:law", "audit", "explore", "propensity", "drawn at random", "0.30"):
            assert word not in text, word
        assert not any(str(pk) in text for pk in decided)


def test_ids_of_another_project_lead_nowhere() -> None:
    mine, theirs = make_project(), make_project()
    client = client_of(mine, Role.OWNER)
    allowance, judge = allow(theirs, "theirs", 10), free_judge(theirs)
    save_router(
        project=theirs,
        strategy="random",
        parameters={"strategy": "random"},
        report={},
        dual_labelled=0,
    )
    replay = Replay.objects.create(project=theirs, options={})
    limit = {"limit": "5", "version": "1"}
    for name, args, sent in (
        ("budget-change", (allowance.pk,), limit),
        ("budget-end", (allowance.pk,), limit),
        ("frontier-save", (), limit | {"allowance": str(allowance.pk)}),
    ):
        answer = client.post(reverse(name, args=[mine.slug, *args]), sent)
        assert answer.status_code in {404, 422}, name
    seen: tuple[tuple[str, tuple[int | str, ...]], ...] = (
        ("router-version", (1,)),
        ("router-behind", (1,)),
        ("replay", (replay.pk,)),
        ("replay-download", (replay.pk, "json")),
    )
    for name, place in seen:
        assert client.get(reverse(name, args=[mine.slug, *place])).status_code == 404, name
    new = {"name": "x", "unit": "money", "period": "day", "spender": "judges", "limit": "1"}
    answer = client.post(reverse("budget-new", args=[mine.slug]), new | {"judge": str(judge.pk)})
    assert answer.status_code == 422
    for name in READ:
        assert client.get(reverse(name, args=[theirs.slug])).status_code == 404, name
    allowance.refresh_from_db()
    assert (allowance.limit, allowance.ended_at) == (10 * ONE, None)
    assert not Allowance.objects.filter(project=mine).exists()


def test_reading_changes_nothing_and_forms_need_their_token() -> None:
    project = make_project()
    allowance = allow(project, "all", 10)
    reader, forger = client_of(project, Role.OWNER), Client(enforce_csrf_checks=True)
    forger.force_login(project.memberships.exclude(user__isnull=True)[0].user)
    for name, args in (
        ("budget-new", ()),
        ("budget-change", (allowance.pk,)),
        ("budget-end", (allowance.pk,)),
        ("budget-alerts-seen", ()),
        ("frontier-save", ()),
        ("frontier-prepare", ()),
        ("routing-live-start", ()),
        ("routing-live-pause", ()),
        ("replay-start", ()),
        ("features-compute", ()),
    ):
        url = reverse(name, args=[project.slug, *args])
        assert reader.get(url).status_code == 405, name
        assert forger.post(url, {"limit": "1", "version": "1"}).status_code == 403, name
    assert forger.post(reverse("routing-live", args=[project.slug])).status_code == 403
    allowance.refresh_from_db()
    assert (allowance.version, allowance.ended_at) == (1, None)
    assert not LiveRouting.objects.exclude(version=1).exists()


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER])
def test_no_page_of_routing_is_for_annotators_and_reviewers(role: Role) -> None:
    project = make_project()
    client = client_of(project, role)
    for name in (*READ, "router"):
        assert client.get(reverse(name, args=[project.slug])).status_code == 403, name


@pytest.mark.django_db(transaction=True)
def test_of_a_form_sent_four_times_at_once_one_counts() -> None:
    project = make_project()
    made = partial(create_allowance, project=project, name="all", unit="money", limit=ONE, by=None)
    assert sorted(at_once(made, made, made, made)) == ["InvalidInput"] * 3 + ["done"]
    row = Allowance.objects.get()
    end = partial(end_allowance, allowance=row, version=row.version, by=None)
    assert sorted(at_once(end, end, end)) == ["Conflict"] * 2 + ["done"]


@pytest.mark.parametrize("period", [Period.DAY, Period.WEEK, Period.MONTH])
def test_periods_touch_without_a_gap_through_leap_days_and_clock_changes(period: str) -> None:
    now, last = datetime(2027, 12, 30, 23, 30, tzinfo=UTC), None
    while now < datetime(2028, 4, 3, tzinfo=UTC):
        starts, ends = bounds(period, now)
        assert ends is not None
        assert starts <= now < ends
        assert last is None or starts in last
        last, now = (starts, ends), now + timedelta(hours=11)
    assert bounds(period, now) == bounds(period, now.astimezone(timezone(timedelta(hours=14))))


def test_an_ended_allowance_still_pays_for_what_it_promised() -> None:
    with endpoint() as server:
        project = scene(server, 20, strategy="random", people_share=1)
        route(project)
        allowance = Allowance.objects.get()
        out = Slot.objects.filter(state="open").count()
        assert out
        end_allowance(allowance=allowance, version=allowance.version, by=None)
        assert label_everything(project) == out
        with_money = Entry.objects.filter(subject__startswith="slot:", state="settled")
        assert with_money.count() == out
        route(project, everything=True)
