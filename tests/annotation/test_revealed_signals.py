"""Labels of judges that an import revealed leave the signals that asking would have left."""

from typing import Any

import pytest

from annotation.instances.models import Signal
from annotation.judges.revealed import write_revealed
from annotation.judges.services import ask, ensure_recorded
from annotation.labels.services import reveal
from annotation.projects.selectors import main_criterion
from routing.features.project import feature_table
from tests.factories import make_instance, make_project, make_recorded_label

pytestmark = pytest.mark.django_db


def recorded() -> Any:
    """A judge in both orders on two pairs, one of them flipped, and once on a third."""
    project = make_project()
    for first, second in (([1, 2], [1, 2]), ([1, 2], [2, 1])):
        instance = make_instance(project)
        for ordinal, (ranking, order) in enumerate(((first, [0, 1]), (second, [1, 0]))):
            make_recorded_label(
                instance,
                ranking,
                origin="judge",
                annotator="critic",
                ordinal=ordinal,
                shown_order=order,
            )
    make_recorded_label(make_instance(project), [2, 1], origin="judge", annotator="critic")
    return project


def signals() -> set[tuple[int, str, float]]:
    rows = Signal.objects.values_list("instance__pk", "name", "value")
    first = min(pk for pk, _, _ in rows)
    return {(pk - first, name, round(value, 9)) for pk, name, value in rows}


def test_they_are_those_of_asking() -> None:
    asked, revealed = recorded(), recorded()
    (judge,) = ensure_recorded(project=asked)
    ids = list(asked.instances.values_list("pk", flat=True))
    ask(judge=judge, instance_ids=ids, criterion=main_criterion(asked))
    by_asking = signals()
    Signal.objects.all().delete()

    reveal(instances=revealed.instances.all(), origin="judge")
    ensure_recorded(project=revealed)
    assert write_revealed(project=revealed) == 3
    assert signals() == by_asking
    assert {name for _, name, _ in by_asking} == {
        "judge_p:critic",
        "judge_gap:critic",
        "judge_flip:critic",
    }
    assert write_revealed(project=revealed) == 0


def test_features_know_them() -> None:
    project = recorded()
    reveal(instances=project.instances.all(), origin="judge")
    (judge,) = ensure_recorded(project=project)
    write_revealed(project=project)
    ids = list(project.instances.order_by("pk").values_list("pk", flat=True))
    found = feature_table(project, ids, judge=judge)
    assert found.judge[0] > 0.5
    assert found.judge[1] == pytest.approx(0.5)
    assert found.judge[2] < 0.5
    flip = found.table.column("judge_flip")
    assert flip is not None
    assert flip[:2].tolist() == [0.0, 1.0]


def test_what_stays_hidden_leaves_no_signal() -> None:
    project = recorded()
    ensure_recorded(project=project)
    assert write_revealed(project=project) == 0
    assert not Signal.objects.exists()
