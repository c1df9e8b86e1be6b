"""A judge behind any OpenAI-compatible server, a hosted one or vLLM."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from django.conf import settings

from annotation.instances.models import Instance
from annotation.judges import parsing
from annotation.judges.models import CallState, Judge
from annotation.judges.prompts import REASONED, TOKEN, judge_messages, side_of
from annotation.judges.protocol import pair_ranking
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from core.hashing import content_hash

from . import Question, Reply
from .endpoint import Endpoint, NotBought, OutcomeUnknown
from .limits import RateLimit

# Parameters of the judge that say how to reach it; they change no answer and no cache key.
OPERATION = frozenset({"base_url", "concurrency", "timeout", "attempts", "rpm", "tpm"})
ORDERS = ((0, 1), (1, 0))
LETTERS = ("A", "B")
TOP_LOGPROBS = 10
MOST_TOKENS = {TOKEN: 1, REASONED: 1024}
# Tokens of the chat template around each message, for the upper bound of a price.
TEMPLATE_TOKENS = 16


class OpenAICompatible:
    """Asks pairs in both orders.

    Parameters of the judge: `mode` (token: one letter with its log-probabilities; reasoned: text
    that ends in a tag), `max_tokens`, `temperature` and other fields of the request as they are;
    and for reaching it `base_url`, `concurrency`, `timeout` (seconds), `attempts`, `rpm`, `tpm`.
    The key of the setting JUDGE_API_KEY is sent to the setting JUDGE_BASE_URL only.
    """

    buys = True

    def __init__(self, judge: Judge, criterion: Criterion) -> None:
        self.judge = judge
        self.criterion = criterion
        self.mode = judge.parameters.get("mode", TOKEN)
        self.request = self._request()
        self.concurrency = int(judge.parameters.get("concurrency", 4))
        self.window = 2 * self.concurrency
        self.endpoint = self._endpoint()

    def _request(self) -> dict[str, Any]:
        if self.mode not in MOST_TOKENS:
            raise InvalidInput(f"Unknown judge mode {self.mode!r}: use {', '.join(MOST_TOKENS)}.")
        request: dict[str, Any] = {"temperature": 0, "max_tokens": MOST_TOKENS[self.mode]}
        if self.mode == TOKEN:
            request |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        own = self.judge.parameters.items()
        return request | {k: v for k, v in own if k not in OPERATION and k != "mode"}

    def _endpoint(self) -> Endpoint:
        known = settings.JUDGE_BASE_URL
        options = self.judge.parameters
        base_url = options.get("base_url") or known
        if not base_url.startswith(("http://", "https://")):
            raise InvalidInput(
                f"The judge {self.judge.name!r} has no address: set its parameter base_url to an "
                "http or https URL, or the setting JUDGE_BASE_URL."
            )
        return Endpoint(
            base_url,
            api_key=settings.JUDGE_API_KEY if base_url == known else "",
            timeout=float(options.get("timeout", 120)),
            attempts=int(options.get("attempts", 5)),
            limit=RateLimit(requests=int(options.get("rpm", 0)), tokens=int(options.get("tpm", 0))),
        )

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        instances = Instance.objects.filter(pk__in=instance_ids).prefetch_related("completions")
        by_pk = {instance.pk: instance for instance in instances}
        return [
            self._question(by_pk[pk], order)
            for pk in instance_ids
            if pk in by_pk
            for order in ORDERS
        ]

    def _question(self, instance: Instance, order: tuple[int, int]) -> Question:
        texts = [side_of(each.whole_text, each.messages) for each in instance.completions.all()]
        if len(texts) != 2:
            raise InvalidInput(
                f"The instance {instance.external_id} has {len(texts)} completions: this judge "
                "compares pairs; import into a pairwise project."
            )
        messages = judge_messages(
            version=self.judge.prompt_version,
            mode=self.mode,
            question=self.criterion.question or self.criterion.name,
            conversation=instance.messages,
            first=texts[order[0]],
            second=texts[order[1]],
        )
        # The order and the criterion are named too: equal completions are two questions still.
        key = content_hash(
            {
                "model": self.judge.model,
                "prompt version": self.judge.prompt_version,
                "messages": messages,
                "parameters": self.request,
                "criterion": self.criterion.key,
                "order": order,
            }
        )
        # A token is at least one byte, so this is the most the call can cost.
        tokens = sum(len(m["content"].encode()) + TEMPLATE_TOKENS for m in messages)
        ceiling = self._price(tokens, int(self.request["max_tokens"]))
        return Question(instance.pk, order, key, messages, ceiling=ceiling)

    def _price(self, input_tokens: int, output_tokens: int) -> int:
        judge = self.judge
        by_token = (
            input_tokens * judge.price_per_1k_input_micros
            + output_tokens * judge.price_per_1k_output_micros
        )
        return judge.price_per_call_micros - (-by_token // 1000)

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[Question, Reply]]:
        with ThreadPoolExecutor(self.concurrency) as pool:
            asked = {pool.submit(self._ask, question): question for question in questions}
            for done in as_completed(asked):
                yield asked[done], done.result()

    def close(self) -> None:
        self.endpoint.close()

    def _ask(self, question: Question) -> Reply:
        started = time.monotonic()
        body = {"model": self.judge.model, "messages": question.messages, **self.request}
        tokens = sum(len(m["content"]) for m in question.messages) // 4
        try:
            reply = self.endpoint.complete(body, tokens=tokens + int(self.request["max_tokens"]))
        except NotBought as error:
            return Reply(CallState.FAILED, error=str(error))
        except OutcomeUnknown as error:
            return Reply(CallState.UNKNOWN, error=str(error), price_micros=question.ceiling)
        return self._reply(question, reply, round((time.monotonic() - started) * 1000))

    def _reply(self, question: Question, reply: dict[str, Any], milliseconds: int) -> Reply:
        text, top = _first_choice(reply)
        shares, _ = parsing.shares(top, LETTERS) if self.mode == TOKEN else ({}, 0.0)
        p_first = shares.get("A")
        ranking = self._ranking(text, p_first, question.shown_order)
        usage = reply.get("usage") or {}
        used = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        return Reply(
            CallState.ANSWERED if ranking else CallState.UNPARSABLE,
            text=text,
            ranking=ranking,
            p_first=p_first if ranking else None,
            logprobs=top or None,
            rationale=parsing.rationale(text) if self.mode == REASONED and ranking else "",
            input_tokens=used[0],
            output_tokens=used[1],
            milliseconds=milliseconds,
            # Without usage nobody knows the price: what was reserved is charged.
            price_micros=self._price(*used) if any(used) else question.ceiling,
            error="" if ranking else "the reply names no verdict",
        )

    @staticmethod
    def _ranking(text: str, p_first: float | None, order: Sequence[int]) -> tuple[int, ...]:
        """Canonical ranks; empty where nothing could be parsed."""
        if p_first is not None:
            return pair_ranking(p_first if order[0] == 0 else 1 - p_first)
        said = parsing.single_label(text, LETTERS) or parsing.final_tag(text)
        side = parsing.side(said, ties=True)
        return parsing.ranking(side, order) if side else ()


def _first_choice(reply: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Text and first-token alternatives of the first choice; empty where they are missing."""
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"] or ""
    except (KeyError, IndexError, TypeError):
        return "", []
    try:
        top = choice["logprobs"]["content"][0]["top_logprobs"]
    except (KeyError, IndexError, TypeError):
        top = []
    return str(text), [entry for entry in top if isinstance(entry, dict)]
