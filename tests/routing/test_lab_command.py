"""The replay lab from the command line: a project by its slug, the folder, leaving one out."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.judges.services import create_judge
from routing.features.extractors import recipe
from routing.features.models import Embedding
from routing.features.signals import with_judge
from routing.lab import leave_one_out as left
from routing.lab import printing
from routing.lab.dual import DualSet
from routing.lab.plan import Options
from routing.lab.replay import CONSENSUS, Asked
from tests.factories import make_instance, make_project, make_recorded_label
from tests.routing import planted

FAST = ["--judge", "critic", "--budget", "0.5", "--seeds", "2", "--arm", "learned"]


@pytest.fixture
def project() -> Project:
    """Two people and two judges on 72 pairs with embeddings; `critic` errs on a third."""
    project = make_project("lab", slug="lab")
    rng = np.random.default_rng(0)
    for number in range(72):
        instance = make_instance(project, prompt=f"Question {number % 36}")
        Completion.objects.filter(instance=instance, position=0).update(generator="ada")
        side = [1, 2] if rng.random() < 0.5 else [2, 1]
        for person in ("ann", "bea"):
            make_recorded_label(instance, annotator=person, ranking=side)
        for judge, error in (("critic", 1 / 3), ("other", 0.1)):
            said = side[::-1] if rng.random() < error else side
            make_recorded_label(instance, annotator=judge, origin="judge", ranking=said)
        first = rng.normal(size=8) + (1 if side == [1, 2] else -1)
        vectors = np.stack([first, np.zeros(8)]).astype("<f2").tobytes()
        Embedding.objects.create(
            instance=instance, extractor=recipe("e", "1"), vectors=vectors, dimensions=8
        )
    for name in ("critic", "other"):
        create_judge(project=project, name=name, model=name)
    return project


@pytest.mark.django_db
def test_a_project_is_replayed_at_both_levels_into_a_folder(
    project: Project, tmp_path: Path
) -> None:
    out, folder = io.StringIO(), tmp_path / "replay"

    call_command("replay_lab", "lab", *FAST, "--truth", CONSENSUS, "--out", str(folder), stdout=out)

    (found,) = json.loads((folder / "replay.json").read_text())
    assert (found["source"], found["judge"], found["instances"]) == ("lab", "critic", 72)
    assert {point["key"] for point in found["points"]} >= {"learned", "random", "oracle"}
    accuracy = {p["key"]: p["model_accuracy"]["value"] for p in found["points"]}
    # Embeddings say which side people prefer: a head on their labels finds it.
    assert accuracy["all-human"] > 0.8
    rows = list(csv.DictReader(io.StringIO((folder / "replay.csv").read_text())))
    assert {(row["source"], row["judge"]) for row in rows} == {("lab", "critic")}
    assert len(rows) == len(found["points"])
    printed = (folder / "replay.txt").read_text()
    assert found["sensitivity"]["sentence"] in printed
    assert out.getvalue() == printed


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["nowhere"], "no file and no project nowhere"),
        (["lab", "--leave-one-out"], "at least two sources"),
    ],
)
def test_what_cannot_be_replayed_is_said(project: Project, asked: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("replay_lab", *asked, "--no-embeddings", stdout=io.StringIO())


def doubted(rng_seed: int) -> DualSet:
    """Planted instances, on which the judge sometimes flips."""
    dual = planted.dual(120, rng_seed=rng_seed)
    flip = (np.random.default_rng(rng_seed).random(len(dual)) < 0.2).astype(float)
    return replace(dual, features=with_judge(dual.features, dual.judge, flip))


def test_what_is_chosen_never_saw_the_set_it_is_reported_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(left, "SPREADS", (1.0,))
    monkeypatch.setattr(left, "BELIEFS", (0.0, 1.0))
    options = Options(folds=5, seed_floor=50, seed_limit=300, resamples=100)
    asked = Asked(budgets=(0.25,), seeds=2, truth=CONSENSUS, options=options)
    one, two = doubted(0), doubted(1)
    # In the second set people say the opposite of everything: its figures choose otherwise.
    turned = replace(two, votes=tuple(tuple(1 - v for v in votes) for votes in two.votes))

    usual = {row.source: row for row in left.leave_one_out({"one": [one], "two": [two]}, asked)}
    other = {row.source: row for row in left.leave_one_out({"one": [one], "two": [turned]}, asked)}

    assert usual["two"].belief == other["two"].belief
    assert usual["one"].usual == other["one"].usual
    shown = printing.left_out(list(usual.values()), 0.25)
    assert len(shown.splitlines()) == 4
