"""Few-shot examples: the project's own instances that people judged alike, nearest by their prompt.

Never the instance itself or another with its prompt, never gold, never of the audit arm or a test
split: what a judge has seen cannot measure it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from accounts.models import Project
from annotation.consensus.models import Scope
from annotation.consensus.reading import FIELDS, Label, chosen_for, label_of
from annotation.datasets.models import Snapshot
from annotation.datasets.splits import TRAIN
from annotation.instances.content import text_of
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import AnnotatorKind
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Assignment
from core.hashing import unit_interval

PEOPLE = (AnnotatorKind.PERSON, AnnotatorKind.IMPORT)
NO_DATA = (InstanceState.GOLD, InstanceState.DROPPED, InstanceState.FLAGGED)
# The newest instances with labels; more would not be nearer by much and would fill the memory.
MOST = 4000
READ = 3 * MOST
# The share of the prompts that a data set puts aside for tests unless it says otherwise.
TEST_SHARE = 0.2
# A split takes the lowest hashes of its own prompts: so many standard deviations around its share.
MARGIN = 4
COMPARED_CHARACTERS = 1000
GRAM = 4
BUCKETS = 2**18
# FNV's prime: multiplied after every character, it spreads runs over the buckets.
MIX = np.uint64(0x100000001B3)
Grams = tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Shot:
    """An instance and what all its people say: ranks or scores by canonical position."""

    instance: Instance
    ranking: tuple[int, ...]
    scores: tuple[int, ...]
    rationale: str = ""


class Bank:
    """The examples there are when a run begins; what is shown depends on nothing else."""

    def __init__(self, shots: Sequence[Shot]) -> None:
        self.shots = sorted(shots, key=lambda shot: shot.instance.pk)
        self._ids = np.array([shot.instance.pk for shot in self.shots])
        self._prompts = np.array([shot.instance.prompt_hash for shot in self.shots])
        grams = [grams_of(compared(shot.instance)) for shot in self.shots]
        seen = np.zeros(BUCKETS)
        for buckets, _ in grams:
            seen[buckets] += 1
        # Runs that no example has weigh nothing.
        rarity = np.log((1 + len(grams)) / (1 + seen)) + 1
        self._rarity = np.where(seen > 0, rarity, 0.0)
        self._matrix: Any = self._vectors(grams) if grams else None

    def nearest(self, instances: Sequence[Instance], count: int) -> dict[int, list[Shot]]:
        """Up to `count` examples for each instance, the nearest last; ties by the lower id."""
        if not (self.shots and count and instances):
            return {instance.pk: [] for instance in instances}
        texts = [grams_of(compared(instance)) for instance in instances]
        nearness = np.asarray((self._vectors(texts) @ self._matrix.T).todense())
        return {
            instance.pk: self._chosen(instance, near, count)
            for instance, near in zip(instances, nearness, strict=True)
        }

    def _chosen(self, instance: Instance, near: Any, count: int) -> list[Shot]:
        allowed = (self._prompts != instance.prompt_hash) & (self._ids != instance.pk)
        places = np.flatnonzero(allowed)
        # Rounded, so that the order of a sum decides nothing.
        order = np.lexsort((self._ids[places], -np.round(near[places], 9)))
        return [self.shots[place] for place in places[order[:count]][::-1]]

    def _vectors(self, grams: Sequence[Grams]) -> Any:
        """(n, buckets) tf-idf rows of length 1, sparse."""
        # Here: SciPy would slow the start of every web process.
        from scipy.sparse import csr_matrix  # noqa: PLC0415

        rows = [(1 + np.log(counts)) * self._rarity[buckets] for buckets, counts in grams]
        data = [row / (np.linalg.norm(row) or 1.0) for row in rows]
        ends = np.cumsum([0, *(len(row) for row in rows)])
        columns = [buckets for buckets, _ in grams]
        shape = (len(grams), BUCKETS)
        return csr_matrix((np.concatenate(data), np.concatenate(columns), ends), shape=shape)


def shots_of(criterion: Criterion) -> list[Shot]:
    """The examples that may be shown for a criterion, the newest instances first. Six queries."""
    project = criterion.project
    found = _unanimous(criterion)
    audited = Assignment.objects.filter(instance__project=project, arm=Arm.AUDIT)
    withheld = set(audited.order_by().values_list("instance__prompt_hash", flat=True))
    rows = (
        Instance.objects.filter(pk__in=found)
        .exclude(state__in=NO_DATA)
        .filter(gold__isnull=True)
        .prefetch_related("completions")
        .order_by("-pk")
    )
    held_out = HeldOut.of(project, len(found))
    return [
        Shot(instance, *found[instance.pk])
        for instance in rows[:MOST]
        if instance.prompt_hash not in withheld and not held_out(instance.prompt_hash)
    ]


@dataclass(frozen=True)
class HeldOut:
    """Which prompts a data set of the project may hold out: by hash below `bound`, or by name."""

    salt: str
    bound: float
    named: frozenset[str]

    def __call__(self, prompt: str) -> bool:
        return prompt in self.named or unit_interval(self.salt, "split", prompt) < self.bound

    @classmethod
    def of(cls, project: Project, prompts: int, *, margin: float = MARGIN) -> "HeldOut":
        """From the splits of all snapshots, and that of the next one as it is by default.

        With no `margin` a prompt next to the bound may be of a test split all the same: enough
        where labels are counted only, too little where they are shown.
        """
        bound = _bound(TEST_SHARE, prompts, margin)
        named: set[str] = set()
        rows = Snapshot.objects.filter(project=project).values_list("query", "manifest")
        for query, manifest in rows:
            splits = query.get("splits") or {}
            assigned = splits.get("assigned")
            if assigned:
                named |= {prompt for prompt, split in assigned.items() if split != TRAIN}
            elif splits:
                share = sum(each for name, each in splits.items() if name != TRAIN)
                bound = max(bound, _bound(share, _prompts_in(manifest) or prompts, margin))
        return cls(project.protocol.salt, bound, frozenset(named))


def _bound(share: float, prompts: int, margin: float) -> float:
    """A hash above this is in no test split of `share` of so many prompts, but for odd luck."""
    count = max(1, prompts)
    return share + margin * math.sqrt(share * (1 - share) / count) + 2 / count


def _prompts_in(manifest: Mapping[str, Any]) -> int:
    return sum((manifest.get("prompts") or {}).values())


def _unanimous(criterion: Criterion) -> dict[int, tuple[tuple[int, ...], tuple[int, ...], str]]:
    """(ranking, scores, rationale) by instance where all standing labels of people say the same.

    A review decides; labels of simulated people, and those that leave something open, do not
    count. The newest instances, and somewhat more than are shown: some of them are withheld.
    """
    rows = (
        current(criterion.project)
        .filter(criterion=criterion, annotator__kind__in=PEOPLE, annotator__simulated=False)
        .exclude(ranking=[], scores=[])
        .select_related("annotator")
        .only(*FIELDS, "rationale")
        .order_by("-instance", "pk")
    )
    found: dict[int, tuple[tuple[int, ...], tuple[int, ...], str]] = {}
    by_instance = groupby(rows.iterator(chunk_size=2000), key=lambda row: row.instance_id)
    for pk, given in by_instance:
        if said := _same([(label_of(row), row.rationale) for row in given]):
            found[pk] = said
        if len(found) >= READ:
            break
    return found


def _same(
    given: Sequence[tuple[Label, str]],
) -> tuple[tuple[int, ...], tuple[int, ...], str] | None:
    deciding = chosen_for(Scope.HUMAN, [label for label, _ in given])
    said = {(label.vote.ranking, label.scores, label.vote.unranked) for label in deciding}
    ranking, scores, unranked = next(iter(said))
    if len(said) > 1 or unranked or None in scores:
        return None
    rationale = next((text for label, text in given if text and label in deciding), "")
    return ranking, tuple(score for score in scores if score is not None), rationale


def compared(instance: Instance) -> str:
    """What two instances are near by: the words of their prompts."""
    words = " ".join(text_of(turn["content"]) for turn in instance.messages)
    return " ".join(words.lower().split())[:COMPARED_CHARACTERS]


def grams_of(text: str) -> Grams:
    """(buckets, counts) of the text's runs of four characters."""
    padded = f" {text} ".ljust(GRAM)
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    run = np.zeros(len(codes) - GRAM + 1, dtype=np.uint64)
    for place in range(GRAM):
        run = (run ^ codes[place : place + len(run)]) * MIX
    buckets, counts = np.unique((run >> np.uint64(32)) % np.uint64(BUCKETS), return_counts=True)
    return buckets.astype(np.int64), counts
