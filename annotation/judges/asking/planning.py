"""How many calls an instance needs: all pairs or a few whole rankings, whichever is cheaper."""

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.judges.models import Judge, Shape
from annotation.judges.pricing import price
from annotation.judges.protocol import ALL_PAIRS, BOTH_ORDERS, RANKINGS, SCORES

from .wording import TOKEN

# Whole rankings of a list, where the judge's parameter `rankings` says nothing else.
ORDERS = 3
MOST_ORDERS = 24
REASONED_TOKENS = 200
TOKENS_PER_LETTER = 2


@dataclass(frozen=True)
class Plan:
    """One instance: how it is asked, in how many calls, what they are expected to cost, and why."""

    method: str
    calls: int
    expected_micros: int
    because: str


@dataclass(frozen=True)
class Sizes:
    """Tokens of a call: what is the same for all of them, and each completion."""

    fixed: int
    completions: tuple[int, ...]


def orders_of(judge: Judge) -> int:
    """How many whole rankings the judge gives of a list: 2 to 24."""
    return min(MOST_ORDERS, max(2, int(judge.parameters.get("rankings", ORDERS))))


def plan(judge: Judge, shape: Shape | str, mode: str, sizes: Sizes) -> Plan:
    """How one instance is asked. Lists: the cheaper, unless the parameter `method` names one.

    `shape` PAIR allows pairs only, RANKING both.
    """
    count = len(sizes.completions)
    if shape == Shape.SCORES:
        return _planned(
            judge, SCORES, [(1, _output(mode, 1))] * count, sizes, "each is scored alone"
        )
    pairs = [(2, _output(mode, 1))] * (count * (count - 1))
    if count == 2:
        return _planned(judge, BOTH_ORDERS, pairs, sizes, "two completions")
    by_pairs = _planned(judge, ALL_PAIRS, pairs, sizes, "the prompt compares two completions")
    if shape == Shape.PAIR:
        return by_pairs
    lists = [(count, _output(mode, TOKENS_PER_LETTER * count))] * orders_of(judge)
    by_lists = _planned(judge, RANKINGS, lists, sizes, "")
    wanted = judge.parameters.get("method")
    if wanted in (ALL_PAIRS, RANKINGS):
        chosen = by_pairs if wanted == ALL_PAIRS else by_lists
        return _because(chosen, "the judge is set to this method")
    return _cheaper(by_lists, by_pairs, _work(lists, sizes) <= _work(pairs, sizes))


def _cheaper(lists: Plan, pairs: Plan, less_to_read: bool) -> Plan:
    if lists.expected_micros == pairs.expected_micros:
        chosen, other = (lists, pairs) if less_to_read else (pairs, lists)
        return _because(chosen, f"less to read than {other.calls} calls for {other.method}")
    by_price = sorted((lists, pairs), key=lambda each: each.expected_micros)
    chosen, other = by_price
    saved = 1 - chosen.expected_micros / other.expected_micros
    return _because(
        chosen,
        f"{saved:.0%} cheaper than {other.calls} calls for {other.method}".replace("  ", " "),
    )


def _because(chosen: Plan, reason: str) -> Plan:
    return Plan(chosen.method, chosen.calls, chosen.expected_micros, reason)


def _planned(
    judge: Judge, method: str, calls: Sequence[tuple[int, int]], sizes: Sizes, because: str
) -> Plan:
    cost = sum(price(judge, _input(shown, sizes), output) for shown, output in calls)
    return Plan(method, len(calls), cost, because)


def _input(shown: int, sizes: Sizes) -> int:
    mean = sum(sizes.completions) / len(sizes.completions)
    return sizes.fixed + round(shown * mean)


def _output(mode: str, verdict: int) -> int:
    return verdict if mode == TOKEN else REASONED_TOKENS + verdict


def _work(calls: Sequence[tuple[int, int]], sizes: Sizes) -> int:
    return sum(_input(shown, sizes) + output for shown, output in calls)
