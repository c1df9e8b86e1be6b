"""What a snapshot holds, counted while it is written: its manifest and its hash."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from annotation.labels.models import AnnotatorKind

from .clusters import Agreement, Clusters
from .described import Described
from .digests import Digests, encoded_row
from .files import ROWS
from .labels import DATA, Row
from .windows import Case

# What of a label may be a fraction.
FRACTIONS = ("strength", "seconds", "group_p", "propensity")


class Tally:
    """Counts for the manifest and the digests for the hash, gathered while rows are written."""

    def __init__(self) -> None:
        self.digests = Digests()
        self.clusters = Clusters()
        self.agreement = Agreement()
        self.described = Described(self.clusters)
        self.rows: Counter[str] = Counter()
        # Prompts as 64-bit numbers: a million of them are 60 MB, as texts twice that.
        self.prompts: dict[str, set[int]] = defaultdict(set)
        self.sources: Counter[str] = Counter()
        self.arms: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.simulated = 0
        self.labels: Counter[str] = Counter()
        self.instances = 0
        self.all_labels: Counter[tuple[str, str]] = Counter()

    def add(self, case: Case) -> None:
        """One instance: its rows for training, and every label on it."""
        texts = _encoded(case.labels)
        for row, labels in case.rows:
            floats = (row["pair_p"], row["margin"], row["weight"], *row["score"])
            behind = texts if labels is case.labels else _encoded(labels)
            self.digests.add(encoded_row(row, floats), behind)
            self._add_row(row, labels)
        if case.rows:
            self._add_agreement(*case.rows[0])
        if case.instance is not None:
            self.digests.add(encoded_row(case.instance), texts)
            self.instances += 1
            for label in case.labels:
                self.all_labels[label["purpose"], label["criterion"]] += 1
        self.described.add(case)

    def _add_row(self, row: Row, labels: list[Row]) -> None:
        self.rows[row["split"]] += 1
        self.prompts[row["split"]].add(hash(row["prompt_hash"]))
        self.sources[row["source"]] += 1
        self.arms[row["arm"] or "unassigned"] += 1
        for licence in row["licences"]:
            self.licences[licence or "unstated"] += 1
        self.simulated += row["simulated"]
        for label in labels:
            self.labels[label["kind"]] += 1

    def _add_agreement(self, row: Row, labels: list[Row]) -> None:
        rankings = [
            label["ranking"]
            for label in labels
            if label["ranking"] and label["kind"] != AnnotatorKind.JUDGE
        ]
        self.agreement.add(self.clusters.of(row["prompt_hash"]), rankings)

    @property
    def data_labels(self) -> int:
        """Labels that are data: gold and repeats measure people."""
        return sum(count for (purpose, _), count in self.all_labels.items() if purpose in DATA)

    def manifest(self, query: Mapping[str, Any], methods: list[str]) -> dict[str, Any]:
        total = sum(self.rows.values())
        return {
            "content_hash": self.digests.over(query),
            "query": dict(query),
            "consensus_methods": methods,
            "rows": dict(sorted(self.rows.items())),
            "prompts": {split: len(prompts) for split, prompts in sorted(self.prompts.items())},
            "rows_by_source": dict(sorted(self.sources.items())),
            "rows_by_arm": dict(sorted(self.arms.items())),
            "labels_by_kind": dict(sorted(self.labels.items())),
            "simulated_share": self.simulated / total if total else 0.0,
            "agreement": self._agreement(),
            "licences": dict(sorted(self.licences.items())),
            "columns": ROWS.names,
            "instances": self.instances,
            "labels_by_purpose": self._count_labels(0),
            "labels_by_criterion": self._count_labels(1),
            "described": self.described.figures(),
        }

    def _count_labels(self, part: int) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for key, count in self.all_labels.items():
            counts[key[part]] += count
        return dict(sorted(counts.items()))

    def _agreement(self) -> dict[str, Any]:
        """Agreement of people with a 95 % interval over prompts; null where nothing is shared."""
        estimate = self.agreement.estimate()
        figures = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        return {
            "measure": "Krippendorff's alpha, nominal, labels of people",
            **{name: None if math.isnan(figure) else figure for name, figure in figures.items()},
            "units": estimate.units,
            "prompts": estimate.clusters,
            "few_prompts": estimate.few_prompts,
        }


def _encoded(labels: list[Row]) -> bytes:
    return encoded_row(labels, [label[name] for label in labels for name in FRACTIONS])
