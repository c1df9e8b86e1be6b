"""What saved models say of questions: verdicts of language models, rewards of reward models."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jinja2 import TemplateError  # by which chat templates refuse; torch brings it

from training.batching.plan import sorted_batches
from training.batching.rows import Row
from training.batching.tokenise import Encoder, Limits, TokenGroup
from training.errors import RefusalError
from training.fit.generate import continuations
from training.fit.heads.modules import attached, require_annotator
from training.fit.scoring.reward import is_causal
from training.fit.scoring.scorers import Scorer
from training.objectives.head_losses import HeadSignals
from training.objectives.preference import Preference

Request = dict[str, Any]
Answer = dict[str, Any]
# Tokens beside the labels that are told with them: how much the model wanted to say else.
OTHERS = 5
NO_LIMIT = 10**9
TURNS_REFUSED = "The chat template of the model refuses these turns"


class Problem(Exception):
    """A question that cannot be answered; `failure` is a code of the judges' taxonomy."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Verdicts:
    """A causal language model that answers questions, many in one pass.

    A question with labels is answered by the next-token probabilities of these labels: of each
    label the probabilities of the tokens that spell it, bare ("A") or after a space (" A"), are
    added. A label that no single token spells cannot be asked for. A question without labels is
    answered by the most probable continuation.
    """

    def __init__(self, model: Any, tokenizer: Any, token_budget: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.token_budget = token_budget
        self._encoder = Encoder(tokenizer, Limits(NO_LIMIT, NO_LIMIT))
        self._most = getattr(model.config, "max_position_embeddings", None) or NO_LIMIT
        known = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        self._positions = "position_ids" in known

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """The answers in no particular order, each with the id of its question."""
        groups: dict[int, list[tuple[Request, list[int]]]] = {}
        for request in requests:
            try:
                ids = self._prompt(request)
                # Questions with labels are one pass; the others are as long as they may be.
                length = 0 if request.get("labels") else int(request["max_tokens"])
                groups.setdefault(length, []).append((request, ids))
            except Problem as problem:
                yield refusal(request, problem)
        for length, group in sorted(groups.items()):
            costs = [len(ids) + length for _, ids in group]
            for batch in padded_batches(costs, self.token_budget):
                members = [group[k] for k in batch]
                yield from self._spoken(members, length) if length else self._labelled(members)

    def _prompt(self, request: Request) -> list[int]:
        try:
            ids = self._encoder.prompt_ids(request["messages"])
        except TemplateError:
            # Some chat templates know no system turn.
            ids = self._without_system(request)
        needed = len(ids) + max(1, int(request["max_tokens"]))
        if needed > self._most:
            raise Problem(
                "context", f"The question needs {needed} tokens; the model has {self._most}."
            )
        if request.get("labels"):
            self._spellings(request["labels"])
        return ids

    def _without_system(self, request: Request) -> list[int]:
        try:
            return self._encoder.prompt_ids(without_system(request["messages"]))
        except TemplateError as error:
            raise Problem("bad-request", f"{TURNS_REFUSED}: {str(error)[:200]}") from error

    def _spellings(self, labels: Sequence[str]) -> list[list[int]]:
        """Of each label the ids of the single tokens that spell it."""
        found = []
        for label in labels:
            tries = (
                self.tokenizer(text, add_special_tokens=False)["input_ids"]
                for text in (label, f" {label}")
            )
            ids = sorted({ids[0] for ids in tries if len(ids) == 1})
            if not ids:
                message = f"No single token of this model spells {label!r}: ask for reasons."
                raise Problem("no-logprobs", message)
            found.append(ids)
        return found

    @torch.no_grad()
    def _labelled(self, members: Sequence[tuple[Request, list[int]]]) -> Iterator[Answer]:
        logprobs = self._next([ids for _, ids in members])
        for (request, ids), row in zip(members, logprobs, strict=True):
            labels = request["labels"]
            spelled = self._spellings(labels)
            top = [
                {"token": label, "logprob": float(torch.logsumexp(row[tokens], 0))}
                for label, tokens in zip(labels, spelled, strict=True)
            ]
            if not all(math.isfinite(each["logprob"]) for each in top):
                problem = Problem("no-logprobs", "The model's probabilities are not numbers.")
                yield refusal(request, problem)
                continue
            said = max(top, key=lambda each: float(each["logprob"]))
            yield {
                "id": request["id"],
                "text": said["token"],
                "top": top + self._others(row, {t for tokens in spelled for t in tokens}),
                "input_tokens": len(ids),
                "output_tokens": 1,
            }

    def _others(self, row: torch.Tensor, spelled: set[int]) -> list[dict[str, Any]]:
        values, ids = row.topk(min(len(row), OTHERS + len(spelled)))
        pairs = zip(values.tolist(), ids.tolist(), strict=True)
        others = [(value, token) for value, token in pairs if token not in spelled][:OTHERS]
        return [{"token": self.tokenizer.decode([t]), "logprob": value} for value, t in others]

    def _next(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Log-probabilities of the token after each prompt: (prompts, vocabulary), float32."""
        width = max(map(len, prompts))
        device = self.model.device
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        places = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)} if self._positions else {}
        output = self.model(
            input_ids=ids, attention_mask=mask, use_cache=False, **places, **self._last_only
        )
        return torch.log_softmax(output.logits[:, -1].float(), dim=-1)

    def _spoken(
        self, members: Sequence[tuple[Request, list[int]]], length: int
    ) -> Iterator[Answer]:
        prompts = [ids for _, ids in members]
        texts = continuations(self.model, self.tokenizer, prompts, max_new_tokens=length)
        for (request, ids), said in zip(members, texts, strict=True):
            yield {
                "id": request["id"],
                "text": self.tokenizer.decode(said, skip_special_tokens=True),
                "top": [],
                "input_tokens": len(ids),
                "output_tokens": len(said),
                "finished": bool(said) and said[-1] == self.tokenizer.eos_token_id,
            }


class Rewards:
    """Of each question the rewards of its completions; of a policy their log p in nats.

    A question may name the `annotator` whose rewards it asks for.
    """

    def __init__(self, scorer: Scorer, tokenizer: Any, token_budget: int, max_length: int) -> None:
        self.scorer = scorer
        self.token_budget = token_budget
        limits = Limits(max_length, max_length // 2)
        self._encoder = Encoder(tokenizer, limits, is_causal(scorer.model))

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """The answers in no particular order, each with the id of its question."""
        known, groups = [], []
        for request in requests:
            try:
                groups.append(self._group(request))
                known.append(request)
            except Problem as problem:
                yield refusal(request, problem)
        for batch in sorted_batches([self.scorer.cost(g) for g in groups], self.token_budget):
            found = said_of(self.scorer, [groups[k] for k in batch])
            for k, said in zip(batch, found, strict=True):
                if not all(map(math.isfinite, said.rewards)):
                    yield refusal(known[k], Problem("server", "A reward is not a number."))
                    continue
                yield {
                    "id": known[k]["id"],
                    "rewards": said.rewards,
                    "input_tokens": len(groups[k].prompt) + sum(said.tokens),
                    "output_tokens": 0,
                    **({"variance": said.variance} if said.variance else {}),
                    **({"attributes": said.attributes} if said.attributes else {}),
                }

    def _group(self, request: Request) -> TokenGroup:
        """Raises `Problem` for an annotator or for turns that the model does not know."""
        try:
            require_annotator(self.scorer.model, _annotator(request))
            return self._encoder.group(_row(request))
        except RefusalError as error:
            raise Problem("bad-request", f"{error.message} {error.hint}") from error
        except TemplateError as error:
            raise Problem("bad-request", f"{TURNS_REFUSED}: {str(error)[:200]}") from error


@dataclass(frozen=True, slots=True)
class Said:
    """What a reward model says of one prompt's completions, or a policy in place of rewards.

    Attributes:
        rewards: one number per completion; of a policy log p in nats.
        tokens: completion lengths.
        variance: of each reward, where the head says it.
        attributes: by attribute the predicted rating of each completion.
    """

    rewards: list[float]
    tokens: list[int]
    variance: list[float]
    attributes: dict[str, list[float]]


@torch.no_grad()
def said_of(scorer: Scorer, members: Sequence[Any]) -> list[Said]:
    """What the model says of each group of a batch."""
    signals = scorer.signals(members)
    values = signals.logp if signals.reward is None else signals.reward
    assert values is not None
    found, start = [], 0
    for group in members:
        cut = slice(start, start + len(group.completions))
        extra = _beside(scorer.model, signals.head, cut)
        found.append(Said(values[cut].tolist(), signals.tokens[cut].tolist(), *extra))
        start = cut.stop
    return found


def _beside(
    model: Any, said: HeadSignals | None, cut: slice
) -> tuple[list[float], dict[str, list[float]]]:
    """Variance and attributes of some completions."""
    head = attached(model)
    if said is None or head is None:
        return [], {}
    variance = [] if said.variance is None else said.variance[cut].tolist()
    columns = () if said.attributes is None else said.attributes[cut].T.tolist()
    return variance, dict(zip(head.spec.attributes, columns, strict=True))


def _annotator(request: Request) -> str:
    return str(request.get("annotator") or "")


def _row(request: Request) -> Row:
    texts = tuple(map(str, request["completions"]))
    prompt = tuple(request["messages"]) or ({"role": "user", "content": ""},)
    nothing = Preference((math.nan,) * len(texts), annotator=_annotator(request))
    return Row(prompt, texts, nothing, "", str(request["id"]))


def refusal(request: Request, problem: Problem) -> Answer:
    return {"id": request.get("id"), "failure": problem.failure, "error": str(problem)}


def without_system(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The same turns with the system's words before those of the first user turn."""
    system = [m["content"] for m in messages if m["role"] == "system"]
    turns = [dict(m) for m in messages if m["role"] != "system"]
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": ""})
    turns[0]["content"] = "\n\n".join([*system, turns[0]["content"]]).strip()
    return turns


def padded_batches(costs: Sequence[int], budget: int) -> list[list[int]]:
    """Numbers of questions by length, longest first; a batch pads to its longest one.

    A question over the budget stands alone.
    """
    order = sorted(range(len(costs)), key=lambda number: (-costs[number], number))
    batches: list[list[int]] = []
    for number in order:
        if not batches or costs[batches[-1][0]] * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(number)
    return batches
