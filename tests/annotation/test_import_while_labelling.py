"""Files come in while people label: nobody waits for long, and nothing is lost."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection

from accounts.models import Project
from annotation.instances import importing
from annotation.instances.lines import Line
from annotation.instances.models import Instance
from annotation.instances.services import import_records
from annotation.labels.models import Annotation, Annotator
from annotation.labels.services import Answer, submit
from annotation.queue.services import AssignmentItem, assign, claim
from tests.factories import make_annotator, make_project

# Real threads with connections of their own: each commits for itself.
pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, LABELLED, NEW = 3, 30, 120


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "prompt": f"Prompt {number}",
        "responses": [{"text": "a"}, {"text": "b"}],
        "human": [{"annotator": "h", "ranking": [1, 2]}],
    } | changes


def lines(*rows: dict[str, Any]) -> list[Line]:
    return [Line(number, row) for number, row in enumerate(rows, 1)]


def label_all(annotator: Annotator, over: Event) -> int:
    """Claim and submit until nothing is left and the import is over."""
    done = 0
    try:
        while True:
            last = over.is_set()
            slot = claim(project=annotator.project, annotator=annotator)
            if slot is None and last:
                return done
            if slot is not None:
                submit(
                    slot_key=slot.key,
                    annotator=annotator,
                    client_id=uuid.uuid4(),
                    answers=[Answer("overall", [1, 2])],
                )
                done += 1
    finally:
        connection.close()


def import_again(project: Project, over: Event) -> dict[str, Any]:
    """Known instances with other metadata and a label more, and new ones between them."""
    more = [*record(0)["human"], {"annotator": "h2", "ranking": [2, 1]}]
    known = [record(number, meta={"round": 2}, human=more) for number in range(LABELLED)]
    new = [record(number) for number in range(1_000, 1_000 + NEW)]
    try:
        rows = [*new[: NEW // 2], *known, *new[NEW // 2 :]]
        return import_records(project=project, lines=lines(*rows), reveal=True).as_dict()
    finally:
        over.set()
        connection.close()


def test_people_label_while_a_file_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    project = make_project()
    rows = [record(number, human=[]) for number in range(LABELLED)]
    import_records(project=project, lines=lines(*rows), reveal=True)
    keys = Instance.objects.filter(project=project).values_list("pk", flat=True)
    assign(
        project=project,
        items=[AssignmentItem(key, "human", "routed", 1.0, PEOPLE) for key in keys],
    )
    people, over = [make_annotator(project) for _ in range(PEOPLE)], Event()
    with ThreadPoolExecutor(PEOPLE + 1) as pool:
        coming = pool.submit(import_again, project, over)
        labelling = [pool.submit(label_all, person, over) for person in people]
        report = coming.result(timeout=120)
        done = sum(each.result(timeout=120) for each in labelling)
    assert (report["created"], report["updated"], report["refused"]) == (NEW, LABELLED, 0)
    # Labels that came filled open places; people filled the others, and no label is lost.
    labels = Annotation.objects.filter(project=project)
    assert labels.filter(annotator__kind="import").count() == NEW + 2 * LABELLED
    assert labels.filter(annotator__kind="person").count() == done
    seated = labels.filter(slot__isnull=False)
    assert seated.count() == LABELLED * PEOPLE
    assert len(set(seated.values_list("slot", flat=True))) == LABELLED * PEOPLE
    assert Instance.objects.filter(project=project, state="settled").count() == LABELLED
