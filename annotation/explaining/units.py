"""What is explained: labels about pairs of completions, whoever gave them. Pure: NumPy."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .factors import KEYS
from .regression import Codes, Floats

PEOPLE = "people"
POSITION = "shown first"
# With fewer prompts figures speak for these prompts only.
FEWEST_PROMPTS = 20
Places = tuple[int, int]


@dataclass(frozen=True)
class Thing:
    """An instance: its prompt's hash, its completions' factors (completions, factors), who wrote
    each, what tells equal texts apart from others, and P(alike) of each two of them."""

    instance: int
    prompt: str
    tags: tuple[str, ...]
    generators: tuple[str, ...]
    factors: Floats
    texts: tuple[str, ...]
    alike: Mapping[Places, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Opinion:
    """One label on one criterion: per pair of canonical positions how much went to the first.

    `sources`: everything it counts for: people or a judge, and the cohort and group of a person.
    `shown`: canonical positions in the order of the screen; None where nobody knows.
    """

    instance: int
    criterion: str
    annotator: str
    sources: tuple[str, ...]
    shares: Mapping[Places, float]
    shown: tuple[int, ...] | None = None


@dataclass
class Scene:
    """All of it. `names`: of sources by key; `criteria`: names by key, the first one first."""

    criteria: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)
    things: dict[int, Thing] = field(default_factory=dict)
    opinions: list[Opinion] = field(default_factory=list)
    # Of how many labels these are: above a limit some prompts are left out.
    labels: int = 0

    def of(self, criterion: str, source: str) -> list[Opinion]:
        return self.by_source.get((criterion, source), [])

    @cached_property
    def codes(self) -> dict[str, int]:
        """A number per prompt, the same for every source, so that fits can be compared."""
        prompts = sorted({thing.prompt for thing in self.things.values()})
        return {prompt: code for code, prompt in enumerate(prompts)}

    @cached_property
    def places(self) -> dict[int, int]:
        """A number per instance, from 0."""
        return {instance: at for at, instance in enumerate(sorted(self.things))}

    @cached_property
    def by_source(self) -> dict[tuple[str, str], list[Opinion]]:
        """Opinions by criterion and source, people before judges before parts of people."""
        found: dict[tuple[str, str], list[Opinion]] = {}
        for opinion in self.opinions:
            for source in opinion.sources:
                found.setdefault((opinion.criterion, source), []).append(opinion)
        return found

    def sources(self, criterion: str) -> list[str]:
        mine = {source for key, source in self.by_source if key == criterion}
        return sorted(mine, key=lambda key: (_order(key), self.names.get(key, key)))


def _order(source: str) -> int:
    kind = source.split(":", 1)[0]
    return [PEOPLE, "judge", "cohort", "group"].index(kind)


@dataclass(frozen=True)
class Table:
    """Rows of (label, pair): all arrays (n,), `differences` (n, factors) first minus second in
    standard deviations, `shown` 1 where the first was shown first, −1 second, 0 unknown."""

    differences: Floats
    y: Floats
    prompt: Codes
    shown: Floats
    instance: Codes
    pair: Codes
    annotator: Sequence[str]
    places: Sequence[Places]
    generators: Sequence[tuple[str, str]]
    tags: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def prompts(self) -> int:
        return len(np.unique(self.prompt))

    @property
    def cluster(self) -> Codes:
        """(n,) what labels are not independent within: the prompt. Of few prompts nothing can be
        said beyond them; then it is the instance, and figures speak for these prompts only."""
        return self.pair if self.prompts < FEWEST_PROMPTS else self.prompt

    @property
    def decided(self) -> int:
        return int((np.abs(self.y - 0.5) > 1e-9).sum())

    def where(self, rows: "np.typing.NDArray[np.bool_]") -> "Table":
        kept = np.flatnonzero(rows)
        places = kept.tolist()
        return Table(
            *(self.differences[kept], self.y[kept], self.prompt[kept], self.shown[kept]),
            *(self.instance[kept], self.pair[kept]),
            annotator=[self.annotator[place] for place in places],
            places=[self.places[place] for place in places],
            generators=[self.generators[place] for place in places],
            tags=[self.tags[place] for place in places],
        )

    @cached_property
    def controls(self) -> Floats:
        """(n, generators) 1 where it wrote the first, −1 the second; those that are frequent."""
        counts = Counter(name for pair in self.generators for name in pair if name)
        names = [name for name, count in counts.most_common(40) if count >= 10]
        place = {name: at for at, name in enumerate(names)}
        found = np.zeros((len(self), len(names)))
        for row, pair in enumerate(self.generators):
            for name, sign in zip(pair, (1.0, -1.0), strict=True):
                if name in place:
                    found[row, place[name]] += sign
        return found


def scale_of(scene: Scene) -> Floats:
    """(factors,) what one standard deviation of a difference is, over all pairs of completions.

    Around 0, not around the mean: exchanging completions only changes the sign. 0 where all
    completions are alike.
    """
    total, count = np.zeros(len(KEYS)), 0
    for thing in scene.things.values():
        values = thing.factors
        size = len(values)
        # Σ over pairs of (a − b)² = K Σ a² − (Σ a)².
        total += size * (values**2).sum(axis=0) - values.sum(axis=0) ** 2
        count += size * (size - 1) // 2
    scale: Floats = np.sqrt(np.maximum(total, 0) / max(count, 1))
    return np.where(scale > 1e-6, scale, 0)


def table_of(scene: Scene, opinions: Sequence[Opinion], scale: Floats) -> Table:
    """Every pair that these labels tell apart or tie, as arrays."""
    rows = list(_rows(scene, opinions))
    divisor = np.where(scale > 0, scale, 1)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    differences, y, prompt, shown, instance, annotator, places, generators = columns
    shape = np.array(differences, dtype=np.float64).reshape(len(rows), len(KEYS))
    return Table(
        shape / divisor * (scale > 0),
        np.array(y, dtype=np.float64),
        np.array(prompt, dtype=np.intp),
        np.array(shown, dtype=np.float64),
        np.array(instance, dtype=np.intp),
        np.array([scene.places[each] for each in instance], dtype=np.intp),
        annotator,
        places,
        generators,
        [scene.things[each].tags for each in instance],
    )


def _rows(scene: Scene, opinions: Sequence[Opinion]) -> Iterator[tuple[object, ...]]:
    for opinion in opinions:
        thing = scene.things[opinion.instance]
        prompt = scene.codes[thing.prompt]
        for (i, j), share in opinion.shares.items():
            yield (
                thing.factors[i] - thing.factors[j],
                share,
                prompt,
                side_shown(opinion.shown, i, j),
                thing.instance,
                opinion.annotator,
                (i, j),
                (thing.generators[i], thing.generators[j]),
            )


def side_shown(shown: tuple[int, ...] | None, i: int, j: int) -> float:
    """1 where i was shown before j, −1 where after, 0 where nobody knows."""
    if shown is None or i not in shown or j not in shown:
        return 0.0
    return 1.0 if shown.index(i) < shown.index(j) else -1.0
