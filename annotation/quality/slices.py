"""How far people, judges and panels agree on parts of the data and parts of the people. Pure."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass

from .bias import Share, clustered

# P(first) of each annotator by pair of completions.
Shares = Mapping[Hashable, Mapping[int, float]]
MOST = 40


@dataclass(frozen=True)
class Slice:
    """One part. `people`: a person beside the majority of the other people; `judges`: a judge
    beside the majority of the people; `panel`: the majority of the judges beside it."""

    name: str
    pairs: int
    people: Share | None
    judges: Share | None
    panel: Share | None


@dataclass(frozen=True)
class Cohort:
    """`inside`: a member beside the other members' majority; `outside`: beside that of the people
    of all other cohorts."""

    name: str
    annotators: int
    inside: Share | None
    outside: Share | None


# (prompt, 1.0 where two sides are the same) per comparison.
_Same = list[tuple[str, float]]


def by_part(
    shares: Shares,
    prompts: Mapping[Hashable, str],
    parts: Mapping[Hashable, Iterable[str]],
    judges: Collection[int],
) -> list[Slice]:
    """The parts with most pairs, most first; a pair may be in several.

    Args:
        judges: the annotators that are no people.
    """
    inside: dict[str, list[Hashable]] = defaultdict(list)
    for key in shares:
        for part in parts[key]:
            inside[part].append(key)
    kept = sorted(inside.items(), key=lambda each: (-len(each[1]), each[0]))[:MOST]
    return [_slice(name, keys, shares, prompts, judges) for name, keys in kept]


def _slice(
    name: str,
    keys: Collection[Hashable],
    shares: Shares,
    prompts: Mapping[Hashable, str],
    judges: Collection[int],
) -> Slice:
    people: _Same = []
    single: _Same = []
    panel: _Same = []
    for key in keys:
        human = [p for who, p in shares[key].items() if who not in judges]
        machine = [p for who, p in shares[key].items() if who in judges]
        for p in human:
            _compare(people, prompts[key], p, sum(human) - p, len(human) - 1)
        for p in machine:
            _compare(single, prompts[key], p, sum(human), len(human))
        if machine:
            mean = sum(machine) / len(machine)
            _compare(panel, prompts[key], mean, sum(human), len(human))
    return Slice(name, len(keys), clustered(people), clustered(single), clustered(panel))


def by_cohort(
    shares: Shares, prompts: Mapping[Hashable, str], cohorts: Mapping[int, str]
) -> list[Cohort]:
    """Every cohort of the people in `cohorts`, most labels first; none where there is only one."""
    inside: dict[str, _Same] = defaultdict(list)
    outside: dict[str, _Same] = defaultdict(list)
    members: dict[str, set[int]] = defaultdict(set)
    for key, given in shares.items():
        known = {who: p for who, p in given.items() if who in cohorts}
        for who, p in known.items():
            mine = cohorts[who]
            members[mine].add(who)
            near = [q for other, q in known.items() if other != who and cohorts[other] == mine]
            far = [q for other, q in known.items() if cohorts[other] != mine]
            _compare(inside[mine], prompts[key], p, sum(near), len(near))
            _compare(outside[mine], prompts[key], p, sum(far), len(far))
    if len(members) < 2:
        return []
    found = [
        Cohort(name, len(who), clustered(inside[name]), clustered(outside[name]))
        for name, who in members.items()
    ]
    return sorted(found, key=lambda each: (-each.annotators, each.name))[:MOST]


def _compare(same: _Same, prompt: str, p: float, total: float, number: int) -> None:
    """Whether a label is on the side of the mean of `number` others; even ones tell nothing."""
    if not number or abs(p - 0.5) < 1e-9 or abs(total / number - 0.5) < 1e-9:
        return
    same.append((prompt, float((p > 0.5) == (total / number > 0.5))))
