"""One project's live routing while its job runs: settings, judge, strategy, and who waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import Project
from annotation.instances.models import Completion, Instance, InstanceState
from annotation.judges.models import Judge
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.projects.models import Criterion, Protocol
from annotation.projects.selectors import main_criterion, protocol_of
from annotation.queue.models import Assignment
from annotation.queue.pools import cohorts_of, required
from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.rules.matching import EXPERTS, Rule
from routing.rules.selectors import InForce, in_force, matched
from routing.strategies.registry import needs_of

from .models import LiveRouting

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)


@dataclass(frozen=True)
class Row:
    """An instance that is routed: `places` for people, each at `price` micros."""

    pk: int
    key: str
    prompt: str
    expert: bool
    places: int
    price: int
    # The first rule that fits; None: the strategy decides.
    rule: Rule | None = None

    @property
    def cost(self) -> int:
        """Micros for the human label: all of its places."""
        return self.places * self.price

    @property
    def requires(self) -> tuple[str, ...]:
        """The qualification that the rule asks of people."""
        return (self.rule.qualification,) if self.rule and self.rule.to == EXPERTS else ()


@dataclass(frozen=True)
class Work:
    """The settings as they were read; a change of them counts from the next step on."""

    live: LiveRouting

    @property
    def project(self) -> Project:
        return self.live.project

    @cached_property
    def protocol(self) -> Protocol:
        return protocol_of(self.project)

    @cached_property
    def criterion(self) -> Criterion:
        return main_criterion(self.project)

    @cached_property
    def criteria(self) -> list[Criterion]:
        """What is routed: each criterion by itself, or the main one on behalf of all."""
        if self.live.per_criterion:
            return list(self.project.criteria.all())
        return [self.criterion]

    @property
    def by_criterion(self) -> bool:
        return len(self.criteria) > 1

    @cached_property
    def rules(self) -> InForce:
        return in_force(self.project)

    @property
    def salt(self) -> str:
        return str(self.protocol.salt)

    @property
    def needs(self) -> frozenset[str]:
        """What the strategy needs with its options."""
        return needs_of(self.live.strategy, self.live.options)

    @property
    def judge(self) -> Judge:
        """The judge that labels what people do not.

        Raises:
            InvalidInput: the settings name none.
        """
        if self.live.judge is None:
            raise InvalidInput("Live routing has no judge: choose one in its settings.")
        return self.live.judge

    def rows(self, instances: QuerySet[Instance]) -> list[Row]:
        """What is asked of these instances, and what it costs."""
        protocol, live, rules = self.protocol, self.live, self.rules.rules
        ruled = {pk: at for pk, at in matched(instances, rules) if at is not None} if rules else {}
        places = len(cohorts_of(protocol, protocol.overlap))
        rows = []
        for pk, key, prompt, tags in instances.values_list(
            "pk", "external_id", "prompt_hash", "tags"
        ):
            rule = rules[ruled[pk]] if pk in ruled else None
            expert = bool(required(tags, protocol.gates)) or _to_experts(rule)
            price = live.expert_price_micros if expert else live.human_price_micros
            rows.append(Row(pk, key, prompt, expert, places, price, rule))
        return rows


def _to_experts(rule: Rule | None) -> bool:
    return rule is not None and rule.to == EXPERTS


def waiting(project: Project) -> QuerySet[Instance]:
    """New instances that nobody has decided about and no person has labelled, oldest first.

    Those with fewer than two completions are not compared, so they are not routed.
    """
    labels = Annotation.objects.filter(instance=OuterRef("pk"))
    second = Completion.objects.filter(instance=OuterRef("pk"), position=1)
    decided = Assignment.objects.filter(instance=OuterRef("pk"))
    # Values, not EXISTS: a database that has no statistics yet joins those row by row.
    return (
        Instance.objects.filter(project=project, state=InstanceState.NEW)
        .alias(
            second=Subquery(second.values("pk")[:1]),
            decided=Subquery(decided.values("pk")[:1]),
            person=Subquery(labels.exclude(annotator__kind__in=MACHINES).values("pk")[:1]),
        )
        .filter(second__isnull=False, decided__isnull=True, person__isnull=True)
        .order_by("pk")
    )


def shuffled(keys: Sequence[tuple[int, str]], salt: str) -> list[int]:
    """Ids by the salted hash of their key: a draw that a repeated step makes again."""
    return [pk for pk, key in sorted(keys, key=lambda each: unit_interval(salt, "seed", each[1]))]
