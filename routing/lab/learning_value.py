"""What more labels would give: reward heads trained on 25, 50, 75 and 100 % of people's labels.

Prompts are split once a seed: `TESTED` of them are held out, the others are in a drawn order, and
each share takes the first of that order, so a larger share holds the smaller. One head is trained
for each share on people's labels alone and counted on the held-out prompts, all of them and by
kind of prompt. The last quarter is compared pairwise: what the newest labels gave is the honest
guess of what as many again would give, and less is to be expected, as curves flatten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.hashing import unit_interval
from routing.features.table import Bools, Floats, Ints, tag_values
from routing.lab.dual import DualSet
from routing.lab.plan import Options
from routing.lab.statistics import FEW_PROMPTS, Interval, Resampler, Tally, tally
from routing.predictor import proxy

SHARES = (0.25, 0.5, 0.75, 1.0)
TESTED = 0.3
# A kind of prompt with fewer instances on which people take a side has no line of its own.
FEWEST = 30
MOST_KINDS = 12
KIND = "domain"


@dataclass(frozen=True)
class LabelValue:
    """One line: `kind` is the value of the tag, "" for all prompts.

    `accuracy` is that of the head on `labels` instances, one for each of `SHARES`; `last` is what
    the last quarter gave.
    """

    kind: str
    instances: int
    labels: tuple[float, ...]
    accuracy: tuple[Interval | None, ...]
    last: Interval | None

    @property
    def clear(self) -> bool:
        """Whether the last quarter of the labels still helped by more than chance."""
        return self.last is not None and self.last.low > 0


def learning_value(dual: DualSet, options: Options, seeds: int) -> tuple[LabelValue, ...]:
    """A line for all prompts and one for each kind; none without embeddings or with few prompts.

    Heads learn from all kinds together: the lines differ in what is counted.
    """
    prompts, number = np.unique(np.array(dual.prompts), return_inverse=True)
    if dual.differences is None or len(prompts) < FEW_PROMPTS:
        return ()
    human = np.array([float(np.mean(votes)) for votes in dual.votes])
    kinds = _kinds(dual, human != 0.5)
    runs = [
        _run(
            dual.differences,
            human,
            number,
            _order(prompts.tolist(), options.salt, index),
            options.ridge,
        )
        for index in range(seeds)
    ]
    rng = np.random.default_rng(seeds + len(prompts))
    draws = Resampler(seeds, len(prompts), options.resamples, rng)
    labels = tuple(float(np.mean([run.labels[at] for run in runs])) for at in range(len(SHARES)))
    return tuple(_line(kind, mask, runs, draws, labels) for kind, mask in kinds.items())


@dataclass(frozen=True, eq=False)
class _Run:
    """One seed: `hits` (shares, tested), where they are, and how many labels each share had."""

    hits: Floats
    rows: Ints
    place: Ints
    prompts: int
    labels: tuple[int, ...]


def _order(prompts: Sequence[str], salt: str, index: int) -> Floats:
    """(prompts,) each prompt's place between 0 and 1 in this seed's draw."""
    drawn = [unit_interval(f"{salt}/{index}", "value", prompt) for prompt in prompts]
    return np.argsort(np.argsort(drawn)) / len(prompts)


def _run(D: Floats, human: Floats, number: Ints, order: Floats, ridge: float) -> _Run:
    at = order[number]
    train = np.flatnonzero(at >= TESTED)
    tested = np.flatnonzero((at < TESTED) & (human != 0.5))
    # Within the train prompts from 0 to 1.
    turn = (at[train] - TESTED) / (1 - TESTED)
    held = np.array([turn < share for share in SHARES])
    weights = held.astype(np.float64)
    W = proxy.fit_heads(D[train], np.tile(human[train], (len(SHARES), 1)), weights, ridge)
    hits = proxy.head_hits(W, D[tested], human[tested])
    counts = tuple(int(each.sum()) for each in held)
    return _Run(hits, tested, number[tested], len(order), counts)


def _line(
    kind: str, mask: Bools, runs: Sequence[_Run], draws: Resampler, labels: tuple[float, ...]
) -> LabelValue:
    tallies = [_tally(at, mask, runs) for at in range(len(SHARES))]
    return LabelValue(
        kind=kind,
        instances=int(mask.sum()),
        labels=labels,
        accuracy=tuple(draws.interval(each) for each in tallies),
        last=draws.difference(tallies[-1], tallies[-2]),
    )


def _tally(at: int, mask: Bools, runs: Sequence[_Run]) -> Tally:
    kept = [mask[run.rows] for run in runs]
    return tally(
        [run.hits[at][chosen] for run, chosen in zip(runs, kept, strict=True)],
        [run.place[chosen] for run, chosen in zip(runs, kept, strict=True)],
        runs[0].prompts,
    )


def _kinds(dual: DualSet, decided: Bools) -> Mapping[str, Bools]:
    """By kind the instances of it on which people take a side; "" are all."""
    categories = dual.features.categories
    given = categories.get(KIND) or next(iter(categories.values()), None)
    found: dict[str, Bools] = {"": decided}
    if given is None:
        return found
    masks = {
        value: np.array([value in tag_values(each) for each in given], dtype=bool) & decided
        for value in sorted({value for each in given for value in tag_values(each)})
    }
    most = sorted(masks, key=lambda value: (-int(masks[value].sum()), value))[:MOST_KINDS]
    return found | {value: masks[value] for value in most if masks[value].sum() >= FEWEST}
