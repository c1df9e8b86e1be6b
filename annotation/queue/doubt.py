"""How much is still open about an instance after the labels it has. Pure: the standard library.

A label says one thing about each of several questions: which of two completions is better, or
which level a completion has. One coin for each annotator: right with probability g, else any of the
other answers alike. With an even prior P(answer k) ∝ Π (g_a if a said k else (1 − g_a)/(n − 1)).
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

# What is assumed of somebody about whom nothing is known.
ACCURACY = 0.75
# Nobody is taken to be always right, nor worse than chance.
MOST = 0.99

# What one label says: an answer for each question.
Said = Mapping[Hashable, Hashable]


def posterior(said: Sequence[tuple[Hashable, float]], choices: int) -> dict[Hashable, float]:
    """P of each answer that somebody gave, of `choices` possible ones.

    `said` has (answer, accuracy) for each label. The rest of the probability is spread evenly over
    the answers that nobody gave.
    """
    given = list(dict.fromkeys(answer for answer, _ in said))
    logs = [sum(_log(answer == each, g, choices) for each, g in said) for answer in given]
    nobody = sum(_log(False, g, choices) for _, g in said)
    top = max([*logs, nobody])
    weights = [math.exp(value - top) for value in logs]
    total = sum(weights) + (choices - len(given)) * math.exp(nobody - top)
    return {answer: weight / total for answer, weight in zip(given, weights, strict=True)}


def _log(agrees: bool, accuracy: float, choices: int) -> float:
    right = min(max(accuracy, 1 / choices), MOST)
    return math.log(right if agrees else (1 - right) / (choices - 1))


def entropy(said: Sequence[tuple[Hashable, float]], choices: int) -> float:
    """Entropy of `posterior` in nats: ln `choices` where nothing is known."""
    known = posterior(said, choices) if said else {}
    rest, others = 1 - sum(known.values()), choices - len(known)
    spread = -rest * math.log(rest / others) if others and rest > 0 else 0.0
    return spread - sum(p * math.log(p) for p in known.values() if p > 0)


def doubt(labels: Sequence[tuple[Said, float]], choices: int) -> float:
    """The mean entropy over all questions that any label answers; ln `choices` if there is none."""
    questions = dict.fromkeys(question for said, _ in labels for question in said)
    if not questions:
        return math.log(choices)
    entropies = [
        entropy([(said[question], g) for said, g in labels if question in said], choices)
        for question in questions
    ]
    return sum(entropies) / len(entropies)


def of_ranking(ranking: Sequence[int], unranked: Sequence[int], tie_kind: str) -> Said:
    """Which of each two completions is better: their order, or how they are alike.

    Two that were not told apart say nothing about each other.
    """
    open_ = set(unranked)
    return {
        (first, second): _better(ranking[first], ranking[second]) or tie_kind or "tie"
        for first, second in combinations(range(len(ranking)), 2)
        if not open_.issuperset((first, second))
    }


def _better(first: int, second: int) -> str:
    if first == second:
        return ""
    return "first" if first < second else "second"


def of_scores(scores: Sequence[int | None]) -> Said:
    """The level of each completion; one that could not be judged says nothing."""
    return {place: score for place, score in enumerate(scores) if score is not None}
