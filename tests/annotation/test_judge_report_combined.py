"""The judge report regresses people's choice on what a judge says of every criterion."""

import random

import pytest

from annotation.judges.report.services import measure
from annotation.judges.services import create_judge
from annotation.projects.models import Criterion
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def test_the_criterion_that_people_go_by_has_the_weight() -> None:
    project = make_project(criteria=[("noise", "Noise", "?"), ("truth", "Truth", "?")])
    noise, truth = Criterion.objects.filter(project=project).order_by("position")
    judge = create_judge(project=project, name="j", provider="recorded", model="m")
    person, rng = make_annotator(project), random.Random(0)
    for _ in range(60):
        instance = make_instance(project)
        first = rng.random() < 0.5
        make_annotation(instance, person, (1, 2) if first else (2, 1), noise)
        for criterion, side in ((noise, rng.random() < 0.5), (truth, first)):
            make_annotation(
                instance,
                judge.annotator,
                (1, 2) if side else (2, 1),
                criterion,
                attributes={"verdict": {"p": 0.9 if side else 0.1}},
            )
    combined = measure(project).figures["criteria"][0]["judges"][str(judge.pk)]["combined"]
    weights = {row["criterion"]: row for row in combined["weights"]}
    assert weights["Truth"]["low"] > 0
    assert weights["Noise"]["low"] < 0 < weights["Noise"]["high"]
    assert combined["held_out"]["value"] > 0.9
