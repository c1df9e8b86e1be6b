"""What a snapshot holds, counted while it is written: its manifest and its hash."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from annotation.labels.models import AnnotatorKind
from annotation.quality.agreement import krippendorff_interval, units_of
from core.hashing import canonical_json, content_hash

from .files import ROWS
from .labels import DATA, Row


class Tally:
    """Counts for the manifest and the digests for the hash, gathered while rows are written."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.rows: Counter[str] = Counter()
        self.prompts: dict[str, set[str]] = defaultdict(set)
        self.sources: Counter[str] = Counter()
        self.arms: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.simulated = 0
        self.labels: Counter[str] = Counter()
        self.prompt_of: dict[str, str] = {}
        self.rankings: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        self.instances = 0
        self.all_labels: Counter[tuple[str, str]] = Counter()

    def add(self, row: Row, labels: list[Row]) -> None:
        self.digests.append(content_hash([row, labels]))
        self.rows[row["split"]] += 1
        self.prompts[row["split"]].add(row["prompt_hash"])
        self.sources[row["source"]] += 1
        self.arms[row["arm"] or "unassigned"] += 1
        self.licences.update(licence or "unstated" for licence in row["licences"])
        self.simulated += row["simulated"]
        self.prompt_of[row["instance_id"]] = row["prompt_hash"]
        for label in labels:
            self.labels[label["kind"]] += 1
            if label["ranking"] and label["kind"] != AnnotatorKind.JUDGE:
                self.rankings[row["instance_id"]].append(tuple(label["ranking"]))

    def add_labels(self, instance: Row, labels: list[Row]) -> None:
        """One instance with every label on it, of any criterion and purpose."""
        self.digests.append(content_hash([instance, labels]))
        self.instances += 1
        self.all_labels.update((label["purpose"], label["criterion"]) for label in labels)

    @property
    def data_labels(self) -> int:
        """Labels that are data: gold and repeats measure people."""
        return sum(count for (purpose, _), count in self.all_labels.items() if purpose in DATA)

    def content_hash(self, query: Mapping[str, Any]) -> str:
        """Over the query and the rows, whatever their order."""
        digest = hashlib.sha256(canonical_json(query).encode())
        for row in sorted(self.digests):
            digest.update(row.encode())
        return digest.hexdigest()

    def manifest(self, query: Mapping[str, Any], methods: list[str]) -> dict[str, Any]:
        total = sum(self.rows.values())
        return {
            "content_hash": self.content_hash(query),
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
        }

    def _count_labels(self, part: int) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for key, count in self.all_labels.items():
            counts[key[part]] += count
        return dict(sorted(counts.items()))

    def _agreement(self) -> dict[str, Any]:
        """Agreement of people with a 95 % interval over prompts; null where nothing is shared."""
        found = units_of(self.rankings)
        estimate = krippendorff_interval(
            [codes for _, codes in found], [self.prompt_of[instance] for instance, _ in found]
        )
        figures = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        return {
            "measure": "Krippendorff's alpha, nominal, labels of people",
            **{name: None if math.isnan(figure) else figure for name, figure in figures.items()},
            "units": estimate.units,
            "prompts": estimate.clusters,
            "few_prompts": estimate.few_prompts,
        }
