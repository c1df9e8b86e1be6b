"""What people said of every kind, and that it all comes out again: scores, edits, partial ranks."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.exporters import NAMES, export
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from annotation.instances.models import Instance
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion
from annotation.queue.models import Assignment
from core.exceptions import InvalidInput, NotFound
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
CRITERIA = [
    {"key": "overall", "name": "Overall"},
    {"key": "helpfulness", "name": "Helpfulness", "reasons": ["clear"]},
    {"key": "tone", "name": "Tone", "kind": "rating", "lowest": 0, "levels": 5},
    {"key": "safe", "name": "Safe", "kind": "binary"},
]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def project() -> Project:
    return make_project(criteria=CRITERIA, ask_confidence=True, post_edit=True)


@pytest.fixture
def people(project: Project) -> list[Annotator]:
    return [make_annotator(project, cohort=cohort) for cohort in ("", "expert")]


def label(
    instance: Instance, annotator: Annotator, key: str, ranking: Any = (), **fields: Any
) -> None:
    criterion = Criterion.objects.get(project=instance.project, key=key)
    make_annotation(instance, annotator, ranking, criterion, **fields)


@pytest.fixture
def pair(project: Project, people: list[Annotator]) -> Instance:
    """One pair, everything asked of it answered by both; the second of them edited the winner."""
    instance = make_instance(
        project, ("short", "long"), external_id="p1", metadata={"source": "made up", "category": 3}
    )
    first, second = people
    noted = {"seconds": 12.5, "shown_order": [1, 0], "confidence": 5}
    label(instance, first, "overall", (2, 1), strength=1.0, rationale="B says why", **noted)
    label(instance, first, "helpfulness", (1, 1), tie_kind="tie", reasons=["clear"], **noted)
    label(instance, first, "tone", scores=[1, 4])
    label(instance, first, "safe", scores=[1, 0])
    edit = {"edit": {"position": 1, "text": "long and right"}}
    label(instance, second, "overall", (2, 1), strength=0.5, attributes=edit, confidence=3)
    label(instance, second, "helpfulness", tie_kind="cannot judge", attributes=edit)
    label(instance, second, "tone", scores=[2, None])
    label(instance, second, "safe", scores=[1, 1])
    Assignment.objects.create(instance=instance, destination="human", arm="audit", propensity=0.25)
    return instance


def built(project: Project, **query: Any) -> Snapshot:
    update(project=project)
    return build_snapshot(project=project, query=query)


def rows(snapshot: Snapshot, media: Path, shape: str, form: str = "jsonl") -> list[dict[str, Any]]:
    made = export(snapshot=snapshot, shape=shape, format=form, options={"annotators": "project"})
    if form == "parquet":
        return list(pq.read_table(media / made.path).to_pylist())
    return [json.loads(line) for line in (media / made.path).read_text().splitlines()]


def test_every_label_has_all_that_was_noted(
    project: Project, people: list[Annotator], pair: Instance, media: Path
) -> None:
    snapshot = built(project)
    found = {
        (row["annotator"], row["criterion"]): row for row in rows(snapshot, media, "annotations")
    }
    assert len(found) == 8
    row = found[people[0].pseudonym, "overall"]
    assert (row["instance_id"], row["asks"], row["purpose"]) == ("p1", "pairwise", "label")
    assert (row["ranking"], row["strength"], row["confidence"]) == ([2, 1], 1.0, 5)
    assert (row["shown_order"], row["seconds"]) == ([1, 0], 12.5)
    assert (row["arm"], row["propensity"]) == ("audit", 0.25)
    assert row["created_at"].startswith(str(timezone.now().year))
    assert found[people[0].pseudonym, "tone"]["scores"] == [1, 4]
    assert found[people[1].pseudonym, "tone"]["scores"] == [2, None]
    assert found[people[1].pseudonym, "helpfulness"]["tie_kind"] == "cannot judge"
    assert json.loads(found[people[1].pseudonym, "overall"]["attributes"])["edit"]["position"] == 1
    assert {row["cohort"] for row in found.values()} == {"", "expert"}
    assert snapshot.manifest["labels_by_criterion"]["safe"] == 2
    assert [each["asks"] for each in snapshot.manifest["criteria"]] == [
        "pairwise",
        "pairwise",
        "rating",
        "binary",
    ]


def test_gold_and_repeats_are_marked_and_no_data(
    project: Project, people: list[Annotator], pair: Instance, media: Path
) -> None:
    gold = make_instance(project, external_id="gold-1", state="gold")
    label(gold, people[0], "overall", (1, 2), purpose="gold")
    label(gold, people[0], "safe", scores=[0, 0], purpose="gold")
    label(pair, people[0], "safe", scores=[0, 0], purpose="repeat")
    snapshot = built(project)
    purposes = [row["purpose"] for row in rows(snapshot, media, "annotations")]
    assert (purposes.count("gold"), purposes.count("repeat")) == (2, 1)
    assert snapshot.manifest["labels_by_purpose"] == {"gold": 2, "label": 8, "repeat": 1}
    assert {row["instance_id"] for row in rows(snapshot, media, "pairs")} == {"p1"}
    assert {row["instance_id"] for row in rows(snapshot, media, "unpaired")} == {"p1"}


def test_excluded_annotators_are_left_out_and_counted(
    project: Project, people: list[Annotator], pair: Instance, media: Path
) -> None:
    people[1].excluded_at = timezone.now()
    people[1].save()
    snapshot = built(project)
    assert snapshot.manifest["excluded"] == {"annotators": 1, "labels": 4}
    assert {row["annotator"] for row in rows(snapshot, media, "annotations")} == {
        people[0].pseudonym
    }
    with_all = built(project, include_excluded=True)
    found = rows(with_all, media, "annotations")
    assert sum(row["excluded"] for row in found) == 4
    assert len(found) == 8


def test_thumbs_become_unpaired_rows_as_trl_reads_them(
    project: Project, pair: Instance, media: Path
) -> None:
    snapshot = built(project)
    (row,) = rows(snapshot, media, "unpaired", "parquet")
    # One up and one down on the second completion is no label.
    assert row["prompt"][0]["role"] == "user"
    assert row["completion"] == [{"role": "assistant", "content": "short"}]
    assert (row["label"], row["share"], row["votes"]) == (True, 1.0, 2)
    assert row["criterion"] == "safe"


def test_ratings_are_a_row_per_completion_with_a_column_per_attribute(
    project: Project, pair: Instance, media: Path
) -> None:
    first, second = rows(built(project), media, "ratings", "parquet")
    assert (first["response"], first["tone"], second["tone"]) == ("short", 1.5, 4.0)
    assert json.loads(first["prompt"])[0]["role"] == "user"
    assert first["annotators"] == 2


def test_an_attribute_may_be_called_like_a_column(media: Path) -> None:
    project = make_project(kind="rating", criteria=[("prompt", "Prompt", "How clear is it?")])
    label(make_instance(project), make_annotator(project), "prompt", scores=[3, 5])
    first, _ = rows(built(project), media, "ratings")
    assert first["prompt_score"] == 3
    assert json.loads(first["prompt"])


def test_an_edit_is_a_triple_once(project: Project, pair: Instance, media: Path) -> None:
    (row,) = rows(built(project), media, "edits")
    assert (row["gold"], row["chosen"], row["rejected"]) == ("long and right", "long", "short")
    assert row["criterion"] == "overall"


def test_multipref_has_its_own_names_and_values(
    project: Project, people: list[Annotator], pair: Instance, media: Path
) -> None:
    snapshot = built(project)
    found = {row["evaluator"]: row for row in rows(snapshot, media, "multipref", "parquet")}
    first, second = (found[each.pseudonym] for each in people)
    assert (first["comparison_id"], first["completion_a"]) == ("p1", "short")
    assert (first["model_a"], first["model_b"]) == ("model-a", "model-b")
    assert first["overall_pref"] == "B-is-clearly-better"
    assert first["overall_own_reason"] == "B says why"
    assert first["overall_confidence"] == "absolutely-confident"
    assert (first["helpful_pref"], first["helpful_checked_reasons"]) == ("Tie", ["clear"])
    assert (first["time_spent"], first["source"], first["category"]) == (12.5, "made up", "3")
    assert second["overall_pref"] == "B-is-slightly-better"
    assert second["overall_confidence"] == "fairly-confident"
    assert second["helpful_pref"] is None
    assert second["cohort"] == "expert"


def test_a_review_decides(project: Project, pair: Instance, media: Path) -> None:
    reviewer = make_annotator(project)
    label(pair, reviewer, "safe", scores=[0, 1], purpose="review")
    found = rows(built(project), media, "unpaired")
    assert [(row["completion"][0]["content"], row["label"]) for row in found] == [
        ("short", False),
        ("long", True),
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("shape", sorted({*NAMES} - {"triples"}))
def test_every_format_opens_with_pandas(
    project: Project, pair: Instance, media: Path, shape: str, form: str
) -> None:
    made = export(snapshot=built(project), shape=shape, format=form)
    read = {"jsonl": lambda p: pd.read_json(p, lines=True), "csv": pd.read_csv}
    frame = read.get(form, pd.read_parquet)(media / made.path)
    assert len(frame) == made.rows > 0
    assert set(frame["id" if shape == "interchange" else "instance_id"]) == {"p1"}


def test_a_project_of_ratings_alone_has_labels_and_no_pairs_unless_asked(media: Path) -> None:
    project = make_project(kind="rating", criteria=[("good", "Good", "How good?")])
    people = [make_annotator(project) for _ in range(2)]
    instance = make_instance(project, ("a", "b", "c"), external_id="r1")
    label(instance, people[0], "good", scores=[1, 3, 5])
    label(instance, people[1], "good", scores=[2, 3, 5])
    plain = built(project)
    assert plain.manifest["rows"] == {}
    with pytest.raises(InvalidInput, match="makes a row of the shape pairs"):
        rows(plain, media, "pairs")
    assert not list((media / "exports").rglob("*pairs*"))
    assert len(rows(plain, media, "ratings")) == 3
    asked = built(project, pairs_from_ratings=2)
    assert asked.manifest["query"]["pairs_from_ratings"] == 2
    assert [
        (row["completion_a"], row["completion_b"], row["p"]) for row in rows(asked, media, "pairs")
    ] == [
        ("a", "c", 0.0),
        ("b", "c", 0.0),
    ]
    assert [row["margin"] for row in rows(asked, media, "pairs")] == [3.5 / 4, 2 / 4]
    (first, _) = rows(asked, media, "trl")
    assert (first["chosen"][0]["content"], first["score_chosen"]) == ("c", 5)


def test_pairs_from_ratings_within_a_band(media: Path) -> None:
    project = make_project(kind="rating", criteria=[("good", "Good", "How good?")])
    person = make_annotator(project)
    label(
        make_instance(project, ("a", "b", "c"), external_id="r1"), person, "good", scores=[1, 3, 5]
    )
    label(
        make_instance(project, ("d", "e", "f"), external_id="r2"), person, "good", scores=[1, 2, 2]
    )

    def pairs(**band: float) -> set[str]:
        made = built(project, pairs_from_ratings=1, **({"band": band} if band else {}))
        found = rows(made, media, "pairs")
        return {row["completion_a"] + row["completion_b"] for row in found}

    assert pairs() == {"ab", "ac", "bc", "de", "df"}
    assert pairs(at_most=2) == {"ab", "bc", "de", "df"}
    assert pairs(least_score=3) == {"ab", "ac", "bc"}
    # Population variances are 8/3 and 2/9.
    assert pairs(least_variance=0.25) == {"ab", "ac", "bc"}
    assert pairs(at_most=2, least_score=4) == {"bc"}
    asked = built(project, pairs_from_ratings=1, band={"at_most": 2})
    assert asked.manifest["query"]["band"] == {"at_most": 2.0}
    assert "band" not in built(project, pairs_from_ratings=1).manifest["query"]
    for query, says in (
        ({"band": {"at_most": 2}}, "give pairs_from_ratings"),
        ({"pairs_from_ratings": 2, "band": {"at_most": 1}}, "below its least difference"),
        ({"pairs_from_ratings": 1, "band": {"most": 1}}, "Unknown part of the band"),
        ({"pairs_from_ratings": 1, "band": {"at_most": "2"}}, "a number from 0"),
    ):
        with pytest.raises(InvalidInput, match=says):
            built(project, **query)


def test_pairs_from_ratings_are_refused_elsewhere(project: Project, pair: Instance) -> None:
    for query, says in (
        ({"pairs_from_ratings": 1}, "is not scored"),
        ({"pairs_from_ratings": 0, "criterion": "tone"}, "least difference"),
        ({"pairs_from_ratings": "2", "criterion": "tone"}, "least difference"),
    ):
        with pytest.raises(InvalidInput, match=says):
            built(project, **query)
    assert not Snapshot.objects.exists()


def test_splits_of_ratings_are_by_prompt(media: Path) -> None:
    project = make_project(kind="binary", criteria=[("good", "Good", "")])
    person = make_annotator(project)
    for number in range(10):
        instance = make_instance(project, prompt=f"Question {number // 2}?")
        label(instance, person, "good", scores=[1, 0])
    found = rows(built(project, splits={"test": 0.4}), media, "unpaired")
    by_split = {
        name: {row["prompt_hash"] for row in found if row["split"] == name}
        for name in ("train", "test")
    }
    assert (len(by_split["train"]), len(by_split["test"])) == (3, 2)
    assert not by_split["train"] & by_split["test"]


def test_partial_ranks_are_kept(media: Path) -> None:
    project = make_project(kind="listwise")
    instance = make_instance(project, ("a", "b", "c", "d"))
    label(instance, make_annotator(project), "overall", (1, 2, 3, 3), unranked=[2, 3])
    (row,) = rows(built(project), media, "listwise")
    assert (row["ranking"], row["unranked"]) == ([1, 2, 3, 3], [2, 3])
    (noted,) = rows(built(project), media, "annotations")
    assert noted["unranked"] == [2, 3]


def joint(opening: list[dict[str, str]]) -> Snapshot:
    """A pair whose sides begin alike and go on with a question of their own."""
    project = make_project()
    instance = make_instance(project, ("spring", "autumn"))
    for completion in instance.completions.all():
        own = {"role": "user", "content": f"About {completion.text}?"}
        completion.messages = [*opening, own]
        completion.save()
    edit = {"edit": {"position": 1, "text": "late autumn"}}
    label(instance, make_annotator(project), "overall", (2, 1), attributes=edit)
    return built(project)


def test_each_side_of_a_joint_comparison_carries_its_own_prompt(media: Path) -> None:
    snapshot = joint([])
    (row,) = rows(snapshot, media, "pairs")
    assert json.loads(row["prompt_a"])[0]["content"] == "About spring?"
    assert json.loads(row["prompt_b"])[0]["content"] == "About autumn?"
    (row,) = rows(snapshot, media, "edits")
    assert row["prompt"][0]["content"] == "About autumn?"
    assert row["rejected"] is None
    # Neither format has a place for two prompts.
    for shape in ("trl", "multipref"):
        with pytest.raises(InvalidInput, match=shape):
            rows(snapshot, media, shape)


def test_a_conversation_of_several_turns_is_divided_where_the_sides_part(media: Path) -> None:
    (row,) = rows(joint([{"role": "user", "content": "Hello"}]), media, "trl")
    assert [turn["content"] for turn in row["prompt"]] == ["Hello"]
    assert [turn["content"] for turn in row["chosen"]] == ["About autumn?", "autumn"]
    assert [turn["content"] for turn in row["rejected"]] == ["About spring?", "spring"]


def test_parts_documents_and_system_prompts_come_along(media: Path) -> None:
    project = make_project()
    instance = make_instance(project, ("", ""), context=[{"title": "Source", "text": "It says."}])
    picture = {"type": "image", "url": "https://example.org/a.png", "alt": "a hill"}
    instance.messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Like this?"}, picture]},
    ]
    instance.save()
    instance.completions.filter(position=0).update(parts=[picture])
    label(instance, make_annotator(project), "overall", (1, 2))
    snapshot = built(project)
    (row,) = rows(snapshot, media, "pairs")
    assert json.loads(row["prompt"])[1]["content"][1] == picture
    assert json.loads(row["parts_a"]) == [picture]
    assert json.loads(row["context"])[0]["title"] == "Source"
    (row,) = rows(snapshot, media, "trl")
    assert row["prompt"][0] == {"role": "system", "content": "Be brief."}
    assert "a hill" in row["prompt"][1]["content"]


def test_an_old_snapshot_says_what_to_do(project: Project, pair: Instance, media: Path) -> None:
    snapshot = built(project)
    (media / snapshot.folder / "instances.parquet").unlink()
    with pytest.raises(NotFound, match="build a new one"):
        export(snapshot=snapshot, shape="ratings", format="csv")
    assert rows(snapshot, media, "annotations")
