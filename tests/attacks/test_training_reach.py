"""Runs and models of others, two promotions at once, forged comparisons, cards, and questions."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator
from core.exceptions import InvalidInput, NotFound
from jobs.models import Job
from tests.factories import make_annotator, make_instance, make_member, make_project
from tests.races import at_once
from tests.training.test_policy_evaluation import SAMPLES, label, policy
from tests.training.test_registry import compared, good_versions
from training.registry import comparing, services
from training.registry.models import Evaluation, ModelVersion
from training.runs import commands
from training.serving.asking import MOST_COMPLETIONS, MOST_ITEMS, request_of
from training.serving.exceptions import TooLarge
from training.serving.selectors import check_annotator

pytestmark = pytest.mark.django_db
# Secrets that this process has and no child may see.
SECRETS = ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY")


@pytest.fixture(autouse=True)
def _folders(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    settings.MODEL_ROOTS = [tmp_path / "models"]


def client_of(project: Project, role: Role = Role.OWNER) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def api(project: Project, path: str) -> str:
    return f"/api/v1/projects/{project.slug}/{path}"


def write(version: ModelVersion, name: str, content: bytes) -> None:
    path = Path(product.MEDIA_ROOT) / version.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# --- Ids of others ---------------------------------------------------------------------------


def test_ids_of_another_project_lead_nowhere() -> None:
    [version] = good_versions(1)
    comparison = Evaluation.objects.create(version=version, name="win rate")
    [own] = good_versions(1)
    mine = own.project
    client, run, pk = client_of(mine), version.run_id, version.pk
    for path in (f"runs/{run}/", f"models/{pk}/files", f"models/{pk}/evaluations/"):
        assert client.get(api(mine, path)).status_code == 404, path
    posts: list[tuple[str, dict[str, Any]]] = [
        (f"runs/{run}/cancel", {}),
        (f"runs/{run}/resume", {}),
        (f"models/{pk}/promote", {"stage": "production"}),
        (f"models/{pk}/evaluations/", {"name": "probe"}),
        (f"models/{pk}/comparisons/", {}),
        (f"models/{pk}/comparisons/{comparison.pk}/", {}),
        (f"models/{own.pk}/comparisons/{comparison.pk}/", {}),
        (f"models/{pk}/score", {"prompt": "a", "completions": ["b"]}),
        (f"models/{pk}/rerank", {"prompt": "a", "completions": ["b", "c"]}),
        ("models/production/score", {"prompt": "a", "completions": ["b"]}),
        ("models/v99999999999999999999/score", {"prompt": "a", "completions": ["b"]}),
        (f"models/{'9' * 40}/score", {"prompt": "a", "completions": ["b"]}),
    ]
    for path, body in posts:
        answer = client.post(api(mine, path), body, content_type="application/json")
        assert answer.status_code == 404, (path, answer.content)
    snapshot = {"snapshot": version.run.snapshot_id}
    for path, body in (
        ("runs/", {"kind": "reward", **snapshot}),
        ("runs/check", {"kind": "reward", **snapshot}),
        ("probes/reward/", snapshot),
        (f"models/{own.pk}/evaluations/", {"name": "safety", **snapshot}),
        (f"models/{own.pk}/evaluations/", {"name": "best of n", "reward": pk}),
        (f"models/{own.pk}/comparisons/", {"project": version.project.slug}),
        ("runs/", started(own.run.snapshot_id, {"base": {"version": pk}})),
        ("runs/", started(own.run.snapshot_id, {"continue_from": pk})),
    ):
        answer = client.post(api(mine, path), body, content_type="application/json")
        assert answer.status_code in {404, 422}, (path, answer.content)
    assert not Job.objects.filter(project=mine).exists()


def started(snapshot: int, options: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "reward", "snapshot": snapshot, "options": options}


def test_pages_of_another_projects_models_are_not_there() -> None:
    [version] = good_versions(1)
    mine = make_project()
    client = client_of(mine)
    for name, arguments in (
        ("run", [version.run_id]),
        ("run-download", [version.run_id, "report"]),
        ("model", [version.pk]),
        ("run", [10**30]),
        ("model", [10**30]),
    ):
        assert client.get(reverse(name, args=[mine.slug, *arguments])).status_code == 404, name
    for name in ("run-cancel", "run-resume"):
        assert client.post(reverse(name, args=[mine.slug, version.run_id])).status_code == 404
    for name in ("model-stage", "model-evaluate", "model-people", "model-write-back"):
        assert client.post(reverse(name, args=[mine.slug, version.pk])).status_code == 404


# --- Promotion -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_promotions_at_once_the_second_is_judged_against_the_first() -> None:
    """Both were compared with the version in production: not with one another."""
    old, first, second = good_versions(3)
    services.promote(version=old, stage="production", actor=None)
    for version in (first, second):
        compared(version, with_=old)

    def move(version: ModelVersion) -> Any:
        return lambda: services.promote(
            version=ModelVersion.objects.get(pk=version.pk), stage="production", actor=None
        )

    assert sorted(at_once(move(first), move(second))) == ["Conflict", "done"]
    stages = ModelVersion.objects.values_list("stage", flat=True)
    assert sorted(stages) == ["archived", "candidate", "production"]
    loser = ModelVersion.objects.get(stage="candidate")
    assert "difference to production is not known" in str(loser.gate)


def test_a_stale_page_promotes_nothing_twice() -> None:
    [version] = good_versions(1)
    stale = ModelVersion.objects.get(pk=version.pk)
    services.promote(version=version, stage="production", actor=None)
    ModelVersion.objects.filter(pk=version.pk).update(metrics={})
    assert services.promote(version=stale, stage="production", actor=None).stage == "production"
    services.promote(version=stale, stage="archived", actor=None)
    client = client_of(version.project, Role.RESEARCHER)
    body = {"stage": "production"}
    path = api(version.project, f"models/{version.pk}/promote")
    assert client.post(path, body, content_type="application/json").status_code == 409
    body["override_reason"] = "I may."
    assert client.post(path, body, content_type="application/json").status_code == 403
    assert ModelVersion.objects.get(pk=version.pk).stage == "archived"


# --- Comparisons -----------------------------------------------------------------------------


def test_an_instance_named_like_a_pair_does_not_count() -> None:
    version = policy(SAMPLES)
    owner = version.project.memberships.get().user
    row = comparing.samples_to_project(version=version, created_by=owner, to_people=False)
    home = Project.objects.get(pk=row.source["project"])
    person = make_annotator(home)
    real = Instance.objects.filter(project=home).earliest("pk")
    label(real, person, 0.0)
    named = f"comparison-{row.pk}-99"
    forged = make_instance(home, external_id=named, generators=("mine", "policy of mine"))
    label_first(forged, real, person)
    assert comparing.read_win_rate(row)["people"]["win_rate"] == 0.0


def label_first(instance: Instance, like: Instance, person: Annotator) -> None:
    made = Annotation.objects.get(instance=like)
    made.pk, made.instance, made.ranking = None, instance, [1, 2]
    made.client_id = "00000000-0000-0000-0000-000000000001"
    made.annotator = person
    made.save(force_insert=True)


def test_a_comparison_whose_project_is_gone_says_so() -> None:
    version = policy(SAMPLES)
    owner = version.project.memberships.get().user
    row = comparing.samples_to_project(version=version, created_by=owner, to_people=False)
    row.source["project"] = 10**9
    row.save(update_fields=["source"])
    with pytest.raises(NotFound):
        comparing.read_win_rate(row)
    path = api(version.project, f"models/{version.pk}/comparisons/{row.pk}/")
    assert client_of(version.project).post(path).status_code == 404


def test_annotators_see_neither_side_of_a_comparison_by_name() -> None:
    version = policy(SAMPLES)
    owner = version.project.memberships.get().user
    row = comparing.samples_to_project(version=version, created_by=owner)
    home = Project.objects.get(pk=row.source["project"])
    client = client_of(home, Role.ANNOTATOR)
    page = client.get(reverse("label", args=[home.slug])).content.decode()
    assert "answer" in page
    for word in ("reference 1", "policy 1", "comparison-"):
        assert word not in page, word


# --- Cards -----------------------------------------------------------------------------------


def test_a_card_runs_nothing_and_a_damaged_one_ends_no_page() -> None:
    [version] = good_versions(1)
    client = client_of(version.project, Role.RESEARCHER)
    page = reverse("model", args=[version.project.slug, version.pk])
    hostile = (
        "# <script>alert(1)</script>\n\n<img src=x onerror=alert(2)>\n\n"
        "[click](javascript:alert(3)) ![x](https://spy.example/a.png)\n\n<style>*{}</style>"
    )
    for card in (hostile.encode(), b"\xff\xfe\x00 broken", b"---\n" * 1000):
        write(version, "model_card.md", card)
        answer = client.get(page)
        assert answer.status_code == 200
        text = answer.content.decode()
        for evil in ("<script>alert", "<img src=x", 'href="javascript', 'src="https://spy'):
            assert evil not in text, evil


# --- Questions to served models --------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"items": []},
        {"items": {}},
        {"items": [None]},
        {"items": [{"prompt": "a"}]},
        {"items": [{"prompt": "a", "completions": []}]},
        {"items": [{"prompt": "a", "completions": "abc"}]},
        {"items": [{"prompt": "a", "completions": [1]}]},
        {"items": [{"prompt": ["a"], "completions": ["b"]}]},
        {"items": [{"prompt": "a", "messages": [], "completions": ["b"]}]},
        {"items": [{"completions": ["b"]}]},
        {"items": [{"messages": [{"role": "root", "content": "a"}], "completions": ["b"]}]},
        {"items": [{"messages": [{"role": "user", "content": 7}], "completions": ["b"]}]},
        {"items": [{"messages": [["user", "a"]], "completions": ["b"]}]},
        {"prompt": "a", "completions": ["b"], "annotator": 7},
        {"prompt": "a", "completions": ["b"], "annotator": {"a": 1}},
    ],
)
def test_questions_that_are_none_reach_no_worker(body: Any) -> None:
    with pytest.raises(InvalidInput):
        request_of(body)


def test_questions_without_measure_reach_no_worker() -> None:
    item = {"prompt": "a", "completions": ["b"]}
    for body in (
        {"items": [item] * (MOST_ITEMS + 1)},
        {"items": [item | {"completions": ["b"] * (MOST_COMPLETIONS + 1)}]},
        {"items": [item | {"completions": ["b" * 2_000_000]}]},
        {"items": [item | {"completions": ["b" * 100_000] * 2}] * 50},
    ):
        with pytest.raises(TooLarge):
            request_of(body)
    asked = request_of({"prompt": "a\0\ud800", "completions": ["\udc00b"]})
    assert asked.items[0].messages[0]["content"] == "a?"
    assert asked.items[0].completions == ("?b",)


@pytest.mark.parametrize("head", [b"", b"[]", b"{}", b"{", b"7", b"\xff", b'{"annotators": null}'])
def test_a_head_file_that_is_none_knows_no_annotator(head: bytes) -> None:
    [version] = good_versions(1)
    write(version, "head.json", head)
    check_annotator(version, "")
    with pytest.raises(InvalidInput, match="no head"):
        check_annotator(version, "somebody")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "a/b; c"])
def test_a_question_in_another_type_is_refused(settings: Settings, kind: str) -> None:
    """And without a broker the answer is at once that there is none."""
    [version] = good_versions(1)
    settings.CELERY_BROKER_URL = "memory://"
    client, path = client_of(version.project), api(version.project, f"models/{version.pk}/score")
    body = json.dumps({"prompt": "a", "completions": ["b"]})
    assert client.post(path, body, content_type=kind).status_code in {400, 415, 422}
    answer = client.post(path, body, content_type="application/json")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0


# --- Secrets ---------------------------------------------------------------------------------


def test_children_get_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "kept-in-here")
    seen = commands.environment()
    assert "kept-in-here" not in seen.values()
    assert seen["PATH"] == os.environ["PATH"]
