"""Judges to ask, and what they are asked about a pair."""

import math
from typing import Any

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.asking import Asker
from annotation.judges.models import Judge
from annotation.judges.prompting import create_prompt
from annotation.judges.services import create_judge
from annotation.projects.models import Criterion, Kind, Protocol
from annotation.projects.selectors import main_criterion
from tests.factories import make_project


def make_judge(project: Project, *, prompt: dict[str, Any] | None = None, **fields: Any) -> Judge:
    prices = {"price_per_1k_input_micros": 1000, "price_per_1k_output_micros": 4000}
    if prompt is not None:
        fields["prompt"] = create_prompt(project=project, name="p", **prompt)
    return create_judge(project=project, name="judge", model="some-model", **{**prices, **fields})


def asker(project: Project, **fields: Any) -> Asker:
    return Asker(make_judge(project, **fields), main_criterion(project))


def of_kind(kind: Kind, **fields: Any) -> Project:
    """A project whose one criterion is asked so."""
    project = make_project()
    Protocol.objects.filter(project=project).update(kind=kind)
    Criterion.objects.filter(project=project).update(**fields)
    return Project.objects.get(pk=project.pk)


def top(**shares: float) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]


def said(asked: Asker, instance: Instance) -> list[str]:
    return [question.messages[-1]["content"] for question in asked.questions([instance.pk])]
