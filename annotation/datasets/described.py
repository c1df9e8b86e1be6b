"""What a data card says of labels and instances, gathered while a snapshot is written. Pure."""

from collections import Counter
from typing import Any

from annotation.quality.bias import Share

from .clusters import Clusters, Mean
from .labels import DATA, MACHINES, Row
from .windows import Case

# Of tags, annotators and imports only so many are named.
MOST_NAMED = 50
MOST_KEPT = 20_000
BIASES = ("position", "length")


class Described:
    """Who labelled what, where it came from, and what swayed people and judges."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self.annotators: dict[str, Row] = {}
        self.generators: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.jobs: Counter[int] = Counter()
        # By annotator, criterion and guideline.
        self.labels: Counter[tuple[str, str, int]] = Counter()
        self.overlap: Counter[int] = Counter()
        self.propensity: list[float] = []
        self.arms: Counter[str] = Counter()
        self.first: str | None = None
        self.last: str | None = None
        self.means = {f"{bias}_{who}": Mean() for bias in BIASES for who in ("people", "judges")}

    def add(self, case: Case) -> None:
        if case.instance is None:
            return
        self._instance(case)
        people = 0
        for label in case.labels:
            if label["purpose"] in DATA:
                people += label["kind"] not in MACHINES
                self._label(label)
        self.overlap[people] += 1
        self._sway(case)

    def _instance(self, case: Case) -> None:
        if case.job is not None:
            self.jobs[case.job] += 1
        if case.instance is not None:
            for tag in case.instance["tags"]:
                if tag in self.tags or len(self.tags) < MOST_KEPT:
                    self.tags[tag] += 1
        for generator, licence in case.written:
            self.generators[generator or "unknown"] += 1
            self.licences[licence or "unstated"] += 1
        label = case.labels[0]
        self.arms[label["arm"] or "unassigned"] += 1
        if label["propensity"] is not None:
            low, high = self.propensity or [label["propensity"]] * 2
            self.propensity = [min(low, label["propensity"]), max(high, label["propensity"])]

    def _label(self, label: Row) -> None:
        name, at = label["annotator"], label["created_at"]
        if name not in self.annotators:
            self.annotators[name] = {part: label[part] for part in ("kind", "cohort", "simulated")}
        self.labels[name, label["criterion"], label["guideline"] or 0] += 1
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last = at

    def _sway(self, case: Case) -> None:
        """Pairs only: which was shown first, and which is longer."""
        if len(case.written) != 2 or case.instance is None:
            return
        cluster = self._clusters.of(case.instance["prompt_hash"])
        one, other = case.lengths
        for label in case.labels:
            ranking = label["ranking"]
            if len(ranking) != 2 or ranking[0] == ranking[1] or label["purpose"] not in DATA:
                continue
            who = "judges" if label["kind"] in MACHINES else "people"
            won = 0 if ranking[0] < ranking[1] else 1
            shown = label["shown_order"]
            if shown:
                self.means[f"position_{who}"].add(cluster, float(shown[0] == won))
            if one != other:
                self.means[f"length_{who}"].add(cluster, float((one > other) == (won == 0)))

    def figures(self) -> dict[str, Any]:
        """As the manifest keeps them."""
        kinds, cohorts, names = Counter[str](), Counter[str](), Counter[str]()
        guidelines = Counter[tuple[str, int]]()
        for (name, criterion, version), count in self.labels.items():
            who = self.annotators[name]
            kinds[f"simulated-{who['kind']}" if who["simulated"] else who["kind"]] += count
            cohorts[who["cohort"]] += count
            names[name] += count
            guidelines[criterion, version] += count
        return {
            "annotators": dict(
                sorted(Counter(w["kind"] for w in self.annotators.values()).items())
            ),
            "labels_by_annotator": dict(names.most_common(MOST_NAMED)),
            "labels_by_kind": dict(sorted(kinds.items())),
            "labels_by_cohort": {k: n for k, n in sorted(cohorts.items()) if k},
            "generators": dict(self.generators.most_common(MOST_NAMED)),
            "licences": dict(self.licences.most_common(MOST_NAMED)),
            "tags": dict(self.tags.most_common(MOST_NAMED)),
            "imports": {str(job): count for job, count in sorted(self.jobs.items())},
            "guidelines": [
                {"criterion": criterion, "version": version or None, "labels": count}
                for (criterion, version), count in sorted(guidelines.items())
            ],
            "labels_of_people_per_instance": {
                str(people): count for people, count in sorted(self.overlap.items())
            },
            "instances_by_arm": dict(sorted(self.arms.items())),
            "propensity": self.propensity or None,
            "first_label": self.first,
            "last_label": self.last,
            "biases": {
                name: _share(found) for name, mean in self.means.items() if (found := mean.share())
            },
        }


def _share(share: Share) -> dict[str, float]:
    return {
        "value": share.value,
        "low": share.low,
        "high": share.high,
        "labels": share.labels,
    }
