"""REST of labels of everybody, consensus, quality, gold, relabels and reviews."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, Role
from annotation.consensus.services import update
from annotation.instances.models import Instance, InstanceState
from annotation.queue.services import AssignmentItem, assign
from jobs.models import Job
from jobs.runner import run_queued
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
)

from .rest import Rest

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(project: Project) -> Rest:
    return Rest(project, make_member(project, Role.REVIEWER))


def _disputed(project: Project) -> Instance:
    """Two people who say the opposite, brought together."""
    instance = make_instance(project)
    make_annotation(instance, ranking=(1, 2))
    make_annotation(instance, ranking=(2, 1))
    update(project=project)
    return instance


def test_labels_are_listed_filtered_and_walked(reviewer: Rest, project: Project) -> None:
    person = make_annotator(project, kind="import")
    instances = [make_instance(project) for _number in range(3)]
    made = [make_annotation(each, person) for each in instances]
    taken_back = make_annotation(instances[0], person, supersedes=made[0], retracted=True)
    make_annotation(make_instance(make_project()))
    rows = reviewer.rows("annotations/")
    assert [row["id"] for row in rows] == [made[1].pk, made[2].pk]
    assert rows[0]["external_id"] == instances[1].external_id
    everything = reviewer.rows("annotations/", all=True)
    assert everything[-1]["id"] == taken_back.pk
    assert reviewer.rows("annotations/", instance=instances[2].pk) == rows[1:]
    assert reviewer.rows("annotations/", kind="judge") == []
    reviewer.get("annotations/", expect=422, colour="red")
    reviewer.get("annotations/", expect=422, instance="first")


def test_a_list_of_labels_takes_the_same_queries_however_long(
    reviewer: Rest, project: Project
) -> None:
    counts = []
    for _round in range(2):
        for _number in range(3):
            make_annotation(make_instance(project))
        with CaptureQueriesContext(connection) as seen:
            reviewer.get("annotations/")
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_what_labels_say_together(owner: Rest, reviewer: Rest, project: Project) -> None:
    instance = _disputed(project)
    (row,) = reviewer.rows("consensus/", scope="human", instance=instance.pk)
    assert (row["labels"], row["criterion"]) == (2, "overall")
    assert reviewer.get("consensus/method")["method"] == "majority"
    owner.put("consensus/method", {"method": "magic"}, expect=400)
    chosen = owner.put("consensus/method", {"method": "majority", "minority": "signal"})
    assert chosen["minority"] == "signal"
    reviewer.put("consensus/method", {"method": "majority"}, expect=403)


def test_reports_are_computed_and_read(reviewer: Rest, project: Project) -> None:
    _disputed(project)
    assert reviewer.get("quality/")["figures"] == {}
    started = reviewer.post("quality/", {"criterion": "overall"}, expect=202)
    run_queued(Job.objects.get(pk=started["job"]))
    report = reviewer.get("quality/")
    assert report["since"] == 0
    assert "agreement" in report["figures"]
    reviewer.post("quality/", {"model": "none"}, expect=400)
    board = reviewer.post("generators/", {"source": "human"}, expect=202)
    run_queued(Job.objects.get(pk=board["job"]))
    assert reviewer.get("generators/")["settings"]["source"] == "human"


def test_an_annotator_is_left_out_and_taken_in(owner: Rest, project: Project) -> None:
    person = make_annotator(project, kind="import")
    path = f"annotators/{person.pk}/"
    out = owner.post(f"{path}exclude", {"because": "answers at random"})
    assert out["excluded_because"] == "answers at random"
    owner.post(f"{path}exclude", {}, expect=400)
    assert owner.post(f"{path}include")["excluded_at"] is None
    assert owner.post(f"{path}admit")["qualified_at"]
    assert person.pk in {row["id"] for row in owner.rows("annotators/", kind="import")}


def test_two_annotators_are_held_against_each_other(reviewer: Rest, project: Project) -> None:
    instance = _disputed(project)
    first, second = (row["id"] for row in reviewer.rows("annotators/", kind="import"))
    found = reviewer.get(f"annotators/{first}/pairs/{second}/")
    assert found["instances"] == [instance.pk]
    reviewer.get(f"annotators/{first}/pairs/{second}/", expect=422, criterion="none")


def test_gold_is_made_widened_and_retired(owner: Rest, project: Project) -> None:
    instance = make_instance(project)
    body = {"instance": instance.pk, "answers": {"overall": [{"ranking": [1, 2]}]}}
    made = owner.post("gold/", body, expect=201)
    assert made["answers"]["overall"]["accept"][0]["ranking"] == [1, 2]
    owner.post("gold/", body, expect=409)
    more = {"answers": {"overall": [{"ranking": [2, 1]}]}}
    accepted = owner.post(f"gold/{made['id']}/accept", more)["answers"]["overall"]["accept"]
    assert len(accepted) == 2
    (listed,) = owner.rows("gold/")
    assert listed["right"] is None
    assert not owner.post(f"gold/{made['id']}/retire")["active"]
    instance.refresh_from_db()
    assert instance.state != InstanceState.GOLD


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({}, 422),
        ({"other": [{"ranking": [1, 2]}]}, 422),
        ({"overall": [{"ranking": [1, 2, 3]}]}, 422),
        ({"overall": [{"ranking": "first"}]}, 400),
        ({"overall": [{"wins": 1}]}, 400),
    ],
)
def test_gold_without_a_right_answer_is_refused(
    owner: Rest, project: Project, answers: dict[str, object], status: int
) -> None:
    body = {"instance": make_instance(project).pk, "answers": answers}
    owner.post("gold/", body, expect=status)
    other = make_instance(make_project()).pk
    owner.post("gold/", {**body, "instance": other}, expect=404 if status == 422 else 400)


def test_instances_are_sent_to_others_again(reviewer: Rest, project: Project) -> None:
    instance = _disputed(project)
    assign(project=project, items=[AssignmentItem(instance.pk, "human", "routed", 1.0)])
    asked = reviewer.post("relabels/", {"instances": [instance.pk], "report": "disagreement"})
    assert asked["opened"] == 1
    (row,) = reviewer.rows("relabels/")
    assert (row["instance"], row["state"]) == (instance.pk, "open")
    assert reviewer.rows("relabels/", done=True) == []
    reviewer.post("relabels/", {"instances": []}, expect=400)
    reviewer.post("relabels/", {"instances": [10**9]}, expect=404)


def test_a_review_decides_an_instance(reviewer: Rest, project: Project) -> None:
    instance = _disputed(project)
    (row,) = reviewer.rows("review/")
    assert row["instance"] == instance.pk
    shown = reviewer.get(f"review/{instance.pk}/")
    assert len(shown["labels"]) == 2
    said = {"criterion": "overall", "ranking": [2, 1], "strength": 0.5}
    body = {"client_id": str(uuid.uuid4()), "answers": [said]}
    first = reviewer.post(f"review/{instance.pk}/submit", body)
    assert reviewer.post(f"review/{instance.pk}/submit", body) == first
    assert reviewer.rows("review/") == []
    reviewer.get("review/", expect=422, criterion="none")
    reviewer.get("review/1000000000/", expect=404)


def test_a_remark_reaches_its_annotator_without_a_name(
    annotator: Rest, reviewer: Rest, project: Project
) -> None:
    assign(
        project=project, items=[AssignmentItem(make_instance(project).pk, "human", "routed", 1.0)]
    )
    key = annotator.post("label/next", {})["slot"]["slot"]
    said = {"criterion": "overall", "ranking": [1, 2], "strength": 0.5}
    body = {"client_id": str(uuid.uuid4()), "answers": [said]}
    (label,) = annotator.post(f"label/slots/{key}/submit", body)["labels"]
    remark = {"annotation": label["id"], "agrees": False, "note": "Read the guideline."}
    assert reviewer.post("review/remarks", remark)["note"] == "Read the guideline."
    (note,) = annotator.rows("label/notes")
    assert (note["slot"], note["note"]) == (key, "Read the guideline.")
    assert set(note) == {"annotation", "slot", "criterion", "note", "created_at"}
    reviewer.post("review/remarks", {"annotation": 10**9}, expect=404)
