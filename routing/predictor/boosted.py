"""The boosted performance predictor: gradient-boosted trees of depth two, stored as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from routing.features.table import Bools, Floats, Ints
from routing.predictor.gains import Gains

if TYPE_CHECKING:
    from sklearn.tree._tree import Tree

# A third of the columns is tried at each question: as good, and three times as fast.
TREES, RATE, LEAF, TRIED = 200, 0.05, 10, 1 / 3


@dataclass(frozen=True, eq=False)
class Boosted:
    """base + the sum of T trees with three questions and four leaves each.

    `columns` and `thresholds` (T, 3) are the root's question, its left and its right child's: an
    instance goes left where count ≤ threshold; a node that is not split asks +inf. `leaves` (T, 4)
    are from left to right, times the learning rate. Depth two is the interactions of two columns,
    as the quadratic predictor has them.
    """

    kind: ClassVar[str] = "boosted"
    base: float
    columns: Ints
    thresholds: Floats
    leaves: Floats

    @classmethod
    def fit(cls, counts: Floats, target: Floats, alpha: float | None = None) -> Self:
        """Least squares, 200 trees, rate 0.05, at least ten mixes a leaf; `alpha` is not used.

        Too few mixes for a split, or a constant target, leave the mean alone.
        """
        if not counts.shape[1] or np.ptp(target) <= 1e-12 or len(counts) < 2 * LEAF:
            return cls(float(target.mean()), *_stack([]))
        # Loaded where it is used: it costs every process that only reads routers 100 MB.
        from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415

        model = GradientBoostingRegressor(
            n_estimators=TREES,
            learning_rate=RATE,
            max_depth=2,
            min_samples_leaf=LEAF,
            max_features=TRIED,
            random_state=0,
        ).fit(counts, target)
        trees = [_three_questions(tree.tree_) for tree in model.estimators_[:, 0]]
        return cls(float(model.init_.constant_[0, 0]), *_stack(trees))

    def predict(self, counts: Floats) -> Floats:
        tree = np.arange(len(self.leaves))
        node = np.where(counts[:, self.columns[:, 0]] <= self.thresholds[:, 0], 1, 2)
        asked = np.take_along_axis(counts, self.columns[tree, node], axis=1)
        right = asked > self.thresholds[tree, node]
        return np.asarray(self.base + self.leaves[tree, 2 * (node - 1) + right].sum(axis=1))

    def gains(self, contexts: Floats, block: int) -> Gains:
        """Mean over the contexts c of [f(c + block·x) − f(c)]/block, exactly.

        One instance hardly ever crosses a threshold, so a block of similar ones is added. In its
        0/1 columns x every question is a + b·x_j at a given mix, and a tree a product of two.
        """
        linear = np.zeros(contexts.shape[1])
        pairs = np.zeros((contexts.shape[1],) * 2)
        root, left, right = self.columns.T
        (a0, b0), (a1, b1), (a2, b2) = (self._answers(contexts, block, i) for i in range(3))
        below, above = self.leaves[:, 1::2].T, (self.leaves[:, ::2] - self.leaves[:, 1::2]).T
        np.add.at(
            linear, root, (b0 * (below[0] + above[0] * a1 - below[1] - above[1] * a2)).mean(0)
        )
        np.add.at(linear, left, (a0 * b1 * above[0]).mean(0))
        np.add.at(linear, right, ((1 - a0) * b2 * above[1]).mean(0))
        np.add.at(pairs, (root, left), (b0 * b1 * above[0]).mean(0))
        np.add.at(pairs, (root, right), -(b0 * b2 * above[1]).mean(0))
        return Gains(linear / block, (pairs + pairs.T) / 2 / block)

    def _answers(self, contexts: Floats, block: int, node: int) -> tuple[Floats, Floats]:
        """(mixes, T) the answer of a node (1 left, 0 right) without x, and what x changes."""
        at, threshold = contexts[:, self.columns[:, node]], self.thresholds[:, node]
        before: Bools = at <= threshold
        after: Bools = at + block <= threshold
        return before.astype(np.float64), after.astype(np.float64) - before

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "base": self.base,
            "columns": self.columns.tolist(),
            # JSON has no infinity.
            "thresholds": [
                [t if np.isfinite(t) else None for t in row] for row in self.thresholds.tolist()
            ],
            "leaves": self.leaves.tolist(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        thresholds = [[np.inf if t is None else t for t in row] for row in stored["thresholds"]]
        trees = list(zip(stored["columns"], thresholds, stored["leaves"], strict=True))
        return cls(stored["base"], *_stack(trees))


_Tree = tuple[list[int], list[float], list[float]]


def _stack(trees: list[_Tree]) -> tuple[Ints, Floats, Floats]:
    columns = np.array([tree[0] for tree in trees], dtype=np.int64).reshape(-1, 3)
    thresholds = np.array([tree[1] for tree in trees], dtype=np.float64).reshape(-1, 3)
    return columns, thresholds, np.array([tree[2] for tree in trees]).reshape(-1, 4)


def _three_questions(tree: "Tree") -> _Tree:
    """A tree of depth ≤ 2 of scikit-learn as root, children and four leaves."""
    split = tree.children_left[0] >= 0
    nodes = [0, int(tree.children_left[0]), int(tree.children_right[0])] if split else [0, 0, 0]
    splits = [bool(tree.children_left[node] >= 0) for node in nodes]
    leaves: list[float] = []
    for node, split in zip(nodes[1:], splits[1:], strict=True):
        ends = (tree.children_left[node], tree.children_right[node]) if split else (node, node)
        leaves += [RATE * float(tree.value[end, 0, 0]) for end in ends]
    columns = [int(tree.feature[n]) if s else 0 for n, s in zip(nodes, splits, strict=True)]
    thresholds = [
        float(tree.threshold[n]) if s else np.inf for n, s in zip(nodes, splits, strict=True)
    ]
    return columns, thresholds, leaves
