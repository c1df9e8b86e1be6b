"""What a round is asked to do."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core.exceptions import InvalidInput
from routing.strategies.registry import EMBEDDINGS, JUDGE_SIGNALS, SEED, SPECS, Spec

# Price of one human label, in millionths: AlpacaEval's crowd, 300 USD per 1,000 pairs.
CROWD_PRICE_MICROS = 300_000
LEARNED_ERROR = "learned-error"
# What a round can offer a strategy, and those that cannot do without options or another judge.
OFFERED = frozenset({SEED, JUDGE_SIGNALS, EMBEDDINGS})
NOT_HERE = frozenset({"allocated", "cascade", "oracle"})
# The first rounds knew one model of HyPER.
ALIASES = {"hyper": "hyper-linear"}
STRATEGIES = (
    *ALIASES,
    *(key for key, spec in SPECS.items() if spec.needs <= OFFERED and key not in NOT_HERE),
)
# A free label needs no router: a budget could not tell one instance from another.
LEAST = {"human_price_micros": 1, "train_pairs": 1, "seeds": 1, "mixes": 10}


@dataclass(frozen=True)
class RoundOptions:
    """Options of one round; shares are of prompts, prices are in millionths of the currency.

    `replay` reveals recorded human labels only where an instance goes to people, and recorded judge
    labels only where the judge is asked; without it people label in the browser. `budget_share` is
    the human budget as a share of what people's labels of everything outside the held-out prompts
    would cost; it pays the audit arm, the seed (`seed_share` of it) and routing. `strategy` is one
    of `STRATEGIES`; where it reads signals of the judge, the judge labels all. `mixes` are HyPER's.
    `reward` and `policy` are options of the two training runs; empty means a small model from
    random weights. Each model sees at most `train_pairs` pairs, so that a round on a large data
    set ends soon.
    """

    replay: bool = False
    judge: str = ""
    strategy: str = "learned-error"
    budget_share: float = 0.4
    seed_share: float = 0.5
    test_share: float = 0.3
    audit_share: float = 0.05
    human_price_micros: int = CROWD_PRICE_MICROS
    train_pairs: int = 1500
    seeds: int = 10
    mixes: int = 200
    reward: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        """The strategy."""
        return SPECS[ALIASES.get(self.strategy, self.strategy)]

    @property
    def judge_first(self) -> bool:
        """Whether the judge labels every instance before it is routed."""
        return JUDGE_SIGNALS in self.spec.needs

    @property
    def seed_prompts(self) -> float:
        """Share of all prompts whose instances make the seed."""
        return self.budget_share * self.seed_share * (1 - self.test_share)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def options_from(values: dict[str, Any]) -> RoundOptions:
    """Checked options.

    Raises:
        InvalidInput: an unknown name, or a share outside its range; the message names it.
    """
    known = {f.name for f in fields(RoundOptions)}
    if unknown := sorted(set(values) - known):
        raise InvalidInput(f"A round has no option {unknown[0]!r}: use {', '.join(sorted(known))}.")
    options = RoundOptions(**values)
    for name in ("budget_share", "seed_share", "test_share", "audit_share"):
        if not 0 < getattr(options, name) < 1:
            raise InvalidInput(f"`{name}` is {getattr(options, name)}: choose between 0 and 1.")
    if options.strategy not in STRATEGIES:
        raise InvalidInput(
            f"`strategy` is {options.strategy!r}: choose one of {', '.join(STRATEGIES)}."
        )
    for name, least in LEAST.items():
        if getattr(options, name) < least:
            raise InvalidInput(f"`{name}` is {getattr(options, name)}: give at least {least}.")
    return options
