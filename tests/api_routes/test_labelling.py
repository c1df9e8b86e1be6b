"""REST of labelling: claim, submit, undo, skip, draft, revise — and what it must not show."""

import json
import uuid
from typing import Any

import pytest

from accounts.models import Project, Role
from annotation.instances.models import Instance, InstanceState, RecordedLabel
from annotation.judges.services import create_judge
from annotation.labels.models import Annotation, Draft
from annotation.quality.services import make_gold
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign
from tests.factories import make_annotation, make_instance, make_member, make_recorded_label

from .rest import Rest

pytestmark = pytest.mark.django_db


def _send(project: Project, *instances: Instance, overlap: int = 1) -> None:
    items = [AssignmentItem(each.pk, "human", "audit", 0.25, overlap) for each in instances]
    assign(project=project, items=items)


def _submit(key: str, *, client_id: str = "", **answer: Any) -> tuple[str, dict[str, Any]]:
    said = {"criterion": "overall", "ranking": [1, 2], "strength": 0.5} | answer
    body = {"client_id": client_id or str(uuid.uuid4()), "answers": [said], "seconds": 12.5}
    return f"label/slots/{key}/submit", body


def test_an_instance_is_claimed_labelled_and_taken_back(annotator: Rest, project: Project) -> None:
    _send(project, make_instance(project), make_instance(project))
    shown = annotator.post("label/next", {})["slot"]
    assert annotator.post("label/next", {})["slot"]["slot"] == shown["slot"]
    ahead = annotator.post("label/next", {"ahead": True})["slot"]
    assert ahead["slot"] != shown["slot"]
    order = [each["position"] for each in shown["completions"]]
    path, body = _submit(shown["slot"])
    annotator.post(path, {**body, "order": order[::-1]}, expect=422)
    (label,) = annotator.post(path, {**body, "order": order})["labels"]
    assert label["ranking"] == [1, 2]
    assert annotator.get("label/progress")["done"] == 1
    back = annotator.post("label/undo")["slot"]
    assert back["slot"] == shown["slot"]
    assert back["draft"]["answers"][0]["ranking"] == [1, 2]
    assert [row["retracted"] for row in annotator.rows("label/history/")] == [True, False]


def test_the_same_submit_again_stores_nothing_new(annotator: Rest, project: Project) -> None:
    _send(project, make_instance(project))
    key = annotator.post("label/next", {})["slot"]["slot"]
    path, body = _submit(key, client_id=str(uuid.uuid4()))
    first = annotator.post(path, body)
    assert annotator.post(path, body)["labels"][0]["id"] == first["labels"][0]["id"]
    other = {**body, "answers": [{**body["answers"][0], "ranking": [2, 1]}]}
    annotator.post(path, other, expect=409)
    assert Annotation.objects.count() == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"ranking": [1]}, 422),
        ({"ranking": [0, 1]}, 400),
        ({"ranking": [1, 2, 3]}, 422),
        ({"criterion": "other"}, 422),
        ({"tie_kind": "perhaps"}, 400),
        ({"strength": "nan"}, 400),
        ({"strength": 7}, 422),
        ({"attributes": {"gold": True}}, 400),
        ({"attributes": {"edit": {"position": 0, "text": "x"}}}, 422),
        ({"purpose": "review"}, 400),
        ({"rationale": "x" * 10_001}, 400),
    ],
)
def test_an_answer_that_breaks_a_rule_is_refused(
    annotator: Rest, project: Project, answer: dict[str, Any], status: int
) -> None:
    _send(project, make_instance(project))
    key = annotator.post("label/next", {})["slot"]["slot"]
    path, body = _submit(key, **answer)
    annotator.post(path, body, expect=status)
    assert not Annotation.objects.exists()


def test_a_label_is_revised(annotator: Rest, project: Project) -> None:
    _send(project, make_instance(project))
    key = annotator.post("label/next", {})["slot"]["slot"]
    annotator.post(*_submit(key))
    _path, body = _submit(key, ranking=[2, 1])
    (label,) = annotator.post(f"label/slots/{key}/revise", body)["labels"]
    assert label["ranking"] == [2, 1]
    assert [row["changed"] for row in annotator.rows("label/history/")] == [False, True]
    assert annotator.get(f"label/slots/{key}/")["slot"] == key


def test_a_draft_is_kept_by_its_revision(annotator: Rest, project: Project) -> None:
    _send(project, make_instance(project))
    key = annotator.post("label/next", {})["slot"]["slot"]
    said = {"criterion": "overall", "ranking": [2, 1], "rationale": "so far"}
    path = f"label/slots/{key}/draft"
    assert annotator.put(path, {"answers": [said], "revision": 3}) == {"revision": 3}
    assert annotator.put(path, {"answers": [], "revision": 2}) == {"revision": 3}
    shown = annotator.post("label/next", {})["slot"]
    assert shown["draft"]["answers"][0]["rationale"] == "so far"
    assert Draft.objects.count() == 1


def test_skips_and_flags_set_aside(annotator: Rest, project: Project) -> None:
    project.protocol.flag_limit = 1
    project.protocol.save()
    _send(project, make_instance(project), make_instance(project))
    first = annotator.post("label/next", {})["slot"]["slot"]
    annotator.post(f"label/slots/{first}/skip", {"kind": "boring"}, expect=400)
    annotator.post(f"label/slots/{first}/skip", {"kind": "broken", "note": "empty"}, expect=204)
    assert Instance.objects.filter(state=InstanceState.FLAGGED).count() == 1
    second = annotator.post("label/next", {})["slot"]["slot"]
    annotator.post(f"label/slots/{second}/skip", {}, expect=204)
    assert annotator.post("label/next", {}) == {"slot": None, "why": "nothing left"}


# --- Attacks ------------------------------------------------------------------------------------

MARKS = {
    "generator": "generator-4711",
    "tag": "domain:tagged4711",
    "metadata": "metadata-4711",
    "external id": "external-4711",
    "judge": "judge-4711",
    "rationale of another": "another-said-4711",
    "licence": "licence-4711",
}


def _loaded(project: Project, **fields: Any) -> Instance:
    """An instance beside everything that its annotators must not see."""
    instance = make_instance(
        project,
        generators=(MARKS["generator"], "generator-b-4711"),
        external_id=MARKS["external id"] + fields.pop("suffix", ""),
        tags=[MARKS["tag"]],
        metadata={"source": MARKS["metadata"]},
        **fields,
    )
    instance.completions.update(licence=MARKS["licence"])
    judge = create_judge(project=project, name=MARKS["judge"], model=MARKS["judge"])
    make_annotation(instance, judge.annotator, rationale=MARKS["rationale of another"])
    make_annotation(instance, rationale=MARKS["rationale of another"])
    make_recorded_label(instance, annotator="recorded-4711")
    return instance


def _replies(annotator: Rest) -> str:
    """All that an annotator is told from claim to history, as one text."""
    shown = annotator.post("label/next", {})
    key = shown["slot"]["slot"]
    said = [shown, annotator.get(f"label/slots/{key}/")]
    said.append(annotator.post(*_submit(key)))
    said += [annotator.get("label/history/"), annotator.get("label/progress")]
    said += [annotator.post("label/undo"), annotator.get("guideline/")]
    return json.dumps(said)


def test_nothing_that_could_sway_is_in_any_reply(annotator: Rest, project: Project) -> None:
    _send(project, _loaded(project))
    told = _replies(annotator)
    assert "4711" not in told
    assert RecordedLabel.objects.exists()
    for word in ("generator", "arm", "audit", "propensity", "gold", "tags", "purpose", "metadata"):
        assert f'"{word}"' not in told


def test_a_gold_instance_looks_like_any_other(annotator: Rest, project: Project) -> None:
    project.protocol.gold_share = 0.5
    project.protocol.save()
    gold = make_instance(project)
    make_gold(
        instance=gold, kind="gold", answers={"overall": {"accept": [{"ranking": [1, 2]}]}}, by=None
    )
    _send(project, *(make_instance(project) for _number in range(6)))
    shapes, purposes = set(), set()
    for _number in range(5):
        shown = annotator.post("label/next", {})["slot"]
        (label,) = annotator.post(*_submit(shown["slot"]))["labels"]
        shapes.add((tuple(shown), tuple(shown["rules"]), tuple(label)))
        purposes.add(Slot.objects.get(key=shown["slot"]).purpose)
    assert purposes == {"label", "gold"}
    assert len(shapes) == 1


def test_an_annotator_reaches_nobody_elses_slot(annotator: Rest, project: Project) -> None:
    other = Rest(project, make_member(project, Role.ANNOTATOR))
    _send(project, make_instance(project))
    key = other.post("label/next", {})["slot"]["slot"]
    annotator.get(f"label/slots/{key}/", expect=404)
    annotator.put(f"label/slots/{key}/draft", {"answers": [], "revision": 1}, expect=404)
    annotator.post(*_submit(key), expect=409)
    annotator.post(f"label/slots/{key}/revise", _submit(key)[1], expect=409)
    annotator.post(f"label/slots/{key}/skip", {}, expect=409)
    assert not Annotation.objects.exists()


@pytest.mark.parametrize(
    "path",
    ["", "members/", "judges/", "annotations/", "instances/", "routing/decisions/", "criteria/"],
)
def test_what_would_unblind_is_closed_to_annotators(annotator: Rest, path: str) -> None:
    annotator.get(path, expect=403)
