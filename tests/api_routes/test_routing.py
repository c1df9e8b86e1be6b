"""REST of routing: settings, rules, budgets, decisions, rounds, replays, features."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.judges.services import create_judge
from jobs.models import Job
from routing.decisions.models import Decision, Router
from routing.lab.models import Replay
from routing.live.models import LiveRouting
from routing.rounds.models import Round
from tests.factories import make_annotation, make_instance, make_project, make_recorded_label

from .rest import Rest

pytestmark = pytest.mark.django_db
MICROS = 1_000_000


def test_live_routing_is_set_started_and_paused(owner: Rest, project: Project) -> None:
    make_instance(project)
    judge = create_judge(project=project, name="critic", model="m", provider="recorded")
    before = owner.get("routing/live/")
    assert before["settings"]["mode"] == "off"
    assert before["waiting"] == 1
    owner.post("routing/live/start", {}, expect=422)
    changed = owner.patch("routing/live/", {"mode": "stream", "judge": judge.pk})
    assert changed["settings"]["judge"] == judge.pk
    Job.objects.all().delete()
    started = owner.post("routing/live/start", {"refit": True}, expect=202)
    assert Job.objects.get(pk=started["job"]).arguments == {"refit": True}
    owner.post("routing/live/start", {}, expect=409)
    assert owner.post("routing/live/pause")["settings"]["mode"] == "off"


def test_settings_of_live_routing_are_checked(owner: Rest, project: Project) -> None:
    other = create_judge(project=make_project(), name="critic", model="m", provider="recorded")
    owner.patch("routing/live/", {"judge": other.pk}, expect=422)
    owner.patch("routing/live/", {"audit_share": 0}, expect=422)
    owner.patch("routing/live/", {"speed": 1}, expect=400)
    owner.patch("routing/live/", {"strategy": "oracle"}, expect=422)
    owner.patch("routing/live/", {"version": 9, "seed_size": 200}, expect=409)
    assert LiveRouting.objects.get(project=project).version == 1


def test_strategies_say_what_options_they_take(owner: Rest) -> None:
    rows = {row["key"]: row for row in owner.rows("routing/strategies/")}
    assert "oracle" not in rows
    assert rows["small-margin"]["options"] == {"of": "judge | reward"}


def _decide(project: Project, **fields: Any) -> Decision:
    values = {"destination": "human", "arm": "routed", "propensity": 1.0, "reason": "by hand"}
    return Decision.objects.create(
        project=project, instance=make_instance(project), **values | fields
    )


def test_decisions_are_filtered_and_walked(owner: Rest, project: Project) -> None:
    made = [_decide(project) for _number in range(3)]
    judged = _decide(project, destination="judge", arm="audit", reason="a draw")
    _decide(make_project())
    newest = owner.rows("routing/decisions/")
    assert [row["id"] for row in newest] == [str(each.pk) for each in [judged, *made[::-1]]]
    (found,) = owner.rows("routing/decisions/", destination="judge")
    assert found["external_id"] == judged.instance.external_id
    assert owner.rows("routing/decisions/", about="draw") == [found]
    first = owner.get("routing/decisions/", limit=2)
    rest = owner.get("routing/decisions/", limit=2, cursor=first["next"])
    assert [*first["results"], *rest["results"]] == newest
    assert rest["next"] is None
    owner.get("routing/decisions/", expect=422, destination="moon")
    owner.get("routing/decisions/", expect=422, cursor="bm9uc2Vuc2U")


def test_rules_are_previewed_saved_and_kept(owner: Rest, project: Project) -> None:
    make_instance(project, tags=["domain:law"])
    rule = {"source": "tag", "name": "domain", "value": "law", "to": "people"}
    caught = owner.post("routing/rules/preview", {"rules": [rule]})
    assert caught["everywhere"] == [1, 0]
    assert owner.get("routing/rules/") == {"version": 0, "rules": []}
    saved = owner.put("routing/rules/", {"version": 0, "rules": [rule]})
    assert saved["version"] == 1
    owner.put("routing/rules/", {"version": 0, "rules": []}, expect=409)
    owner.put("routing/rules/", {"version": 1, "rules": [rule, rule]}, expect=422)
    owner.put("routing/rules/", {"version": 1, "rules": [{**rule, "to": "moon"}]}, expect=400)
    assert [row["version"] for row in owner.rows("routing/rules/versions/")] == [1]


def test_a_budget_is_set_changed_and_ended(owner: Rest) -> None:
    body = {"name": "Labels", "unit": "labels", "limit": 100 * MICROS, "spender": "people"}
    made = owner.post("routing/budgets/", body, expect=201)
    assert (made["free"], made["version"]) == (100 * MICROS, 1)
    path = f"routing/budgets/{made['id']}/"
    assert owner.patch(path, {"limit": 50 * MICROS, "version": 1})["limit"] == 50 * MICROS
    owner.patch(path, {"limit": 1, "version": 1}, expect=409)
    owner.patch(path, {"limit": -1, "version": 2}, expect=422)
    owner.post("routing/budgets/", {**body, "unit": "cows"}, expect=400)
    owner.post("routing/budgets/", body, expect=422)
    owner.post(f"{path}end", {"version": 2}, expect=204)
    owner.get(path, expect=404)
    assert owner.rows("routing/budgets/") == []
    assert owner.rows("routing/budgets/spending", unit="labels") == []
    assert owner.rows("routing/budgets/alerts/") == []
    assert owner.post("routing/budgets/alerts/seen") == {"seen": 0}


def test_a_round_starts_with_the_options_of_its_kind(owner: Rest, project: Project) -> None:
    started = owner.post("rounds/", {"mixture": {"replay": True, "seeds": 2}}, expect=202)
    assert (started["number"], started["kind"]) == (1, "mixture")
    assert started["options"]["seeds"] == 2
    owner.post("rounds/", {"mixture": {}}, expect=409)
    shown = owner.get("rounds/1/")
    assert shown["stages"][0]["state"] == "current"
    owner.post("rounds/1/continue", expect=409)
    assert [row["number"] for row in owner.rows("rounds/", kind="mixture")] == [1]
    owner.get("rounds/", expect=422, kind="other")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"mixture": {}, "online": {}}, 400),
        ({"mixture": {"budget_share": "much"}}, 400),
        ({"mixture": {"budget_share": 2}}, 422),
        ({"mixture": {"surprise": 1}}, 400),
        ({"online": {"preset": "none"}}, 422),
        ({"online": {"candidates": 99}}, 422),
    ],
)
def test_options_that_make_no_round_are_refused(
    owner: Rest, body: dict[str, Any], status: int
) -> None:
    owner.post("rounds/", body, expect=status)
    assert not Round.objects.exists()


def test_a_replay_is_asked_for(owner: Rest, project: Project) -> None:
    judge = create_judge(project=project, name="critic", model="gpt-x", provider="recorded")
    owner.post("routing/replays/", {"judge": judge.pk}, expect=422)
    instance = make_instance(project)
    make_recorded_label(instance, origin="judge", annotator="gpt-x")
    make_annotation(instance)
    started = owner.post("routing/replays/", {"judge": judge.pk, "seeds": 2}, expect=202)
    assert Replay.objects.get(pk=started["id"]).options["seeds"] == 2
    assert owner.get(f"routing/replays/{started['id']}/")["figures"] is None
    assert [row["id"] for row in owner.rows("routing/replays/")] == [started["id"]]
    wrong = {"judge": judge.pk, "strategies": ["magic"]}
    owner.post("routing/replays/", wrong, expect=422)
    owner.post("routing/replays/", {"judge": judge.pk, "criterion": "none"}, expect=422)


def test_routers_are_listed_with_what_they_decided(owner: Rest, project: Project) -> None:
    router = Router.objects.create(
        project=project, version=1, strategy="random", parameters={}, report={}, dual_labelled=0
    )
    _decide(project, router=router)
    (row,) = owner.rows("routing/routers/")
    assert row["decided"] == {"human": 1}
    assert owner.get("routing/routers/1/")["in_use"]
    owner.get("routing/routers/2/", expect=404)
    owner.get("routing/routers/1/behind", expect=404, column="x")
    owner.get("routing/routers/1/behind", expect=422)
    owner.post("routing/proxies", expect=422)
    owner.get("routing/frontier/", expect=404)


def test_features_are_shown_and_computed(owner: Rest, project: Project) -> None:
    make_instance(project)
    shown = owner.get("routing/features/")
    assert shown["instances"] == 1
    started = owner.post("routing/features/compute", {}, expect=202)
    assert Job.objects.get(pk=started["job"]).kind == "routing.features"
    owner.post("routing/features/compute", {"encoder": "/etc"}, expect=422)
    owner.get("routing/features/", expect=404, judge=10**6)


def test_researchers_see_and_do_not_change(researcher: Rest) -> None:
    researcher.get("routing/live/")
    researcher.patch("routing/live/", {"seed_size": 50}, expect=403)
    researcher.put("routing/rules/", {"version": 0, "rules": []}, expect=403)
    researcher.post("rounds/", {"mixture": {}}, expect=403)
