"""Files that routing keeps and hands out: damaged ones, formulas, and numbers that are none."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from core.exceptions import InvalidInput
from routing.decisions.models import Router
from routing.decisions.services import save_router
from routing.frontier.selectors import sheet_of, sheet_path
from routing.lab import printing
from routing.lab.replay import Point
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def make_router(**report: object) -> Router:
    return save_router(
        project=make_project(),
        strategy="random",
        parameters={"strategy": "random"},
        report=report,
        dual_labelled=0,
    )


def damage(path: Path, how: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "of others":
        np.savez(path, about=np.array('{"kind": "model"}'), money=np.zeros(3))
    elif how == "pickled":
        np.savez(path, about=np.array({"a": 1}, dtype=object))
    elif how == "no archive":
        np.save(path.with_suffix(".npy"), np.zeros(3))
        path.with_suffix(".npy").replace(path)
    elif how == "a folder":
        path.mkdir()
    else:
        np.savez(path, about=np.array("{}"), money=np.arange(10_000))
        whole = path.read_bytes()
        path.write_bytes(
            {"empty": b"", "half": whole[:300], "noise": b"\x50\x4b\x03\x04" * 99}[how]
        )


@pytest.mark.parametrize(
    "how", ["empty", "half", "noise", "of others", "pickled", "no archive", "a folder"]
)
def test_a_damaged_sheet_is_as_none(
    client: Client, settings: Any, how: str, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    router = make_router()
    damage(sheet_path(router), how)
    assert sheet_of(router) is None
    client.force_login(router.project.memberships.get().user)
    for name in ("frontier", "routing"):
        assert client.get(reverse(name, args=[router.project.slug])).status_code == 200


def test_a_figure_that_is_no_number_is_null_and_a_parameter_is_refused() -> None:
    router = make_router(rmse=float("nan"), curve=[{"r2": float("-inf"), "mixes": 3}], words="NaN")
    router.refresh_from_db()
    assert router.report == {"rmse": None, "curve": [{"r2": None, "mixes": 3}], "words": "NaN"}
    with pytest.raises(InvalidInput, match="no numbers"):
        save_router(
            project=router.project,
            strategy="learned",
            parameters={"weights": [0.1, float("nan")]},
            report={},
            dual_labelled=60,
        )
    assert Router.objects.count() == 1


def test_no_cell_of_a_replay_is_a_formula() -> None:
    point = Point("learned", "Learned", 0.1, None, None, 1, 2, 3)
    found = SimpleNamespace(judge='=cmd|"/c calc"!A1', truth="held out", points=[point])
    _head, row = csv.reader(io.StringIO(printing.table(found)))  # type: ignore[arg-type]
    assert row[0] == '\'=cmd|"/c calc"!A1'
