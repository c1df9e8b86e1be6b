"""What the stages of a round share."""

from functools import cached_property

import numpy as np

from annotation.judges.models import Judge
from annotation.judges.services import ensure_recorded
from annotation.ledger.models import Budget
from core.exceptions import InvalidInput
from routing.features.store import text_features
from routing.features.table import FeatureTable, Floats
from routing.features.text import FEATURES

from .base import RoundWork
from .models import Round
from .options import RoundOptions, options_from
from .population import Member, Population, population_of

# People's prompts are longer than the encoder reads; the completion must not be cut away.
PROMPT_CHARACTERS = 400
# Prices and budgets are whole millionths of the currency.
MICROS = 1_000_000
PEOPLE, JUDGES, EVALUATION = "people", "judges", "held-out evaluation"


class Waiting(Exception):
    """People owe labels before the round can go on."""

    def __init__(self, labels: int) -> None:
        super().__init__(f"waiting for {labels} labels")
        self.labels = labels


class Work(RoundWork):
    """A round with its options, and what is derived from them once."""

    @cached_property
    def options(self) -> RoundOptions:
        return options_from(self.row.options)

    @cached_property
    def judge(self) -> Judge:
        """The judge named in the options, else the first of the project."""
        ensure_recorded(project=self.project)
        judges = {judge.name: judge for judge in Judge.objects.filter(project=self.project)}
        name = self.options.judge or next(iter(sorted(judges)), "")
        if name not in judges:
            known = ", ".join(sorted(judges)) or "none"
            raise InvalidInput(f"There is no judge {name!r} in this project (judges: {known}).")
        return judges[name]

    @cached_property
    def population(self) -> Population:
        return population_of(self.project, self.judge, self.options, self.row.created_at)

    @property
    def overlap(self) -> int:
        return self.project.protocol.overlap

    @property
    def human_price(self) -> int:
        """Micros for the human label of one instance: the overlap times the price of one vote."""
        return self.options.human_price_micros * self.overlap

    @property
    def judge_price(self) -> int:
        """Micros for the judge's label of one instance; both orders where both are asked."""
        return self.judge.annotator.price_micros

    @cached_property
    def embeddings(self) -> dict[int, Floats]:
        """(2, d) unit vectors of the completions of every member, by instance."""
        stored = np.load(self.folder / "embeddings.npz", allow_pickle=False)
        return dict(zip(stored["ids"].tolist(), stored["vectors"], strict=True))

    def _cosine(self, instance_id: int) -> float:
        first, second = self.embeddings[instance_id]
        return float(first @ second)

    def budget(self, name: str) -> Budget:
        return Budget.objects.get(project=self.project, name=budget_name(self.row, name))

    def differences(self, members: list[Member]) -> Floats:
        """(n, d): embedding of the first completion minus that of the second."""
        return np.array(
            [self.embeddings[m.pk][0] - self.embeddings[m.pk][1] for m in members], dtype=np.float64
        )

    def features(self, members: list[Member]) -> FeatureTable:
        """Text features with the embedding cosine, and the domain where the import gave one."""
        stored = text_features({m.pk: (m.prompt, m.completions) for m in members})
        names = (*FEATURES, "embedding_cosine")
        values = np.array(
            [[*(stored[m.pk][name] for name in FEATURES), self._cosine(m.pk)] for m in members],
            dtype=np.float64,
        )
        domains = tuple(m.domain for m in members)
        return FeatureTable(
            names,
            values.reshape(len(members), len(names)),
            {"domain": domains} if any(domains) else {},
        )


def budget_name(row: Round, name: str) -> str:
    return f"{name}, round {row.number}"


def texts_of(member: Member) -> list[str]:
    """What is embedded of an instance: for each completion the prompt's start before it."""
    return [f"{member.prompt[:PROMPT_CHARACTERS]}\n\n{text}" for text in member.completions]
