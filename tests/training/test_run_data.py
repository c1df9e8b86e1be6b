"""The rows a run trains on: modes, filters and their counts, weights, noise; and they stay."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings

from accounts.models import Project
from annotation.datasets.files import INSTANCES, LABELS, ROWS, ParquetFile
from annotation.datasets.models import Snapshot
from annotation.instances.models import Instance, Signal
from core.exceptions import InvalidInput
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from training.batching.rows import read_rows
from training.runs import data, services
from training.runs.preparing.noise import other_rate, own_rate
from training.runs.preparing.options import data_options

pytestmark = pytest.mark.django_db
ROW = dict.fromkeys(ROWS.names)
LABEL = dict.fromkeys(LABELS.names)


def label(instance: str, annotator: str, **values: Any) -> dict[str, Any]:
    about = {"instance_id": instance, "criterion": "overall", "annotator": annotator}
    plain = {"kind": "person", "simulated": False, "purpose": "label", "attributes": "{}"}
    empty = {"ranking": [], "unranked": [], "scores": [], "reasons": [], "excluded": False}
    return LABEL | about | plain | empty | values


def case(number: int, completions: int = 2, split: str = "train") -> dict[str, Any]:
    texts: list[dict[str, Any]] = [
        {"text": f"answer {place}", "parts": [], "messages": None, "generator": "g", "licence": ""}
        for place in range(completions)
    ]
    return {
        "instance_id": f"i{number:03}",
        "split": split,
        "prompt_hash": f"p{number}",
        "messages": json.dumps([{"role": "user", "content": f"Question {number}?"}]),
        "context": "[]",
        "completions": json.dumps(texts),
        "metadata": "{}",
        "tags": [f"domain:{'maths' if number % 2 else 'law'}"],
    }


def consensus(instance: dict[str, Any], p: float, **values: Any) -> dict[str, Any]:
    completions = [each["text"] for each in json.loads(instance["completions"])]
    return (
        ROW
        | {name: instance[name] for name in ("instance_id", "prompt_hash")}
        | {"prompt": instance["messages"], "completions": completions, "score": [p, 1 - p]}
        | {"pair_p": p, "weight": 1.0, "margin": 0.0, "source": "human", "unranked": []}
        | {"generators": ["g", "g"], "licences": ["", ""], "own_prompts": [None, None]}
        | values
    )


def snapshot_of(
    project: Project,
    instances: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    *,
    asks: str = "pairwise",
    beside: tuple[str, ...] = (),
) -> Snapshot:
    """A snapshot whose files hold these rows; `beside` are rated criteria."""
    folder = Path(settings.MEDIA_ROOT) / "snapshots" / f"{asks}-{len(rows)}-{len(labels)}"
    folder.mkdir(parents=True)
    for name, schema, content in (
        ("train", ROWS, rows),
        ("instances", INSTANCES, instances),
        ("annotations", LABELS, labels),
    ):
        file = ParquetFile(folder / f"{name}.parquet", schema)
        file.write(content)
        file.close()
    criteria = [{"key": "overall", "asks": asks}]
    criteria += [{"key": key, "asks": "rating"} for key in beside]
    return Snapshot.objects.create(
        project=project,
        content_hash=folder.name,
        query={},
        manifest={
            "query": {"criterion": "overall", "pairs_from_ratings": None},
            "criteria": criteria,
        },
        folder=f"snapshots/{folder.name}",
    )


def prepared_rows(snapshot: Snapshot, **options: Any) -> list[dict[str, Any]]:
    run = services.create_run(
        project=snapshot.project, kind="reward", snapshot=snapshot, options=OPTIONS | options
    )
    return list(pq.read_table(data.prepare(run)["train"]).to_pylist())


def ten(project: Project, **values: Any) -> Snapshot:
    """Ten pairs whose labels agree ever more, with one label each."""
    instances = [case(number) for number in range(10)]
    rows = [consensus(each, 0.5 + k / 20, **values) for k, each in enumerate(instances)]
    labels = [
        label(each["instance_id"], "Ada", ranking=[1, 2], propensity=0.1 * (k + 1))
        for k, each in enumerate(instances)
    ]
    return snapshot_of(project, instances, labels, rows)


def test_filters_say_after_each_step_how_many_pairs_are_left() -> None:
    project = make_project()
    snapshot = ten(project)
    for number in range(6):
        instance = Instance.objects.create(
            project=project,
            external_id=f"i{number:03}",
            content_hash=str(number),
            prompt_hash=f"p{number}",
            messages=[],
        )
        # An older version says otherwise; the newest counts.
        for version, value in (("v1", 99.0), ("v2", float(number))):
            Signal.objects.create(
                instance=instance, name="difficulty", version=version, value=value
            )
    filters = {"tags": ["domain:maths"], "agreement": [0.6, None], "difficulty": [None, 4]}
    found = data.preview(snapshot, {"filters": filters, "preset": "bt"})
    # The first of ten is a tie. Odd ones are maths; 1 agrees at 0.55; 5 is too hard; 7, 9 unknown.
    assert [(s.name, s.left, s.rows) for s in found.steps] == [
        ("all", 9, 10),
        ("tags", 5, 5),
        ("agreement", 4, 4),
        ("difficulty", 3, 3),
    ]
    assert (found.rows, found.pairs, found.prompts) == (3, 3, 3)
    strict = data.preview(snapshot, {"filters": filters | {"unknown": "drop"}})
    assert strict.rows == 1
    hardest = data.preview(snapshot, {"filters": {"hardest": 0.5}})
    assert hardest.rows == 7
    rows = prepared_rows(snapshot, filters=filters)
    assert [(row["instance_id"], row["signal_difficulty"]) for row in rows[:1]] == [("i003", 3.0)]
    assert rows[0]["tags"] == ["domain:maths"]


def test_prepared_rows_stay_as_they_were_whatever_signals_say_later() -> None:
    snapshot = ten(make_project())
    run = services.create_run(
        project=snapshot.project,
        kind="reward",
        snapshot=snapshot,
        options=OPTIONS | {"filters": {"difficulty": [None, 0]}},
    )
    first = data.prepare(run)
    instance = Instance.objects.create(
        project=snapshot.project,
        external_id="i003",
        content_hash="3",
        prompt_hash="p3",
        messages=[],
    )
    Signal.objects.create(instance=instance, name="difficulty", version="v1", value=5.0)
    written = Path(first["train"]).read_bytes()
    assert data.prepare(run) == first
    assert Path(first["train"]).read_bytes() == written
    assert data.preview(snapshot, {"filters": {"difficulty": [None, 0]}}).rows == 9


def test_annotators_mode_has_a_row_per_label_with_its_annotator_ratings_and_margin() -> None:
    instances = [case(0, 3), case(1)]
    labels = [
        label("i000", "Ada", ranking=[1, 2, 3]),
        label("i000", "Ada", criterion="kind", scores=[5, None, 1]),
        label("i000", "Bea", ranking=[2, 1, 3], unranked=[2], kind="judge"),
        label("i001", "Ada", ranking=[2, 1], strength=2.0, simulated=True),
        label("i001", "Gil", ranking=[1, 2], purpose="gold"),
    ]
    snapshot = snapshot_of(make_project(), instances, labels, [], beside=("kind",))
    rows = prepared_rows(snapshot, data_mode="annotators")
    assert [(r["annotator"], r["source"], r["score"]) for r in rows] == [
        ("Ada", "human", [1.0, 0.5, 0.0]),
        ("Bea", "judge", [0.5, 1.0, 0.0]),
        ("Ada", "simulated-human", [0.0, 1.0]),
    ]
    assert rows[0]["attributes"] == '{"kind":[5.0,null,1.0]}'
    assert rows[1]["attributes"] is None
    assert (rows[1]["unranked"], rows[2]["pair_p"], rows[2]["margin"]) == ([2], 0.0, 2.0)
    assert rows[0]["completions"] == ["answer 0", "answer 1", "answer 2"]
    assert json.loads(rows[2]["prompt"]) == [{"role": "user", "content": "Question 1?"}]
    preview = data.preview(snapshot, {"data_mode": "annotators"})
    assert (preview.rows, preview.pairs, preview.prompts) == (3, 5, 2)


def test_thumbs_become_rows_of_one_completion() -> None:
    labels = [
        label("i000", "Ada", scores=[1, 0, 1]),
        label("i000", "Bea", scores=[1, 0, 0]),
    ]
    snapshot = snapshot_of(make_project(), [case(0, 3)], labels, [], asks="binary")
    rows = prepared_rows(snapshot)
    assert [(row["completions"], row["score"]) for row in rows] == [
        (["answer 0"], [1.0]),
        (["answer 1"], [0.0]),
    ]
    own = data.preview(snapshot, {"data_mode": "annotators"})
    assert (own.rows, own.pairs, own.steps[0].left) == (6, 0, 6)


def test_weights_are_inverse_propensities_capped_and_of_mean_one() -> None:
    rows = prepared_rows(ten(make_project()), weight_by="propensity", weight_cap=5.0)
    weights = [row["weight"] for row in rows]
    assert sum(weights) == pytest.approx(10)
    # 1/0.1 is capped at 5; the last was certain.
    assert weights[0] / weights[9] == pytest.approx(5)
    assert weights[4] / weights[9] == pytest.approx(2)


def test_noise_rates_come_from_instances_that_several_labelled() -> None:
    instances = [case(number) for number in range(100)]
    labels = []
    for number, each in enumerate(instances):
        name = each["instance_id"]
        labels.append(label(name, "Ada", ranking=[1, 2]))
        labels.append(label(name, "Bea", ranking=[2, 1] if number < 18 else [1, 2]))
        labels.append(label(name, "judge", kind="judge", ranking=[2, 1] if number < 34 else [1, 2]))
    rows = [consensus(each, 1.0) for each in instances]
    snapshot = snapshot_of(make_project(), instances, labels, rows)
    run = services.create_run(
        project=snapshot.project,
        kind="reward",
        snapshot=snapshot,
        options=OPTIONS | {"noise": "estimated", "preset_options": {"noise": {"both": 0.2}}},
    )
    prepared = data.prepare(run)
    # 18 % of two people's labels differ: each is wrong in 10 %. The judge differs from Ada in
    # 34 %, from Bea in 16 %: 25 % on average.
    assert prepared["noise"] == {"human": 0.1, "judge": pytest.approx((0.25 - 0.1) / 0.8)}
    config = data.prepared_config(run, prepared)
    assert config["preset_options"]["noise"] == prepared["noise"] | {"both": 0.2}
    assert own_rate(2 * 0.3 * 0.7) == pytest.approx(0.3)
    assert other_rate(0.3 + 0.2 - 2 * 0.3 * 0.2, 0.3) == pytest.approx(0.2)
    with pytest.raises(InvalidInput, match="cannot be estimated"):
        prepared_rows(ten(snapshot.project), noise="estimated")


def test_a_file_without_labels_is_prepared_as_it_is() -> None:
    snapshot = make_snapshot(make_project())
    run = services.create_run(
        project=snapshot.project, kind="reward", snapshot=snapshot, options=OPTIONS
    )
    prepared = data.prepare(run)
    assert prepared["counts"]["rows"] == 40
    before = read_rows(Path(settings.MEDIA_ROOT) / snapshot.folder / "train.parquet")
    assert read_rows(Path(prepared["train"])) == before
    assert len(read_rows(Path(prepared["eval"]))) == 24
    with pytest.raises(InvalidInput, match=r"no annotations\.parquet"):
        data.preview(snapshot, {"data_mode": "annotators"})


def test_what_no_row_survives_is_refused_with_the_filter_that_was_too_narrow() -> None:
    with pytest.raises(InvalidInput, match="after 'agreement' none is left"):
        prepared_rows(ten(make_project()), filters={"agreement": [0.99, None]})


@pytest.mark.parametrize(
    "options",
    [
        {"data_mode": "all"},
        {"filters": {"luck": 1}},
        {"filters": {"agreement": [0.9, 0.1]}},
        {"filters": {"agreement": [True, None]}},
        {"filters": {"difficulty": 3}},
        {"filters": {"hardest": 1.5}},
        {"filters": {"sources": "human"}},
        {"filters": [1]},
        {"weight_cap": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        data_options(options)


def test_options_are_read_back_from_what_is_kept_of_them() -> None:
    options = {
        "data_mode": "annotators",
        "weight_by": "agreement",
        "filters": {"agreement": [0.6, None], "hardest": 0.2, "without": ["a:b"]},
    }
    kept = data_options(options)
    assert data_options(json.loads(json.dumps(kept.as_json()))) == kept
    assert data_options({}).as_json() == {}


def test_preview_of_a_hundred_thousand_rows_takes_seconds(tmp_path: Path) -> None:
    import time

    snapshot = make_snapshot(make_project(), train=2, test=2)
    path = Path(settings.MEDIA_ROOT) / snapshot.folder / "train.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table] * 50_000), path)
    begun = time.process_time()
    found = data.preview(snapshot, {"filters": {"agreement": [0.6, None]}})
    assert found.rows == 100_000
    assert time.process_time() - begun < 10
