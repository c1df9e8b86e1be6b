"""What is known of an instance once judges have labelled: signals, and evidence that takes a side.

None of it reads a human label. Judges' habits are learned from their own verdicts on *other*
prompts: a Bradley–Terry strength for each generator, and a convex head on the embeddings. A verdict
that goes against the judge's own habit is a doubt about it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.hashing import unit_interval
from routing.features.table import FeatureTable, Floats, Ints
from routing.predictor.proxy import fit_heads
from routing.strategies import learned_evidence as names
from routing.strategies.learned_evidence import is_directed

# Verdicts of one part of the prompts are explained by habits learned from the others.
PARTS = 10
# A generator's strength is a ridge estimate: one verdict on it moves it by less than one.
_GENERATOR_RIDGE = 1.0

Pairs = Sequence[tuple[str, str]]


def with_evidence(
    table: FeatureTable,
    prompts: Sequence[str],
    judge: Floats,
    *,
    others: Mapping[str, Floats],
    flip: Floats | None = None,
    lengths: Floats | None = None,
    generators: Pairs | None = None,
    differences: Floats | None = None,
    sides: Mapping[str, Floats] | None = None,
) -> FeatureTable:
    """`table` with judge signals and directed columns, as far as they are given.

    Args:
        judge: (n,) P(first preferred) of the base.
        others: by name, P(first preferred) of the other judges, NaN where not asked.
        flip: (n,) 1 where swapping the order changed the verdict.
        lengths: (n, 2) tokens of the completions.
        generators: the generators of the first and of the second completion.
        differences: (n, d) embeddings of the first completion minus the second.
        sides: what the judge said of single aspects, in [−1, 1], positive for the first.
    """
    panel = {name: p for name, p in others.items() if not np.isnan(p).all()}
    columns = {"judge_confidence": np.abs(2 * judge - 1)}
    if flip is not None:
        columns["judge_flip"] = flip
    if panel:
        columns["panel_disagreement"] = disagreement(judge, panel)
    if lengths is not None:
        columns[names.LENGTH] = np.log1p(lengths[:, 0]) - np.log1p(lengths[:, 1])
    columns |= {f"judge_side_{name}": values for name, values in (sides or {}).items()}
    columns |= {f"{names.PANEL_SIDE}{name}": 2 * p - 1 for name, p in panel.items()}
    columns |= _habits(prompts, judge, panel, generators, differences)
    return FeatureTable(
        (*table.names, *columns),
        np.column_stack([table.values, *columns.values()]),
        table.categories,
    )


def undirected(table: FeatureTable) -> FeatureTable:
    """Without the columns that take a side: for strategies that do not know the judge's."""
    kept = [place for place, name in enumerate(table.names) if not is_directed(name)]
    return FeatureTable(
        tuple(table.names[place] for place in kept), table.values[:, kept], table.categories
    )


def disagreement(judge: Floats, panel: Mapping[str, Floats]) -> Floats:
    """(n,) the mean distance of the others' sides from the judge's: 1 opposite, ½ where one ties.

    NaN where none of them was asked.
    """
    mine = np.sign(judge - 0.5)
    apart = np.stack([np.abs(np.sign(p - 0.5) - mine) / 2 for p in panel.values()])
    known = ~np.isnan(apart)
    total, count = np.where(known, apart, 0).sum(axis=0), known.sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(judge), np.nan), where=count > 0))


def _habits(
    prompts: Sequence[str],
    judge: Floats,
    panel: Mapping[str, Floats],
    generators: Pairs | None,
    differences: Floats | None,
) -> dict[str, Floats]:
    part = parts(prompts)
    ways: list[tuple[str, str, Callable[[Floats], Floats]]] = []
    if generators is not None and len({name for pair in generators for name in pair}) > 1:
        X = _incidence(generators)
        ways.append(
            (
                names.JUDGE_GENERATORS,
                names.PANEL_GENERATORS,
                lambda p: habit(X, p, part, ridge=_GENERATOR_RIDGE),
            )
        )
    if differences is not None:
        D = differences
        ways.append((names.JUDGE_TEXTS, names.PANEL_TEXTS, lambda p: habit(D, p, part, ridge=5.0)))
    found: dict[str, Floats] = {}
    for mine, theirs, learn in ways:
        found[mine] = learn(judge)
        if panel:
            found[theirs] = np.mean([learn(p) for p in panel.values()], axis=0)
    return found


def habit(X: Floats, judge: Floats, part: Ints, *, ridge: float) -> Floats:
    """(n,) the margin a head on X (n, d) gives the first completion, learned from other parts."""
    margin = np.zeros(len(judge))
    known = ~np.isnan(judge)
    for number in np.unique(part):
        train = known & (part != number)
        if train.any():
            head = fit_heads(X[train], judge[None, train], ridge=ridge)[0]
            margin[part == number] = X[part == number] @ head
    return margin


def parts(prompts: Sequence[str]) -> Ints:
    """(n,) prompts dealt into at most `PARTS` parts by their hash; at least two where there are."""
    distinct = sorted(set(prompts), key=lambda p: unit_interval("habit", p))
    place = {prompt: number % PARTS for number, prompt in enumerate(distinct)}
    return np.array([place[prompt] for prompt in prompts], dtype=np.int64)


def _incidence(generators: Pairs) -> Floats:
    """(n, generators) 1 for the first completion's, −1 for the second's; 0 where they are one."""
    place = {name: i for i, name in enumerate(sorted({g for pair in generators for g in pair}))}
    X = np.zeros((len(generators), len(place)))
    for row, (first, second) in enumerate(generators):
        X[row, place[first]] += 1
        X[row, place[second]] -= 1
    return X
