"""The report on the real files: the agreement that ../shared/data/README.md prints."""

from pathlib import Path
from typing import Any

import pytest

from annotation.instances.models import Instance
from annotation.instances.reading import read_records
from annotation.instances.services import import_records
from annotation.judges.report.services import measure
from annotation.judges.services import ask, ensure_recorded
from annotation.labels.services import reveal
from annotation.projects.selectors import main_criterion
from tests.factories import make_project

NORM = Path(__file__).resolve().parents[3] / "shared" / "data" / "norm"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.shared,
    pytest.mark.skipif(not NORM.is_dir(), reason="needs ../shared/data beside the checkout"),
]


def reported(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the criterion's figures, those of each judge by name) after import, asking and measuring."""
    project = make_project()
    import_records(project=project, lines=read_records(NORM / name), reveal=False)
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
    return round(100 * (share["value"] if isinstance(share, dict) else share), 1)


def test_crowdrag25_as_printed() -> None:
    found, judges = reported("crowdrag25_pairs.jsonl")
    people = found["people"]
    assert (points(people["exact"]), people["votes"]) == (58.2, 15375)
    assert points(people["strict"]) == 58.2
    assert round(people["alpha"], 3) == 0.164
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
    printed = {"gpt-4": (44.6, 74.6, 1043, 66.2), "gpt-3.5-turbo-instruct": (37.7, 63.1, 971, 60.1)}
    for name, (exact, strict, labels, alone) in printed.items():
        replies = judges[name]["all"]["replies"]
        assert points(replies["exact"]) == exact
        assert (points(replies["strict"]), replies["strict"]["labels"]) == (strict, labels)
        assert points(replies["alone"]) == alone
    # One order only: the verdict is the reply, and 13 prompts are few.
    assert judges["gpt-4"]["all"]["verdicts"]["strict"]["prompts"] == 13
