"""What a reward head is: its configuration, and what it knows of the data. No torch."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.errors import RefusalError
from training.objectives.objective import Objective
from training.objectives.preference import Preference

HeadKind = Literal[
    "scalar",
    "ensemble",
    "attributes",
    "annotators",
    "ideal_point",
    "mixture",
    "preference",
    "distribution",
    "length",
]
SIZES: dict[str, int] = {
    "scalar": 1,
    "ensemble": 4,
    "annotators": 8,
    "ideal_point": 8,
    "mixture": 3,
    "preference": 4,
    "distribution": 2,
    "length": 2,
}
FIXED = ("scalar", "distribution", "length")
PERSONAL = ("annotators", "ideal_point", "mixture")
FORMAT = 1
FILE = "head.json"
TENSORS = "head.safetensors"


@dataclass(frozen=True, slots=True)
class Head:
    """What turns a pooled state into a reward; see docs/reward-models.md.

    Attributes:
        size: linear outputs: members of an ensemble or mixture, shared reward features, dimensions
            of an ideal point or of a preference vector; 0 takes the kind's usual number. An
            attributes head has one output per attribute.
        prototypes: ideal points that annotators mix.
        attributes: names of the attributes to predict; empty takes those the data rates.
        gate: what mixes attributes, members or preference dimensions: a function of the prompt, or
            one vector for all prompts.
        weights: of the shared features, per annotator: any numbers, or shares that sum to 1.
        prior: strength of the pull of each annotator's vector towards the shared one, as a number
            of labels: an annotator with few labels stays near it.
        bootstrap: ensemble members see each row 0, 1, 2 … times, drawn once from its id.
        learn_ties: learn how wide ties are instead of taking the preset's `tie_width`.
        adapt: train the vectors of annotators alone, everything else stays as the base has it.
    """

    kind: HeadKind = "scalar"
    size: int = 0
    prototypes: int = 4
    attributes: list[str] = field(default_factory=list)
    gate: Literal["prompt", "constant"] = "prompt"
    weights: Literal["free", "simplex"] = "free"
    prior: float = 1.0
    bootstrap: bool = True
    learn_ties: bool = False
    adapt: bool = False


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head with what it learnt about the data: enough to build it again.

    Attributes:
        labels: number of training labels of each annotator, in the order of `annotators`.
    """

    head: Head = Head()
    attributes: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the linear output is the reward, with nothing beside it."""
        return self.head.kind == "scalar" and not self.head.learn_ties

    @property
    def outputs(self) -> int:
        """Linear outputs, which is `num_labels` of the saved model."""
        if self.head.kind == "attributes":
            return len(self.attributes)
        fixed = self.head.kind in FIXED
        return SIZES[self.head.kind] if fixed or not self.head.size else self.head.size

    @property
    def reads_prompt(self) -> bool:
        """Whether the head needs the state at the prompt's end."""
        gated = self.head.kind in ("attributes", "mixture", "preference")
        return gated and self.head.gate == "prompt"

    def fits(self, other: HeadSpec) -> bool:
        """Whether the linear outputs mean the same, so that training can go on from them."""
        own, others = (
            (s.head.kind, s.head.weights, s.outputs, s.attributes) for s in (self, other)
        )
        return own == others

    def as_json(self) -> dict[str, Any]:
        """Plain values for `head.json`."""
        return {"format": FORMAT, "outputs": self.outputs, **asdict(self)}


def head_spec(
    head: Head, preferences: Sequence[Preference], base: HeadSpec | None = None
) -> HeadSpec:
    """The head for these labels; annotators that the base's head knows keep their place.

    Raises:
        RefusalError: nobody rated an attribute, or no label names its annotator.
    """
    attributes: tuple[str, ...] = ()
    if head.kind == "attributes":
        attributes = tuple(head.attributes) or _rated(preferences)
        if not attributes:
            raise RefusalError(
                "The head predicts attributes, but no training row rates any.",
                "Choose a snapshot with ratings of criteria, or another head.",
            )
    counts = Counter(p.annotator for p in preferences if p.annotator)
    if head.kind not in PERSONAL:
        return HeadSpec(head, attributes)
    if head.kind != "mixture" and not counts:
        raise RefusalError(
            "The head has a vector per annotator, but no training row names its annotator.",
            "Train on labels by annotator instead of their consensus, or choose another head.",
        )
    known = base.annotators if base is not None and base.head.kind == head.kind else ()
    names = (*known, *sorted(set(counts) - set(known)))
    return HeadSpec(head, attributes, names, tuple(counts[name] for name in names))


def _rated(preferences: Sequence[Preference]) -> tuple[str, ...]:
    found = {
        name
        for preference in preferences
        for name, ratings in preference.attributes.items()
        if not all(math.isnan(rating) for rating in ratings)
    }
    return tuple(sorted(found))


def read_spec(folder: Path) -> HeadSpec | None:
    """The head of a saved reward model; None where it is the plain scalar.

    Raises:
        RefusalError: `head.json` is not one this program writes.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise ValueError(values["format"])
        return HeadSpec(
            Head(**values["head"]),
            tuple(values["attributes"]),
            tuple(values["annotators"]),
            tuple(values["labels"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RefusalError(
            f"{FILE} of {folder.name} is not a head of a format this version reads.",
            "Choose a model that this version or an earlier one wrote.",
        ) from error


def check_head(head: Head) -> None:
    """Refuse sizes that make no sense.

    Raises:
        RefusalError: naming the setting.
    """
    least = {"ensemble": 3, "mixture": 2, "preference": 2, "ideal_point": 1, "annotators": 1}
    low = least.get(head.kind, 0)
    if head.size and not low <= head.size <= 1024:
        raise RefusalError(
            f"`head.size` is {head.size} for the head {head.kind}.",
            f"Set it to a number from {low} to 1024, or to 0 for the usual one.",
        )
    if head.kind == "preference" and head.size % 2:
        raise RefusalError(f"`head.size` is {head.size}.", "A preference vector has an even size.")
    if head.prototypes < 1 or head.prototypes > 1024:
        raise RefusalError(f"`head.prototypes` is {head.prototypes}.", "Set it from 1 to 1024.")
    if not math.isfinite(head.prior) or head.prior < 0:
        raise RefusalError(f"`head.prior` is {head.prior}.", "Set it to a number 0 or more.")
    if head.adapt and head.kind not in PERSONAL:
        raise RefusalError(
            f"`head.adapt` trains vectors of annotators, which the head {head.kind} has not.",
            f"Set `head.kind` to one of: {', '.join(PERSONAL)}.",
        )


def check_head_meets(head: Head, objective: Objective) -> None:
    """Refuse a head whose outputs the objective does not train.

    Raises:
        RefusalError: naming the preset or the head to choose instead.
    """
    if (head.kind == "attributes") != (objective.attribute_weight > 0):
        raise RefusalError(
            f"The preset {objective.name} and the head {head.kind} do not go together: ratings"
            " of attributes are learnt by the head attributes under the preset attributes.",
            "Choose both, or neither.",
        )
    if objective.listwise and head.kind in ("preference", "distribution"):
        raise RefusalError(
            f"The head {head.kind} compares pairs, the preset {objective.name} whole rankings.",
            "Choose a preset over pairs; longer lists are compared pair by pair.",
        )
    if head.learn_ties and not objective.knows_ties:
        raise RefusalError(
            f"`head.learn_ties` is true, but the preset {objective.name} has no outcome for ties.",
            "Choose the preset bt_davidson or bt_rao_kupper.",
        )
    if objective.name == "dpl" and head.kind != "distribution":
        raise RefusalError(
            f"The preset dpl learns a mean and a variance, the head {head.kind} has no variance.",
            "Set `head.kind` to distribution.",
        )
