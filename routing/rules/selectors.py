"""Reads: the rules in force, and what they read of instances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform

from accounts.models import Project
from annotation.instances.models import Instance

from . import matching
from .matching import METADATA, Facts, Rule
from .models import RuleSet

# What an import gave as metadata stands for this tag, as everywhere in routing.
DOMAIN = "domain"


@dataclass(frozen=True)
class InForce:
    """The rules that decide now; version 0 without any where nobody has written rules."""

    rules: tuple[Rule, ...] = ()
    version: int = 0
    row_id: int | None = None
    saved: RuleSet | None = field(default=None, compare=False)


def in_force(project: Project) -> InForce:
    """The newest version. One query."""
    row = RuleSet.objects.filter(project=project).select_related("saved_by").order_by("-version")
    found = row.first()
    if found is None:
        return InForce()
    return InForce(
        tuple(Rule.from_json(each) for each in found.rules), found.version, found.pk, found
    )


def versions(project: Project, most: int = 10) -> list[RuleSet]:
    """The newest versions first, with who saved them."""
    rows = RuleSet.objects.filter(project=project).select_related("saved_by")
    return list(rows.order_by("-version")[:most])


def matched(
    instances: QuerySet[Instance], rules: Sequence[Rule]
) -> Iterator[tuple[int, int | None]]:
    """(id, place of the first rule that fits or None) of each, in the order of the query. One
    query; of the metadata only the fields that rules name are read."""
    names = sorted({rule.name for rule in rules if rule.source == METADATA} | {DOMAIN})
    fields = [KeyTextTransform(name, "metadata") for name in names]
    for pk, tags, *values in instances.values_list("pk", "tags", *fields).iterator(2000):
        known = {name: value for name, value in zip(names, values, strict=True) if value}
        yield pk, matching.first(rules, _facts(tags, known))


def _facts(tags: Sequence[str], metadata: dict[str, str]) -> Facts:
    facts = Facts.of(tags, metadata)
    if DOMAIN in metadata and DOMAIN not in facts.tags:
        return Facts({**facts.tags, DOMAIN: frozenset({metadata[DOMAIN]})}, metadata)
    return facts
