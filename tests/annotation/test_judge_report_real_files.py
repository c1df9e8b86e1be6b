"""The report on the real files: the agreement that ../shared/data/README.md prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.instances.models import Instance
from annotation.instances.readers import read_rows
from annotation.instances.services import import_records
from annotation.judges.report.scopes import among_people, descriptive
from annotation.judges.report.services import measure
from annotation.judges.report.units import Reply, Unit, side_of
from annotation.judges.services import ask, ensure_recorded
from annotation.labels.services import reveal
from annotation.projects.selectors import main_criterion
from tests.factories import make_project

NORM = Path(__file__).resolve().parents[3] / "shared" / "data" / "norm"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not NORM.is_dir(), reason="needs ../shared/data beside the checkout"),
]


def reported(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the criterion's figures, those of each judge by name) after import, asking and measuring."""
    project = make_project()
    import_records(project=project, lines=read_rows(NORM / name), reveal=False)
    everything = Instance.objects.filter(project=project)
    reveal(instances=everything, origin="human")
    criterion = main_criterion(project)
    for judge in ensure_recorded(project=project):
        ids = list(everything.order_by("pk").values_list("pk", flat=True))
        ask(judge=judge, instance_ids=ids, criterion=criterion)
    figures = measure(project).figures
    (found,) = figures["criteria"]
    names = {pk: row["name"] for pk, row in figures["judges"].items()}
    return found, {names.get(pk, pk): row for pk, row in found["judges"].items()}


def points(share: Any) -> float:
    return float(round(100 * (share["value"] if isinstance(share, dict) else share), 1))


def test_crowdrag25_as_printed() -> None:
    found, judges = reported("crowdrag25_pairs.jsonl")
    people = found["people"]
    assert (points(people["exact"]), people["votes"]) == (58.2, 15375)
    assert points(people["strict"]) == 58.2
    assert round(people["alpha"], 3) == 0.164
    assert points(people["longest"]) == 64.8
    printed = {
        "gpt-4o/combined": (65.0, 65.0, 446, 58.7, 15.7),
        "gpt-4o/individual": (54.5, 56.2, 432, 55.3, 7.5),
    }
    for name, (exact, strict, labels, alone, flips) in printed.items():
        replies = judges[name]["all"]["replies"]
        assert points(replies["exact"]) == exact
        assert (points(replies["strict"]), replies["strict"]["labels"]) == (strict, labels)
        assert points(replies["alone"]) == alone
        assert points(judges[name]["consistency"]["flips"]) == flips


def test_llmfao_as_printed() -> None:
    found, judges = reported("llmfao.jsonl")
    people = found["people"]
    assert (points(people["exact"]), points(people["strict"])) == (53.2, 70.1)
    assert (people["votes"], people["strict_votes"]) == (15112, 6755)
    assert round(people["alpha"], 3) == 0.291
    assert points(people["longest"]) == 32.9
    printed = {"gpt-4": (44.6, 74.6, 1043, 66.2), "gpt-3.5-turbo-instruct": (37.7, 63.1, 971, 60.1)}
    for name, (exact, strict, labels, alone) in printed.items():
        replies = judges[name]["all"]["replies"]
        assert points(replies["exact"]) == exact
        assert (points(replies["strict"]), replies["strict"]["labels"]) == (strict, labels)
        assert points(replies["alone"]) == alone
    # One order only: the verdict is the reply, and 13 prompts are few.
    assert judges["gpt-4"]["all"]["verdicts"]["strict"]["prompts"] == 13


def test_pandalm_as_printed_but_for_the_pairs_that_repeat_another() -> None:
    """99 of 999 pairs repeat prompt and completions of another: the project holds them once."""
    found, judges = reported("pandalm_testset.jsonl")
    people = found["people"]
    assert points(people["exact"]) == pytest.approx(92.0, abs=0.5)
    assert points(people["strict"]) == pytest.approx(94.7, abs=0.5)
    for name, strict in (("gpt-3.5-turbo", 81.5), ("pandalm-7b", 77.5)):
        replies = judges[name]["all"]["replies"]
        assert points(replies["strict"]) == pytest.approx(strict, abs=1.0)


@pytest.mark.parametrize(
    ("name", "judge", "exact", "strict", "labels"),
    [
        ("pandalm_testset.jsonl", "gpt-3.5-turbo", 71.6, 81.5, 849),
        ("pandalm_testset.jsonl", "pandalm-7b", 66.8, 77.5, 819),
        ("llmfao.jsonl", "gpt-4", 44.6, 74.6, 1043),
        ("crowdrag25_pairs.jsonl", "gpt-4o/combined", 65.0, 65.0, 446),
    ],
)
def test_the_figures_alone_on_every_line_of_a_file(
    name: str, judge: str, exact: float, strict: float, labels: int
) -> None:
    """Without an import: pandalm's repeated pairs count as often as they stand in the file."""
    units, votes = [], []
    for place, line in enumerate(map(json.loads, (NORM / name).read_text("utf-8").splitlines())):
        people = tuple(share(said["ranking"]) for said in line["human"])
        votes.append(people)
        replies = tuple(
            Reply(side_of(share(said["ranking"]))) for said in line["ai"] if said["judge"] == judge
        )
        if replies:
            prompt = json.dumps(line["prompt"])
            units.append(Unit(place, prompt, 0.5, 0, people=people, replies=replies))
    replied = descriptive(units)["replies"]
    assert points(replied["exact"].value) == exact
    assert (points(replied["strict"].value), replied["strict"].labels) == (strict, labels)
    printed = {"pandalm_testset.jsonl": (92.0, 94.7, 2997, 0.864)}
    if name in printed:
        people_said = among_people(votes)
        assert (points(people_said["exact"]), points(people_said["strict"])) == printed[name][:2]
        assert (people_said["votes"], round(people_said["alpha"], 3)) == printed[name][2:]


def share(ranking: list[int]) -> float:
    return 0.5 if ranking[0] == ranking[1] else float(ranking[0] < ranking[1])
