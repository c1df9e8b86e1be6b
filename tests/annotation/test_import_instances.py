"""Importing good lines: what is created, what a second import does, what is revealed."""

from typing import Any

import pytest

from accounts.models import Project
from annotation.instances.lines import Line
from annotation.instances.models import Completion, Instance, Origin, RecordedLabel
from annotation.instances.services import ImportReport, import_records
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from tests.factories import make_annotation, make_annotator, make_project, make_slot

pytestmark = pytest.mark.django_db


def record(external_id: str = "one", **changes: Any) -> dict[str, Any]:
    return {
        "id": external_id,
        "prompt": f"What is {external_id}?",
        "responses": [{"text": "First", "model": "m1"}, {"text": "Second", "model": "m2"}],
        "human": [
            {"annotator": "h1", "ranking": [1, 2], "strength": 0.5, "rationale": "clear"},
            {"annotator": "h2", "ranking": [1, 1], "attributes": {"polite": [True, False]}},
        ],
        "ai": [
            {"judge": "j", "ranking": [2, 1], "order": [0, 1]},
            {"judge": "j", "ranking": [1, 2], "order": [1, 0]},
        ],
        "meta": {"source": "here"},
    } | changes


def import_(project: Project, *records: dict[str, Any], reveal: bool = False) -> ImportReport:
    lines = [Line(number, value) for number, value in enumerate(records, 1)]
    return import_records(project=project, lines=lines, reveal=reveal)


def test_it_writes_instances_completions_and_recorded_labels() -> None:
    project = make_project(licence="CC BY 4.0")
    report = import_(project, record())
    assert (report.created, report.labels, report.refused) == (1, 4, 0)
    instance = Instance.objects.get()
    assert instance.messages == [{"role": "user", "content": "What is one?"}]
    assert (instance.metadata, instance.state) == ({"source": "here"}, "new")
    assert list(instance.completions.values_list("position", "text", "generator", "licence")) == [
        (0, "First", "m1", "CC BY 4.0"),
        (1, "Second", "m2", "CC BY 4.0"),
    ]
    first = RecordedLabel.objects.get(annotator="h1")
    assert (first.ranking, first.strength, first.rationale) == ([1, 2], 0.5, "clear")
    assert RecordedLabel.objects.get(annotator="h2").attributes == {"polite": [True, False]}
    judge = RecordedLabel.objects.filter(origin=Origin.JUDGE).order_by("ordinal")
    assert [(row.ordinal, row.shown_order) for row in judge] == [(0, [0, 1]), (1, [1, 0])]
    assert not Annotation.objects.exists()


def test_importing_twice_changes_nothing() -> None:
    project = make_project()
    import_(project, record("a"), record("b"), reveal=True)
    before = list(Instance.objects.values()), Annotation.objects.count()
    again = import_(project, record("a"), record("b"), reveal=True)
    assert (again.created, again.unchanged, again.updated, again.labels) == (0, 2, 0, 0)
    assert (list(Instance.objects.values()), Annotation.objects.count()) == before


def test_new_labels_of_a_known_instance_are_added() -> None:
    project = make_project()
    import_(project, record())
    more = [*record()["human"], {"annotator": "h3", "ranking": [2, 1]}]
    report = import_(project, record(human=more))
    assert (report.unchanged, report.labels) == (1, 1)
    assert RecordedLabel.objects.filter(annotator="h3").exists()


def test_a_changed_label_is_refused_with_all_of_its_line() -> None:
    project = make_project()
    import_(project, record())
    turned = [
        {"annotator": "h1", "ranking": [2, 1], "strength": 0.5, "rationale": "clear"},
        {"annotator": "h9", "ranking": [1, 2]},
    ]
    report = import_(project, record(human=turned, meta={"source": "elsewhere"}))
    assert report.errors == [
        {"line": 1, "id": "one", "reason": "the label of h1 changed: labels are never edited"}
    ]
    assert RecordedLabel.objects.get(annotator="h1").ranking == [1, 2]
    assert not RecordedLabel.objects.filter(annotator="h9").exists()
    assert Instance.objects.get().metadata == {"source": "here"}


def test_other_metadata_is_taken_over_even_when_labelled() -> None:
    project = make_project()
    import_(project, record(), reveal=True)
    report = import_(project, record(meta={"source": "elsewhere"}))
    assert (report.updated, report.unchanged) == (1, 0)
    assert Instance.objects.get().metadata == {"source": "elsewhere"}


def test_changed_content_replaces_what_nobody_has_worked_on() -> None:
    project = make_project()
    import_(project, record())
    changed = record(responses=[{"text": "Third"}, {"text": "Fourth"}], human=[], ai=[])
    report = import_(project, changed)
    assert (report.updated, report.created, report.refused) == (1, 0, 0)
    assert list(Completion.objects.values_list("text", flat=True)) == ["Third", "Fourth"]
    assert not RecordedLabel.objects.exists()
    assert import_(project, changed).unchanged == 1


@pytest.mark.parametrize("busy", ["annotated", "leased"])
def test_changed_content_of_a_labelled_instance_is_reported(busy: str) -> None:
    project = make_project()
    import_(project, record())
    instance = Instance.objects.get()
    if busy == "annotated":
        make_annotation(instance)
    else:
        make_slot(instance, make_annotator(project))
    report = import_(project, record(prompt="Changed?"), record("two"))
    assert [error["line"] for error in report.errors] == [1]
    assert "labelled already" in report.errors[0]["reason"]
    assert report.created == 1
    assert Instance.objects.get(external_id="one").messages[0]["content"] == "What is one?"


def test_the_same_content_under_another_id_is_left_out() -> None:
    project = make_project()
    same = record("twin", prompt="What is one?")
    report = import_(project, record(), same)
    assert (report.created, report.duplicates, report.labels, report.refused) == (1, 1, 4, 0)
    again = import_(project, same)
    assert (again.created, again.duplicates) == (0, 1)
    assert Instance.objects.get().external_id == "one"


def test_the_same_texts_by_other_generators_are_another_instance() -> None:
    project = make_project()
    other = record("b", prompt="What is a?")
    other["responses"] = [{"text": "First", "model": "m3"}, {"text": "Second", "model": "m4"}]
    assert import_(project, record("a"), other).created == 2


def test_two_projects_may_hold_the_same_content() -> None:
    assert [import_(make_project(), record()).created for _ in range(2)] == [1, 1]


def test_an_ordinary_import_reveals_all_labels() -> None:
    project = make_project()
    import_(project, record(), reveal=True)
    rows = {row.annotator.name: row for row in current(project).select_related("annotator")}
    assert {name: row.ranking for name, row in rows.items()} == {
        "h1": [1, 2],
        "h2": [1, 1],
        # Asked in both orders the judge said the opposite: that is a tie, once.
        "j": [1, 1],
    }
    assert (rows["h1"].strength, rows["h2"].tie_kind) == (0.5, "tie")
    kinds = dict(Annotator.objects.values_list("name", "kind"))
    assert kinds == {"h1": "import", "h2": "import", "j": "judge"}


def test_simulated_labels_stay_marked_and_apart_from_real_ones() -> None:
    project = make_project()
    labels = [
        {"annotator": "h1", "ranking": [1, 2]},
        {"annotator": "h1", "ranking": [2, 1], "simulated": True},
    ]
    import_(project, record(human=labels, ai=[]), reveal=True)
    assert set(Annotator.objects.values_list("name", "simulated")) == {
        ("h1", False),
        ("h1 (simulated)", True),
    }


def test_many_completions_become_pairs_in_a_pairwise_project() -> None:
    project = make_project()
    labels = [
        {
            "annotator": "h1",
            "ranking": [3, 1, 1],
            "order": [2, 0, 1],
            "strength": 1,
            "attributes": {"score": [10, 20, 30], "mood": "good"},
        }
    ]
    texts = [{"text": text} for text in "abc"]
    report = import_(project, record("x", responses=texts, human=labels, ai=[]))
    assert (report.created, report.labels) == (3, 3)
    label = RecordedLabel.objects.get(instance__external_id="x#0-2")
    assert (label.ranking, label.shown_order, label.strength) == ([2, 1], [1, 0], None)
    assert label.attributes == {"score": [10, 30], "mood": "good"}
    assert RecordedLabel.objects.get(instance__external_id="x#1-2").ranking == [1, 1]
    assert Instance.objects.values("prompt_hash").distinct().count() == 1
    assert Instance.objects.get(external_id="x#0-2").metadata["source_id"] == "x"


def test_a_listwise_project_keeps_them_together() -> None:
    project = make_project(kind="listwise")
    texts = [{"text": text} for text in "abc"]
    labels = [{"judge": "j", "ranking": [1, 1, 2], "scores": [9, 9, 4]}]
    import_(project, record("x", responses=texts, human=[], ai=labels))
    assert Completion.objects.count() == 3
    # Dense ranks are kept as competition ranks.
    label = RecordedLabel.objects.get()
    assert (label.ranking, label.attributes) == ([1, 1, 3], {"scores": [9, 9, 4]})


def test_progress_is_told_between_batches_and_may_stop_the_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("annotation.instances.importing.BATCH", 5)
    project = make_project()

    class Stop(Exception):
        pass

    def stop_after_one(done: int) -> None:
        seen.append(done)
        raise Stop

    seen: list[int] = []
    lines = [Line(number, record(f"r{number}")) for number in range(1, 13)]
    with pytest.raises(Stop):
        import_records(project=project, lines=lines, reveal=True, progress=stop_after_one)
    assert (seen, Instance.objects.count()) == ([5], 5)
    report = import_records(project=project, lines=lines, reveal=True, progress=seen.append)
    assert seen == [5, 5, 10, 12]
    assert (report.created, report.unchanged) == (7, 5)
    assert Annotation.objects.count() == 12 * 3
