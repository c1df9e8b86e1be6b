"""What an online round is asked to do, and the presets of published loops. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from core.exceptions import InvalidInput

Labels = Literal["judge", "reward-model", "people", "routing"]
Select = Literal["best-worst", "informative", "diverse", "random"]

MOST_CANDIDATES = 9
MOST_PROMPTS = 20_000
MOST_TOKENS = 4096


@dataclass(frozen=True)
class Preset:
    """A published loop: who labels, what is shown, and what the policy learns from it."""

    name: str
    title: str
    paper: str
    labels: Labels
    select: Select
    objective: str
    options: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("iterative-dpo", "Iterative DPO", "2312.11456", "judge", "best-worst", "dpo"),
        Preset(
            "sppo",
            "Win probabilities of a judge (SPPO)",
            "2405.00675",
            "judge",
            "random",
            "sppo_hard",
            {"labels": "soft"},
        ),
        Preset(
            "self-generated",
            "Own pairs scored by the reward model",
            "2405.07863",
            "reward-model",
            "best-worst",
            "dpo",
        ),
        Preset(
            "best-of-n",
            "Best of n: fine-tune on what the reward model likes best",
            "2304.06767",
            "reward-model",
            "best-worst",
            "sft",
        ),
        Preset("people", "People compare two answers", "2203.02155", "people", "random", "dpo"),
    )
}


@dataclass(frozen=True)
class OnlineOptions:
    """Options of one online round.

    Candidates come from `policy` ("production", "last" or the id of a policy version of the
    project), or from a chat-completions server: `endpoint` names one of the installation's,
    `base_url` any public one, `model` is what it is asked for. `prompts` distinct prompts are
    drawn from the project's instances, those of earlier rounds last and those of the `test_share`
    never; each gets `candidates` answers, of which `show` are labelled. `labels` says by whom:
    `judge` is a judge's name; "routing" leaves it to live routing. `reward` is the reward model
    that selects, scores and measures ("production", "last" or an id; "" for none).
    `retrain_reward` trains the reward model on the round's labels before the policy. `training`
    and `reward_training` are options of the two runs. Money is in millionths of the currency.
    """

    preset: str = "iterative-dpo"
    policy: str = "last"
    endpoint: str = ""
    base_url: str = ""
    model: str = ""
    price_per_1k_input_micros: int = 0
    price_per_1k_output_micros: int = 0
    prompts: int = 100
    test_share: float = 0.2
    candidates: int = 4
    show: int = 2
    select: str = ""
    labels: str = ""
    judge: str = ""
    reward: str = "production"
    temperature: float = 1.0
    max_new_tokens: int = 128
    seed: int = 0
    budget_micros: int = 0
    retrain_reward: bool = False
    training: dict[str, Any] = field(default_factory=dict)
    reward_training: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> Preset:
        """The preset these options change."""
        return PRESETS[self.preset]

    @property
    def by(self) -> str:
        """Who labels."""
        return self.labels or self.plan.labels

    @property
    def rule(self) -> str:
        """How the candidates to show are chosen."""
        return self.select or self.plan.select

    @property
    def served(self) -> bool:
        """Whether a server answers, not a policy of the registry."""
        return bool(self.endpoint or self.base_url)

    @property
    def scored(self) -> bool:
        """Whether the round cannot do without a reward model."""
        return self.by == "reward-model" or self.rule != "random"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a round stores them."""
        return asdict(self)


_RANGES: dict[str, tuple[float, float]] = {
    "prompts": (1, MOST_PROMPTS),
    "candidates": (2, MOST_CANDIDATES),
    "show": (2, MOST_CANDIDATES),
    "max_new_tokens": (1, MOST_TOKENS),
    "temperature": (0.01, 2),
    "test_share": (0.01, 0.9),
    "seed": (0, 2**31 - 1),
    "budget_micros": (0, 10**15),
    "price_per_1k_input_micros": (0, 10**9),
    "price_per_1k_output_micros": (0, 10**9),
}


def online_options(values: dict[str, Any]) -> OnlineOptions:
    """Checked options.

    Raises:
        InvalidInput: an unknown name, a wrong type or a value out of range; the message names it.
    """
    known = {f.name: f for f in fields(OnlineOptions)}
    if unknown := sorted(set(values) - set(known)):
        raise InvalidInput(
            f"An online round has no option {unknown[0]!r}: use {', '.join(sorted(known))}."
        )
    for name, value in values.items():
        _check_type(name, value)
    options = OnlineOptions(**values)
    _check_choice("preset", options.preset, tuple(PRESETS))
    _check_choice("labels", options.by, get_args(Labels))
    _check_choice("select", options.rule, get_args(Select))
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(options, name) <= high:
            raise InvalidInput(f"`{name}` is {getattr(options, name)}: choose {low:g} to {high:g}.")
    _check_together(options)
    return options


def _check_type(name: str, value: Any) -> None:
    expected = type(getattr(OnlineOptions(), name))
    allowed = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise InvalidInput(f"`{name}` is {value!r}: give {_WORDS[expected]}.")


_WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    dict: "an object",
}


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInput(f"`{name}` is {value!r}: choose one of {', '.join(known)}.")


def _check_together(options: OnlineOptions) -> None:
    if options.show > options.candidates:
        raise InvalidInput(
            f"`show` is {options.show}, but only {options.candidates} candidates are generated."
        )
    if options.served and not options.model:
        raise InvalidInput("Name the `model` the server is to be asked for.")
    if options.scored and not options.reward:
        raise InvalidInput(
            "Choosing or labelling by reward needs a reward model: name one in `reward`, or choose "
            "`select` random and labels of a judge or of people."
        )
    priced = options.price_per_1k_input_micros or options.price_per_1k_output_micros
    if options.served and priced and not options.budget_micros:
        raise InvalidInput("Answers of this server cost money: set `budget_micros`.")
