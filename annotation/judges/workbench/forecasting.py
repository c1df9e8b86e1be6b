"""What a trial or a search for criteria will cost, before it is started."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.judges.estimating import Estimate, estimate
from annotation.judges.models import Judge
from annotation.judges.pricing import likely_tokens, price
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput

from .mining import Order, candidate_prompt, examples_of, halves_to_be
from .proposer import question_for
from .proposing import LONGEST
from .trials import Trial, draft_like, instances_for

# Tokens of one criterion that a judge names.
NAMED_TOKENS = 30
# A proposal that names none is asked for once more.
MOST_PROPOSALS = 2


@dataclass(frozen=True)
class Forecast:
    """Totals in micros: what is expected, and the most that can be charged. `stored` calls of the
    trials are not bought again; `trials` of `instances` instances each are started.
    """

    instances: int
    trials: int
    calls: int
    stored: int
    expected_micros: int
    most_micros: int


def of_trial(trial: Trial) -> Forecast:
    """What trying the prompt will take.

    Raises:
        InvalidInput: it cannot be tried; the message says why.
    """
    ids = instances_for(trial)
    judge = draft_like(trial.prompt, trial.base)
    return _total(len(ids), [_estimate(judge, trial.criterion, ids)])


def of_mining(order: Order) -> Forecast:
    """What the search will take, as if all criteria that it may measure were found, at length.

    Raises:
        InvalidInput: it cannot be started; the message says why.
    """
    shown, held_out = halves_to_be(order)
    ids = [*shown, *held_out]
    found = [_estimate(order.judge, order.criterion, ids)]
    texts = [*order.own, *(["?" * LONGEST] * order.most if order.propose else [])]
    # Criteria differ by some words: the longest stands for all of them.
    prompt = candidate_prompt(order.judge, max(texts, key=len))
    each = _estimate(draft_like(prompt, order.judge), order.criterion, ids)
    found += [each] * len(texts)
    total = _total(len(ids), found)
    return _with_proposal(order, shown, total) if order.propose else total


def _estimate(judge: Judge, criterion: Criterion, ids: list[int]) -> Estimate:
    """Of all instances, so that the most is the most."""
    if not judge.price_known:
        raise InvalidInput(_("Nobody has said what this judge costs: enter its prices first."))
    return estimate(judge, [criterion], ids, looked_at=len(ids))


def _with_proposal(order: Order, shown: list[int], total: Forecast) -> Forecast:
    examples = examples_of(order.criterion, shown)
    question = question_for(order.judge, order.criterion, examples, order.most)
    expected = price(order.judge, likely_tokens(question.messages), NAMED_TOKENS * order.most)
    return Forecast(
        total.instances,
        total.trials,
        total.calls + 1,
        total.stored,
        total.expected_micros + min(expected, question.ceiling),
        total.most_micros + MOST_PROPOSALS * question.ceiling,
    )


def _total(instances: int, found: list[Estimate]) -> Forecast:
    return Forecast(
        instances=instances,
        trials=len(found),
        calls=sum(each.calls for each in found),
        stored=sum(each.stored for each in found),
        expected_micros=sum(each.expected_micros for each in found),
        most_micros=sum(each.most_micros for each in found),
    )
