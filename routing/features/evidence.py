"""Evidence that takes a side: signed columns, positive where they speak for the first completion.

The lab and live routing make these columns here, so a router reads the same in both. None of it
reads a human label.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from routing.features import habits as habit
from routing.features.habits import Habits, Pairs, Vectors
from routing.features.table import FeatureTable, Floats

# Signed columns, first minus second. What judges have said is known only after they were asked.
LENGTH, PANEL_SIDE = "side_length", "panel_side_"
JUDGE_TEXTS, PANEL_TEXTS = "judge_side_texts", "panel_side_texts"
JUDGE_GENERATORS, PANEL_GENERATORS = "judge_side_generators", "panel_side_generators"
HABITS = frozenset({JUDGE_TEXTS, PANEL_TEXTS, JUDGE_GENERATORS, PANEL_GENERATORS})
DIRECTED = ("side_", "judge_side_", "panel_side_")


def directed(
    prompts: Sequence[str],
    habits: Habits,
    *,
    others: Mapping[str, Floats],
    longer: Floats | None = None,
    generators: Pairs | None = None,
    differences: Vectors | None = None,
    sides: Mapping[str, Floats] | None = None,
) -> dict[str, Floats]:
    """The signed columns (n,) of these instances, as far as they are given; NaN where unknown.

    Args:
        habits: of the judge and the others, learned before.
        others: by name, P(first preferred) of the other judges, NaN where not asked.
        longer: (n,) log tokens of the first completion minus those of the second.
        generators: the generators of the first and of the second completion.
        differences: (n, d) embeddings of the first completion minus the second.
        sides: what the judge said of single aspects, in [−1, 1], positive for the first.
    """
    found = {} if longer is None else {LENGTH: longer}
    found |= {f"judge_side_{name}": values for name, values in (sides or {}).items()}
    found |= {
        f"{PANEL_SIDE}{name}": 2 * p - 1 for name, p in others.items() if not np.isnan(p).all()
    }
    part = habits.part(prompts)
    if habits.by_generator and generators is not None:
        heads = habits.by_generator.named(JUDGE_GENERATORS, PANEL_GENERATORS)
        found |= {n: habits.of_generators(head, part, generators) for n, head in heads.items()}
    if habits.by_text and differences is not None:
        heads = habits.by_text.named(JUDGE_TEXTS, PANEL_TEXTS)
        found |= {name: habit.of_texts(head, part, differences) for name, head in heads.items()}
    return found


def with_evidence(
    table: FeatureTable,
    prompts: Sequence[str],
    judge: Floats,
    *,
    others: Mapping[str, Floats],
    flip: Floats | None = None,
    longer: Floats | None = None,
    generators: Pairs | None = None,
    differences: Vectors | None = None,
    sides: Mapping[str, Floats] | None = None,
) -> FeatureTable:
    """`table` with judge signals and directed columns of recorded verdicts, as far as given.

    Habits are learned from the same verdicts. Args as of `directed`, and:
        judge: (n,) P(first preferred) of the base.
        flip: (n,) 1 where swapping the order changed the verdict.
    """
    panel = {name: p for name, p in others.items() if not np.isnan(p).all()}
    columns = {"judge_confidence": np.abs(2 * judge - 1)}
    if flip is not None:
        columns["judge_flip"] = flip
    if panel:
        columns["panel_disagreement"] = disagreement(judge, panel)
    learned = habit.learn(prompts, judge, panel, generators=generators, differences=differences)
    columns |= directed(
        prompts,
        learned,
        others=panel,
        longer=longer,
        generators=generators,
        differences=differences,
        sides=sides,
    )
    return extended(table, columns)


def extended(table: FeatureTable, columns: Mapping[str, Floats]) -> FeatureTable:
    """`table` with these columns, in place of its own of the same names."""
    kept = [place for place, name in enumerate(table.names) if name not in columns]
    return FeatureTable(
        (*(table.names[place] for place in kept), *columns),
        np.column_stack([table.values[:, kept], *columns.values()]),
        table.categories,
    )


def is_directed(name: str) -> bool:
    """Whether a feature is signed: positive where it speaks for the first completion."""
    return name.startswith(DIRECTED)


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
