"""Every shape in every format, read back; safe in a spreadsheet; marked where simulated."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.formats.texts import cells_of
from annotation.datasets.models import Export, Snapshot
from annotation.datasets.services import build_snapshot
from core.exceptions import InvalidInput, NotFound
from core.spreadsheets import as_written
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
FORMULA = '=HYPERLINK("http://example.org","x")'


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def snapshot() -> Snapshot:
    """Three pairs: the second wins, a tie, and one with a formula that a simulated judge liked."""
    project = make_project()
    person = make_annotator(project, "Maria Example", kind="import")
    judge = make_annotator(project, kind="judge", simulated=True)
    make_annotation(
        make_instance(project, ("bad", "good"), external_id="x1"), person, (2, 1), rationale="-1+1"
    )
    make_annotation(make_instance(project, ("same", "equal"), external_id="x2"), person, (1, 1))
    make_annotation(make_instance(project, (FORMULA, "plain"), external_id="x3"), judge, (1, 2))
    update(project=project)
    return build_snapshot(project=project, query={})


def read(made: Export, media: Path) -> pd.DataFrame:
    path = media / made.path
    if made.format == "jsonl":
        return pd.read_json(path, lines=True)
    if made.format == "csv":
        return pd.read_csv(path)
    return pd.read_parquet(path)


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(
    ("shape", "rows"), [("pairs", 3), ("listwise", 3), ("trl", 2), ("annotations", 3)]
)
def test_every_shape_and_format_reads_back(
    snapshot: Snapshot, media: Path, shape: str, rows: int, file_format: str
) -> None:
    made = export(snapshot=snapshot, shape=shape, format=file_format)
    frame = read(made, media)
    assert len(frame) == made.rows == rows
    assert set(frame["snapshot"]) == {snapshot.content_hash}
    marked = dict(zip(frame["instance_id"], frame["simulated"], strict=True))
    assert marked.get("x3") in (True, None)
    assert bool(marked["x1"]) is False
    data = (media / made.path).read_bytes()
    assert (made.bytes, made.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_trl_rows_are_conversations_with_the_better_one_chosen(
    snapshot: Snapshot, media: Path
) -> None:
    frame = read(export(snapshot=snapshot, shape="trl", format="jsonl"), media)
    row = frame[frame["instance_id"] == "x1"].iloc[0]
    assert row["prompt"][0]["role"] == "user"
    assert row["chosen"] == [{"role": "assistant", "content": "good"}]
    assert row["rejected"] == [{"role": "assistant", "content": "bad"}]
    assert (row["score_chosen"], row["score_rejected"], row["p"]) == (1, 0, 1)
    other = read(export(snapshot=snapshot, shape="trl", format="parquet"), media)
    assert list(other["chosen"][0]) == frame["chosen"][0]


def test_csv_runs_no_formula(snapshot: Snapshot, media: Path) -> None:
    for shape in ("pairs", "annotations"):
        made = export(snapshot=snapshot, shape=shape, format="csv")
        with (media / made.path).open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
        assert ("'" + FORMULA in cells) == (shape == "pairs")
        assert ("'-1+1" in cells) == (shape == "annotations")


def test_safe_cells_are_undone_without_loss() -> None:
    texts = ["\tx", "fine = yes", "'quoted'", "'=1", "=1", "", "-"]
    cells = cells_of(pa.array(texts)).to_pylist()
    assert cells == ["'\tx", "fine = yes", "'quoted'", "''=1", "'=1", "", "'-"]
    assert [as_written(cell) for cell in cells] == texts
    assert cells_of(pa.array([-0.5])).to_pylist() == [-0.5]
    assert cells_of(pa.array([["é"], None])).to_pylist() == ['["é"]', None]


def test_annotators_are_pseudonyms(snapshot: Snapshot, media: Path) -> None:
    for file_format in ("jsonl", "csv"):
        made = export(snapshot=snapshot, shape="annotations", format=file_format)
        assert b"Maria" not in (media / made.path).read_bytes()


def test_listwise_ranks_share_ties(snapshot: Snapshot, media: Path) -> None:
    made = export(snapshot=snapshot, shape="listwise", format="jsonl")
    rows = [json.loads(line) for line in (media / made.path).read_text().splitlines()]
    assert [row["ranking"] for row in rows] == [[2, 1], [1, 1], [1, 2]]


def test_a_file_is_made_once_and_again_when_it_is_gone(snapshot: Snapshot, media: Path) -> None:
    made = export(snapshot=snapshot, shape="pairs", format="csv")
    assert export(snapshot=snapshot, shape="pairs", format="csv").pk == made.pk
    (media / made.path).unlink()
    again = export(snapshot=snapshot, shape="pairs", format="csv")
    assert (again.pk, again.sha256) == (again.pk, made.sha256)
    assert (media / again.path).is_file()


def test_unknown_shapes_and_lost_snapshots_are_refused(snapshot: Snapshot, media: Path) -> None:
    with pytest.raises(InvalidInput, match="pairs"):
        export(snapshot=snapshot, shape="cubes", format="csv")
    with pytest.raises(InvalidInput, match="jsonl"):
        export(snapshot=snapshot, shape="pairs", format="xlsx")
    (media / snapshot.folder).rename(media / "elsewhere")
    with pytest.raises(NotFound, match="build it again"):
        export(snapshot=snapshot, shape="pairs", format="csv")
    assert not Export.objects.exists()
    assert not list((media / "exports").rglob("*.*"))
