"""Which rule an instance falls under: rules that people write, in order; the first that fits.

A rule speaks of a tag (`domain` is `medicine`) or of a field of the metadata (`source` is `app`).
Without a value it fits every instance that has the tag or the field at all. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

TAG, METADATA = "tag", "metadata"
SOURCES = (TAG, METADATA)
PEOPLE, EXPERTS, JUDGE, VERIFIER, DROP = "people", "experts", "judge", "verifier", "drop"
TARGETS = (PEOPLE, EXPERTS, JUDGE, VERIFIER, DROP)
# Those whose instances are labelled by people.
TO_PEOPLE = frozenset({PEOPLE, EXPERTS})


@dataclass(frozen=True)
class Rule:
    """Where `name` is `value` (blank: whatever it is) → `to`; `qualification`: of experts only."""

    source: str
    name: str
    value: str
    to: str
    qualification: str = ""

    @property
    def sentence(self) -> str:
        """How decisions say it: "rule: domain is medicine → experts (domain:medicine)"."""
        where = f"{self.name} is {self.value}" if self.value else f"has {self.name}"
        who = f"{self.to} ({self.qualification})" if self.qualification else self.to
        return f"rule: {where} → {who}"

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{name: str(stored.get(name, "")) for name in cls.__annotations__})


@dataclass(frozen=True)
class Facts:
    """What rules read of one instance: values by the name of a tag, metadata as text."""

    tags: Mapping[str, frozenset[str]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tags: Iterable[str], metadata: Mapping[str, str] | None = None) -> Self:
        """`tags` as instances hold them: "domain:coding", or a bare word, which has no value."""
        found: dict[str, set[str]] = {}
        for tag in tags:
            name, _, value = tag.partition(":")
            found.setdefault(name, set()).add(value)
        return cls({name: frozenset(given) for name, given in found.items()}, dict(metadata or {}))


def fits(rule: Rule, facts: Facts) -> bool:
    if rule.source == METADATA:
        given = facts.metadata.get(rule.name)
        return given is not None and rule.value in {"", given}
    values = facts.tags.get(rule.name)
    return values is not None and (not rule.value or rule.value in values)


def first(rules: Sequence[Rule], facts: Facts) -> int | None:
    """The place of the first rule that fits; None where the strategy decides."""
    return next((place for place, rule in enumerate(rules) if fits(rule, facts)), None)
