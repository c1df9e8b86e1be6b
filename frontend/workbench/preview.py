"""What a prompt would send about one instance, before it is kept. Writes no row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.judges.asking import Asker
from annotation.judges.models import Judge, Prompt
from annotation.judges.pricing import likely_tokens, price
from annotation.judges.providers.base import Question
from annotation.judges.workbench.people import LOOKED_AT, draw, tunable
from annotation.judges.workbench.trials import bases_of, draft_like
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of
from core.exceptions import ApplicationError

from .fields import number

# Instances offered, and tokens that a judge writes when it gives its reasons.
OFFERED = 20
REASONS = 200


@dataclass(frozen=True)
class Shown:
    """One question as it would be sent: its messages, the order, about how many tokens."""

    question: Question
    tokens: int


@dataclass(frozen=True)
class Preview:
    """What would be sent about an instance; `problem` says why nothing would be."""

    instances: list[Instance]
    instance: Instance | None
    base: Judge | None
    criterion: Criterion | None
    shown: list[Shown]
    problem: str = ""

    @property
    def tokens(self) -> int:
        return sum(each.tokens for each in self.shown)

    @property
    def expected_micros(self) -> int | None:
        """About what one instance costs; None where the price is not known."""
        if self.base is None or not self.base.price_known:
            return None
        return sum(price(self.base, each.tokens, self._written(each)) for each in self.shown)

    @property
    def most_micros(self) -> int:
        """The most that one instance can cost: what is reserved for it."""
        return sum(each.question.ceiling for each in self.shown)

    @staticmethod
    def _written(each: Shown) -> int:
        return min(each.question.max_tokens, REASONS)


def preview_of(project: Project, values: Mapping[str, Any], chosen: Mapping[str, str]) -> Preview:
    """The messages of a prompt with these values about the chosen instance in all its orders.

    `chosen` holds `instance`, `base` and `criterion` as a form sends them.
    """
    criteria = criteria_of(project)
    criterion = next((e for e in criteria if e.key == chosen.get("criterion")), None)
    criterion = criterion or next(iter(criteria), None)
    offered = _offered(project, criterion)
    wanted = number(str(chosen.get("instance", "")), 0)
    instance = next((each for each in offered if each.pk == wanted), None)
    instance = instance or next(iter(offered), None)
    base = bases_of(project).filter(pk=number(str(chosen.get("base", "")), 0)).first()
    base = base or bases_of(project).first()
    if criterion is None or instance is None:
        problem = _("There is no instance to show yet.")
        return Preview(offered, instance, base, criterion, [], problem)
    try:
        shown = _shown(project, values, base, criterion, instance)
    except ApplicationError as error:
        return Preview(offered, instance, base, criterion, [], error.message)
    return Preview(offered, instance, base, criterion, shown)


def _offered(project: Project, criterion: Criterion | None) -> list[Instance]:
    """Instances that a trial would ask about; where people have labelled none, any like them."""
    keys = draw(criterion, OFFERED) if criterion else []
    rows = Instance.objects.filter(project=project).order_by("pk")
    if not keys:
        keys = tunable(project, dict(rows.values_list("pk", "prompt_hash")[: LOOKED_AT * OFFERED]))
    return list(rows.filter(pk__in=keys[:OFFERED]))


def _shown(
    project: Project,
    values: Mapping[str, Any],
    base: Judge | None,
    criterion: Criterion,
    instance: Instance,
) -> list[Shown]:
    fields = {name: value for name, value in values.items() if name != "name"}
    prompt = Prompt(project=project, name=str(values.get("name", "")) or "draft", **fields)
    nobody = Judge(project=project, name="draft", model="", prompt=prompt)
    judge = draft_like(prompt, base) if base else nobody
    questions = Asker(judge, criterion).questions([instance.pk])
    return [Shown(each, likely_tokens(each.messages)) for each in questions]
