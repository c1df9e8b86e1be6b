"""Models of one's own as judges: a language model at hand, and a reward model of the registry."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accounts.models import Project
from annotation.instances.content import competition_ranks, text_of
from annotation.instances.models import Instance
from annotation.judges.asking import asker_of
from annotation.judges.models import CallState, Failure, Judge, Shape
from annotation.judges.providers.base import Completion, Question, Reply
from annotation.judges.providers.chat import ChatProvider
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput, NotFound
from core.hashing import content_hash
from training.runs.folders import allowed_folder
from training.runs.models import RunKind

from .folders import local
from .models import ModelVersion, Stage
from .resident import Resident
from .scale import offset_and_factor

# Questions in flight: more than a pass takes, so that none waits for the pipe.
CONCURRENCY = 64
MOST_COMPLETIONS = 9
# Beyond these, single precision tells equal completions apart by their place in a pass.
DIGITS = 5
# The role under which a question to a reward model carries what is scored.
COMPLETION = "completion"


# --- A language model -----------------------------------------------------------------------


class LocalChat:
    """A causal model below MODEL_ROOTS, in a process of this worker."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident

    async def complete(
        self,
        *,
        messages: Sequence[dict[str, str]],
        max_tokens: int,
        logprobs: bool = False,
        choices: Sequence[str] = (),
        idempotency_key: str = "",
    ) -> Completion:
        """The model's verdict over `choices`, or its most probable words without them.

        Raises:
            ProviderError: the question does not fit, or the process ended. Nothing is owed.
        """
        del logprobs, idempotency_key  # a verdict always has them; nothing is bought
        answer = await self._resident.ask(
            messages=list(messages), labels=list(choices), max_tokens=max_tokens
        )
        return Completion(
            text=str(answer["text"]).replace("\0", ""),
            top=answer["top"],
            input_tokens=answer["input_tokens"],
            output_tokens=answer["output_tokens"],
            finish_reason="stop" if answer.get("finished", True) else "length",
        )

    async def close(self) -> None:
        await self._resident.close()


class LocalModel(ChatProvider):
    """A judge whose calls are made here: one that was lost is simply made again."""

    buys = False


def local_model(judge: Judge, criterion: Criterion) -> LocalModel | RewardJudge:
    """The provider of a judge of the kind local-model; `judge.model` names a folder.

    With the parameter `weak`, another folder, it is asked nothing: how much likelier it makes a
    completion than the weak model does is its reward (Xu et al. 2024).

    Raises:
        InvalidInput: there is no such model below MODEL_ROOTS.
    """
    folder = allowed_folder(judge.model, holds="config.json")
    if weak := judge.parameters.get("weak"):
        return _density_ratio(judge, criterion, folder, allowed_folder(weak, holds="config.json"))
    budget = judge.parameters.get("token_budget")
    options = ["--token-budget", str(int(budget))] if budget else []
    resident = resident_of(judge, "--model", str(folder), *options)
    return LocalModel(asker_of(judge, criterion), LocalChat(resident), concurrency=CONCURRENCY)


def _density_ratio(judge: Judge, criterion: Criterion, strong: Path, weak: Path) -> RewardJudge:
    parts = [
        (sign, resident_of(judge, "--likelihood", "--model", str(folder)))
        for sign, folder in ((1.0, strong), (-1.0, weak))
    ]
    return RewardJudge(judge, criterion, ["density ratio", str(strong), str(weak)], parts)


def resident_of(judge: Judge, *options: str) -> Resident:
    """A process of a run: all criteria that a judge in memory is asked about share it."""
    residents: dict[tuple[str, ...], Resident] = judge.__dict__.setdefault("_residents", {})
    known = residents.get(options)
    if known is None or known.closed:
        known = residents[options] = Resident(*options)
    return known


# --- A reward model -------------------------------------------------------------------------


class RewardJudge:
    """Rewards of models of one's own: they see no order, so one call says it all.

    The reward is the sum over `parts` of weight × what the process says of a completion: one part
    for a reward model of the registry, two for the ratio of two densities. `offset` is taken away.

    A pair: P(position 0 wins) = σ(scale × (r₀ − r₁)), `scale` being a parameter of the judge
    (1 by default, what a Bradley–Terry reward means). More completions: ranked by reward. The
    order is empty, as where it was never written down: neither a flip nor its absence is claimed.
    """

    buys = False
    concurrency = CONCURRENCY

    def __init__(
        self,
        judge: Judge,
        criterion: Criterion,
        identity: Sequence[Any],
        parts: Sequence[tuple[float, Resident]],
        offset: float = 0.0,
    ) -> None:
        self.judge = judge
        self.offset = offset
        self.criterion = criterion
        self.identity, self._parts = list(identity), list(parts)
        self.scale = float(judge.parameters.get("scale", 1.0))
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InvalidInput("The parameter scale is a number above 0.")
        self._why_not: dict[str, str] = {}

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        found = Instance.objects.filter(pk__in=instance_ids).prefetch_related("completions")
        by_pk = {instance.pk: instance for instance in found}
        return [self._question(by_pk[pk]) for pk in instance_ids if pk in by_pk]

    def _question(self, instance: Instance) -> Question:
        completions = list(instance.completions.all())
        turns = [{"role": m["role"], "content": text_of(m["content"])} for m in instance.messages]
        texts = [completion.whole_text for completion in completions]
        asked = (*turns, *({"role": COMPLETION, "content": text} for text in texts))
        identity = [*self.identity, self.scale, self.criterion.key, asked]
        question = Question(
            instance.pk,
            (),
            content_hash(identity),
            shape=Shape.PAIR if len(texts) == 2 else Shape.RANKING,
            messages=asked,
            ceiling=self.judge.price_per_call_micros,
        )
        if any(completion.messages for completion in completions):
            return self._refused(question, "Its completions answer different prompts.")
        if not 2 <= len(texts) <= MOST_COMPLETIONS:
            return self._refused(question, f"It has {len(texts)} completions, not 2 to 9.")
        return question

    def _refused(self, question: Question, reason: str) -> Question:
        self._why_not[question.key] = reason
        return question

    def again(self, question: Question) -> Question | None:
        """Rewards are numbers: there is nothing to parse."""
        del question
        return None

    async def answer(self, question: Question) -> Reply:
        """The rewards of the completions and what follows from them.

        Raises:
            ProviderError: the process ended.
        """
        if reason := self._why_not.get(question.key):
            return Reply(CallState.FAILED, Failure.BAD_REQUEST, error=reason)
        turns = [turn for turn in question.messages if turn["role"] != COMPLETION]
        texts = [turn["content"] for turn in question.messages if turn["role"] == COMPLETION]
        started = time.monotonic()
        asks = (each.ask(messages=turns, completions=texts) for _, each in self._parts)
        answers = await asyncio.gather(*asks)
        rewards = [-self.offset] * len(texts)
        for (weight, _), answer in zip(self._parts, answers, strict=True):
            for place, value in enumerate(answer["rewards"]):
                rewards[place] += weight * float(value)
        rewards = [round(value, DIGITS) for value in rewards]
        tokens = sum(answer["input_tokens"] for answer in answers)
        return self._reply(question, rewards, tokens, round((time.monotonic() - started) * 1000))

    def _reply(self, question: Question, rewards: Sequence[float], tokens: int, ms: int) -> Reply:
        p = sigmoid(self.scale * (rewards[0] - rewards[1])) if len(rewards) == 2 else None
        return Reply(
            CallState.ANSWERED,
            text=" ".join(f"{reward:.6g}" for reward in rewards),
            ranking=tuple(competition_ranks([-reward for reward in rewards])),
            scores=tuple(rewards),
            p_first=p,
            confidence=None if p is None else max(p, 1 - p),
            input_tokens=tokens,
            milliseconds=ms,
            price_micros=self.judge.price_per_call_micros,
        )

    async def close(self) -> None:
        for _, resident in self._parts:
            await resident.close()


def sigmoid(x: float) -> float:
    """1 / (1 + exp(−x)) without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def reward_model(judge: Judge, criterion: Criterion) -> RewardJudge:
    """The provider of a judge of the kind reward-model; `judge.model` is a version such as "v3".

    Raises:
        NotFound: the project has no such reward model.
    """
    number = judge.model.removeprefix("v")
    versions = ModelVersion.objects.filter(project=judge.project, kind=RunKind.REWARD)
    version = versions.filter(version=int(number)).first() if number.isdecimal() else None
    if version is None:
        raise NotFound(f"The project has no reward model {judge.model!r}: name one such as v1.")
    # On the scale that all versions share: margins of a retrained judge stay comparable.
    offset, factor = offset_and_factor(version)
    parts = [(factor, resident_of(judge, "--reward", "--model", str(local(version))))]
    identity = ["reward model", version.pk, *([offset, factor] if version.scale else [])]
    return RewardJudge(judge, criterion, identity, parts, offset * factor)


def reward_models(project: Project) -> list[str]:
    """Names of the project's reward models that are not archived, newest first."""
    rows = ModelVersion.objects.filter(project=project, kind=RunKind.REWARD).order_by("-version")
    return [f"v{row.version}" for row in rows.exclude(stage=Stage.ARCHIVED)]
