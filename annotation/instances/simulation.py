"""Simulated labels for the embedded instances. Pure: numpy and the standard library only.

No person and no language model gave these labels; everything produced here says
`"simulated": true`. The input is the author's own `quality` q in [0, 1] of every completion.

Notation: i a completion, K completions, pos_i its place in the order shown (0 is first), G_i a
standard Gumbel draw, N(0, s) a normal draw, c_i = (K - 1)/2 - pos_i, so that c of the first shown
exceeds c of the second by 1. All utilities are in logits.

People (noisy Bradley-Terry with skill and side bias, extended to K by the Gumbel form of
Plackett-Luce). A person a has a skill g_a ~ U(skill), a sharpness k_a ~ U(sharpness) and a side
bias b_a ~ N(0, side_bias); these belong to the person, not to the instance.

    with probability g_a:      u_i = k_a q_i + G_i        (an attentive ranking)
    with probability 1 - g_a:  u_i = b_a c_i + G_i        (a guess that follows the side)

For a pair this is P(i over j) = g_a s(k_a (q_i - q_j)) + (1 - g_a) s(+-b_a), s the logistic.

Judge, asked in an order and in its reverse. Opinion o_i is drawn once for an instance and is the
same in both orders; the call noise is drawn anew.

    o_i = k q_i + N(0, noise) + length_bias * ln(n_i / gm(n))
    u_i = o_i + position_bias * c_i + N(0, call_noise)

n_i is the length in characters and gm(n) the geometric mean over the instance; k and noise take
the `weak` values in `weak_domains` and in every language but English. The position term turns
round with the order, so the verdict flips where opinions are closer than the bias.

Ranking of both: sort by u, highest first; a completion within `tie` logits of the best of its
group shares that group's rank (competition ranks). Strength of a person: the utility gap between
the best group and the next, divided by `full_strength`, in steps of 0.25, 0.25 to 1; 0 when all
are tied.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from core.exceptions import InvalidInput

Vector = npt.NDArray[np.float64]

HIDDEN_FIELDS = frozenset({"quality", "fault"})


@dataclass(frozen=True)
class Parameters:
    """Every constant of the simulator; ranges are (low, high) of a uniform draw."""

    # people
    fewest_people: int = 3
    most_people: int = 5
    skill: tuple[float, float] = (0.78, 0.97)
    sharpness: tuple[float, float] = (7.0, 11.0)
    side_bias: float = 0.3
    person_tie: float = 0.35
    full_strength: float = 6.0
    # judge
    weak_domains: tuple[str, ...] = ("mathematics", "medicine")
    strong_sharpness: float = 9.0
    weak_sharpness: float = 3.0
    strong_noise: float = 1.3
    weak_noise: float = 1.8
    length_bias: float = 0.7
    position_bias: float = 0.5
    call_noise: float = 0.3
    judge_tie: float = 0.1


@dataclass(frozen=True)
class Person:
    """A simulated person: skill in [0, 1], sharpness in logits per quality, side bias in logits."""

    name: str
    skill: float
    sharpness: float
    side_bias: float


DEFAULTS = Parameters()


def load_embedded() -> Iterator[dict[str, Any]]:
    """Yield the embedded instances with the author's `quality`, by file name, then line."""
    folder = files("annotation.instances").joinpath("embedded")
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)


def simulate_labels(
    record: dict[str, Any],
    *,
    seed: int,
    annotators: int = 5,
    judge: str = "simulated-judge",
    parameters: Parameters = DEFAULTS,
) -> dict[str, Any]:
    """Return a copy of an embedded instance with simulated `human` and `ai` labels.

    `annotators` is the size of the pool of people; three to five of them label each instance (all
    of a smaller pool). The result depends on the instance, `seed` and the arguments only, never on
    what was simulated before. `quality` and `fault` are removed: no annotator may see them.

    Raises `InvalidInput` when a completion lacks a quality in [0, 1], when the instance already
    carries labels, or when the pool is empty.
    """
    _check(record, annotators)
    completions = [_visible(completion) for completion in record["responses"]]
    return {
        **record,
        "responses": completions,
        "human": _people_labels(record, seed, annotators, parameters),
        "ai": _judge_labels(record, seed, judge, parameters),
        "meta": {**record.get("meta", {}), "simulated": True},
    }


def person(number: int, *, seed: int, parameters: Parameters = DEFAULTS) -> Person:
    """Return the person of that number (from 1); the same for every instance under one seed."""
    rng = _generator("person", seed, str(number))
    return Person(
        name=f"simulated-person-{number}",
        skill=float(rng.uniform(*parameters.skill)),
        sharpness=float(rng.uniform(*parameters.sharpness)),
        side_bias=float(rng.normal(0.0, parameters.side_bias)),
    )


def ranks_of_groups(utilities: Sequence[float] | Vector, tie: float) -> list[int]:
    """Rank utilities, 1 is best; one within `tie` of the best of its group shares its rank.

    >>> ranks_of_groups([0.1, 3.0, 0.2], tie=0.5)
    [2, 1, 2]
    """
    order = sorted(range(len(utilities)), key=lambda i: -utilities[i])
    ranks = [0] * len(order)
    leader = rank = 0
    for place, i in enumerate(order):
        if place == 0 or utilities[leader] - utilities[i] >= tie:
            leader, rank = i, place + 1
        ranks[i] = rank
    return ranks


def _check(record: dict[str, Any], annotators: int) -> None:
    if annotators < 1:
        raise InvalidInput("Ask for at least one simulated annotator.")
    if record.get("human") or record.get("ai"):
        raise InvalidInput(f"Instance {record['id']} has labels already; none are simulated.")
    for completion in record["responses"]:
        quality = completion.get("quality")
        if not isinstance(quality, int | float) or not 0 <= quality <= 1:
            raise InvalidInput(
                f"Instance {record['id']}: every completion needs a quality between 0 and 1."
            )


def _visible(completion: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in completion.items() if name not in HIDDEN_FIELDS}


def _generator(*parts: object) -> np.random.Generator:
    # Seeded by content and not by a running stream: the order of the files cannot matter.
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _qualities(record: dict[str, Any]) -> Vector:
    return np.array([completion["quality"] for completion in record["responses"]], dtype=float)


def _centred_places(order: Sequence[int]) -> Vector:
    """Return c per completion: how far before the middle of the display it was shown."""
    places = np.empty(len(order))
    places[list(order)] = np.arange(len(order))
    centred: Vector = (len(order) - 1) / 2 - places
    return centred


def _people_labels(
    record: dict[str, Any], seed: int, annotators: int, parameters: Parameters
) -> list[dict[str, Any]]:
    rng = _generator("people", seed, record["id"])
    wanted = int(rng.integers(parameters.fewest_people, parameters.most_people + 1))
    chosen = rng.permutation(annotators)[:wanted]
    return [
        _person_label(
            record, person(int(k) + 1, seed=seed, parameters=parameters), seed, parameters
        )
        for k in sorted(chosen)
    ]


def _person_label(
    record: dict[str, Any], who: Person, seed: int, parameters: Parameters
) -> dict[str, Any]:
    rng = _generator("person-label", seed, record["id"], who.name)
    quality = _qualities(record)
    order = [int(i) for i in rng.permutation(len(quality))]
    attentive = rng.random() < who.skill
    signal = who.sharpness * quality if attentive else who.side_bias * _centred_places(order)
    utilities = signal + rng.gumbel(size=len(quality))
    ranking = ranks_of_groups(utilities, parameters.person_tie)
    return {
        "annotator": who.name,
        "ranking": ranking,
        "strength": _strength(utilities, ranking, parameters.full_strength),
        "order": order,
        "simulated": True,
    }


def _strength(utilities: Vector, ranking: list[int], full_strength: float) -> float:
    rest = [utility for utility, rank in zip(utilities, ranking, strict=True) if rank > 1]
    if not rest:
        return 0.0
    steps = np.ceil(4 * (utilities.max() - max(rest)) / full_strength)
    return float(np.clip(steps, 1, 4) / 4)


def _judge_labels(
    record: dict[str, Any], seed: int, judge: str, parameters: Parameters
) -> list[dict[str, Any]]:
    rng = _generator("judge", seed, record["id"], judge)
    opinion = _judge_opinion(record, rng, parameters)
    # A pair is asked as listed first, so its two orders are [0, 1] and [1, 0] everywhere.
    count = len(opinion)
    order = list(range(count)) if count == 2 else [int(i) for i in rng.permutation(count)]
    return [_judge_call(opinion, shown, judge, rng, parameters) for shown in (order, order[::-1])]


def _judge_opinion(
    record: dict[str, Any], rng: np.random.Generator, parameters: Parameters
) -> Vector:
    weak = is_weak(record.get("meta", {}), parameters)
    sharpness = parameters.weak_sharpness if weak else parameters.strong_sharpness
    noise = parameters.weak_noise if weak else parameters.strong_noise
    quality = _qualities(record)
    lengths = np.log([max(len(completion["text"]), 1) for completion in record["responses"]])
    opinion: Vector = (
        sharpness * quality
        + rng.normal(0.0, noise, size=len(quality))
        + parameters.length_bias * (lengths - lengths.mean())
    )
    return opinion


def is_weak(meta: dict[str, Any], parameters: Parameters = DEFAULTS) -> bool:
    """Say whether the simulated judge is weak here: a weak domain or not English."""
    return meta.get("domain") in parameters.weak_domains or meta.get("language", "en") != "en"


def _judge_call(
    opinion: Vector, order: list[int], judge: str, rng: np.random.Generator, parameters: Parameters
) -> dict[str, Any]:
    utilities = (
        opinion
        + parameters.position_bias * _centred_places(order)
        + rng.normal(0.0, parameters.call_noise, size=len(opinion))
    )
    return {
        "judge": judge,
        "ranking": ranks_of_groups(utilities, parameters.judge_tie),
        "order": order,
        "simulated": True,
    }
