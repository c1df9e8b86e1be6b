"""A project whose people like lists and whose judge likes length, planted."""

import random

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.services import create_judge
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion
from tests.factories import make_annotation, make_annotator, make_instance


def planted(project: Project, pairs: int = 120) -> list[Instance]:
    """One completion has a list, one is longer, each by lot. People go with the list 9 times of
    10, the judge with the longer one 9 times of 10; on `style` people go the other way."""
    rng = random.Random(0)
    style = Criterion.objects.create(project=project, key="style", name="Style", position=1)
    people = [make_annotator(project, kind="import", cohort="crew") for _ in range(2)]
    judge = create_judge(project=project, name='=critic<b>"', model="gpt-4o").annotator
    instances = []
    for place in range(pairs):
        listed, longer = rng.random() < 0.5, rng.random() < 0.5
        instance = make_instance(
            project,
            [_text(rng, listed, longer), _text(rng, not listed, not longer)],
            prompt=f"Which sail, and why? {place // 2}",
            tags=["kind:even" if place % 4 < 2 else "kind:odd"],
        )
        for person in people:
            _says(rng, instance, person, listed)
            _says(rng, instance, person, not listed, style)
        _says(rng, instance, judge, longer)
        instances.append(instance)
    return instances


def _text(rng: random.Random, listed: bool, longer: bool) -> str:
    lines = [
        " ".join(f"w{rng.randrange(10**6)}" for _ in range(12)) + "."
        for _ in range(6 if longer else 3)
    ]
    return "\n".join(f"- {line}" if listed else line for line in lines)


def _says(
    rng: random.Random,
    instance: Instance,
    annotator: Annotator,
    first: bool,
    criterion: Criterion | None = None,
) -> None:
    right = rng.random() < 0.9
    ranking = [1, 2] if first == right else [2, 1]
    make_annotation(instance, annotator, ranking, criterion, shown_order=rng.sample([0, 1], 2))
