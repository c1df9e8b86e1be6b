"""From what a chat model said to a reply on the books: a verdict, or why there is none."""

from dataclasses import dataclass, replace

from annotation.judges import parsing
from annotation.judges.models import CallState, Failure, Shape
from annotation.judges.pricing import charged
from annotation.judges.protocol import pair_ranking
from annotation.judges.providers.base import Completion, Question, Reply

from .setup import Setup
from .wording import TIE

FILTERED = frozenset({"content_filter", "refusal", "safety"})
CUT_OFF = frozenset({"length", "max_tokens"})
MESSAGES = {
    Failure.REFUSAL: "the judge declined to answer",
    Failure.EMPTY: "the reply is empty",
    Failure.HALF_REPLY: "the reply was cut off before its verdict",
    Failure.WRONG_LABEL: "the reply names no verdict that was asked for",
}


@dataclass(frozen=True)
class Said:
    """A verdict in the order shown, as canonical ranks or as one score."""

    ranking: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    p_first: float | None = None
    confidence: float | None = None
    failure: str = ""


def read(setup: Setup, question: Question, completion: Completion, milliseconds: int) -> Reply:
    """The reply to a question; touches no database. Every outcome but ANSWERED has a failure.

    | what came back                                  | state, failure                   |
    |-------------------------------------------------|----------------------------------|
    | a verdict                                       | answered                         |
    | a verdict in token mode without log-probs       | answered, no-logprobs: it stands |
    |                                                 | for the judge's accuracy         |
    | declined, filtered                              | unparsable, refusal              |
    | nothing                                         | unparsable, empty                |
    | no verdict, cut off by the length               | unparsable, half-reply           |
    | no verdict, or one that was not offered         | unparsable, wrong-label          |
    """
    reply = Reply(
        CallState.UNPARSABLE,
        text=completion.text,
        logprobs=completion.top or None,
        input_tokens=completion.input_tokens or 0,
        output_tokens=completion.output_tokens or 0,
        milliseconds=milliseconds,
        price_micros=charged(
            setup.judge,
            completion.input_tokens,
            completion.output_tokens,
            otherwise=question.ceiling,
        ),
        provider_id=completion.provider_id,
    )
    said = None if _declined(completion) else _said(setup, question, completion)
    if said is None:
        failure = _failure(setup, question, completion)
        return replace(reply, failure=failure, error=MESSAGES[failure])
    return replace(
        reply,
        state=CallState.ANSWERED,
        failure=said.failure,
        ranking=said.ranking,
        scores=said.scores,
        p_first=said.p_first,
        confidence=said.confidence,
        rationale="" if setup.token else parsing.rationale(completion.text),
    )


def _declined(completion: Completion) -> bool:
    return completion.refused or completion.finish_reason in FILTERED


def _failure(setup: Setup, question: Question, completion: Completion) -> Failure:
    if _declined(completion) or parsing.refuses(completion.text):
        return Failure.REFUSAL
    if not completion.text.strip():
        return Failure.EMPTY
    if completion.finish_reason in CUT_OFF and not setup.logprobs(question.shape):
        return Failure.HALF_REPLY
    return Failure.WRONG_LABEL


def _said(setup: Setup, question: Question, completion: Completion) -> Said | None:
    if setup.logprobs(question.shape):
        return _token(setup, question, completion)
    tag = parsing.final_tag(completion.text)
    if tag is None and setup.token:
        tag = completion.text.strip(parsing.AROUND_A_LABEL)
    said = _tagged(setup, question, tag)
    if said is None:
        return None
    return replace(said, confidence=parsing.confidence(completion.text))


def _tagged(setup: Setup, question: Question, tag: str | None) -> Said | None:
    order, ties = question.shown_order, setup.ask.ties
    if question.shape == Shape.SCORES:
        value = next((e.value for e in setup.ask.levels if e.code == tag), None)
        return None if value is None else Said(scores=(float(value),))
    if question.shape == Shape.RANKING:
        ranks = parsing.ranks(tag, order, ties=ties)
        return None if ranks is None else Said(ranking=ranks)
    side = parsing.side(tag, ties=ties)
    return None if side is None else Said(ranking=parsing.ranking(side, order))


def _token(setup: Setup, question: Question, completion: Completion) -> Said | None:
    """A verdict of one token, with its probability where the alternatives came with it."""
    labels = question.choices
    label = parsing.single_label(completion.text, labels)
    shares, mass = parsing.shares(completion.top, labels)
    if shares and (label is not None or mass >= parsing.LEAST_MASS):
        return _weighed(setup, question, shares)
    hard = label or parsing.final_tag(completion.text)
    said = _tagged(setup, question, hard) if hard in labels else None
    return None if said is None else replace(said, failure=Failure.NO_LOGPROBS)


def _weighed(setup: Setup, question: Question, shares: dict[str, float]) -> Said:
    if question.shape == Shape.SCORES:
        mean = sum(level.value * shares[level.code] for level in setup.ask.levels)
        return Said(scores=(mean,), confidence=max(shares.values()))
    p_first = shares["A"] + shares.get(TIE, 0.0) / 2
    if shares.get(TIE, 0.0) > max(shares["A"], shares["B"]):
        ranking: tuple[int, ...] = (1, 1)
    else:
        first, second = question.shown_order
        ranking = pair_ranking(p_first if first < second else 1 - p_first)
    return Said(ranking=ranking, p_first=p_first, confidence=max(shares.values()))
