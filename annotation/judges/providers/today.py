"""Pairs in both orders with the built-in prompts."""

from collections.abc import Sequence
from typing import Any

from annotation.instances.models import Instance
from annotation.judges import parsing
from annotation.judges.models import CallState, Failure, Judge
from annotation.judges.prompts import REASONED, TOKEN, judge_messages, side_of
from annotation.judges.protocol import pair_ranking
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from core.hashing import content_hash

from .base import Completion, Question, Reply

ORDERS = ((0, 1), (1, 0))
MOST_TOKENS = {TOKEN: 1, REASONED: 1024}
TEMPLATE_TOKENS = 16
# Parameters of the judge that say how to reach it; they change no answer and no cache key.
OPERATION = frozenset({"base_url", "concurrency", "timeout", "attempts", "rpm", "tpm"})


def questions(judge: Judge, criterion: Criterion, instance_ids: Sequence[int]) -> list[Question]:
    instances = Instance.objects.filter(pk__in=instance_ids).prefetch_related("completions")
    by_pk = {instance.pk: instance for instance in instances}
    return [
        _question(judge, criterion, by_pk[pk], order)
        for pk in instance_ids
        if pk in by_pk
        for order in ORDERS
    ]


def _question(
    judge: Judge, criterion: Criterion, instance: Instance, order: tuple[int, int]
) -> Question:
    mode = judge.parameters.get("mode", TOKEN)
    if mode not in MOST_TOKENS:
        raise InvalidInput(f"Unknown judge mode {mode!r}: use {', '.join(MOST_TOKENS)}.")
    texts = [side_of(each.whole_text, each.messages) for each in instance.completions.all()]
    if len(texts) != 2:
        raise InvalidInput(
            f"The instance {instance.external_id} has {len(texts)} completions: this judge "
            "compares pairs; import into a pairwise project."
        )
    messages = judge_messages(
        version=judge.prompt_version,
        mode=mode,
        question=criterion.question or criterion.name,
        conversation=instance.messages,
        first=texts[order[0]],
        second=texts[order[1]],
    )
    most = int(judge.parameters.get("max_tokens", MOST_TOKENS[mode]))
    request: dict[str, Any] = {"temperature": 0, "max_tokens": most}
    if mode == TOKEN:
        request |= {"logprobs": True, "top_logprobs": 10}
    own = judge.parameters.items()
    request |= {k: v for k, v in own if k not in OPERATION and k != "mode"}
    key = content_hash(
        {
            "model": judge.model,
            "prompt version": judge.prompt_version,
            "messages": messages,
            "parameters": request,
            "criterion": criterion.key,
            "order": order,
        }
    )
    used = sum(len(m["content"].encode()) + TEMPLATE_TOKENS for m in messages)
    return Question(
        instance.pk,
        order,
        key,
        messages=messages,
        choices=("A", "B") if mode == TOKEN else (),
        max_tokens=most,
        ceiling=_price(judge, used, most),
        tokens=sum(len(m["content"]) for m in messages) // 4 + most,
    )


def _price(judge: Judge, input_tokens: int, output_tokens: int) -> int:
    by_token = (
        input_tokens * judge.price_per_1k_input_micros
        + output_tokens * judge.price_per_1k_output_micros
    )
    return judge.price_per_call_micros - (-by_token // 1000)


def again(_question: Question) -> Question | None:
    return None


def read(
    judge: Judge,
    _criterion: Criterion,
    question: Question,
    completion: Completion,
    milliseconds: int,
) -> Reply:
    p_first = parsing.first_share(completion.top) if question.choices else None
    ranking: tuple[int, ...] = ()
    if completion.refused:
        p_first = None
    elif p_first is not None:
        ranking = pair_ranking(p_first if question.shown_order[0] == 0 else 1 - p_first)
    elif side := parsing.single_letter(completion.text) or parsing.final_tag(completion.text):
        ranking = parsing.ranking(side, question.shown_order)
    used = completion.input_tokens, completion.output_tokens
    known = used[0] is not None and used[1] is not None
    failure = "" if ranking else Failure.WRONG_LABEL if completion.text else Failure.EMPTY
    return Reply(
        CallState.ANSWERED if ranking else CallState.UNPARSABLE,
        failure=Failure.REFUSAL if completion.refused else failure,
        text=completion.text,
        ranking=ranking,
        p_first=p_first if ranking else None,
        logprobs=completion.top or None,
        rationale=parsing.rationale(completion.text) if ranking and not question.choices else "",
        input_tokens=used[0] or 0,
        output_tokens=used[1] or 0,
        milliseconds=milliseconds,
        price_micros=_price(judge, used[0] or 0, used[1] or 0) if known else question.ceiling,
        provider_id=completion.provider_id,
        error="" if ranking else "the reply names no verdict",
    )
