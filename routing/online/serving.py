"""Answers of a chat-completions server (vLLM and the like), bought once each."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from annotation.arena import endpoints
from annotation.arena.models import Contestant
from annotation.arena.sources import ENDPOINT, Question, Said
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget
from jobs.exceptions import JobFailed

from .candidates import Candidates
from .generating import Prompt
from .work import Work

# Questions on the way at a time.
AT_ONCE = 8


def answered(work: Work, prompts: list[Prompt]) -> list[Candidates]:
    """`candidates` answers of the server to every prompt; what was bought before is not again.

    Raises:
        BudgetExceeded: the next answer does not fit; what is there stays.
        JobFailed: the server answered nothing at all.
    """
    path = work.folder / "answers.jsonl"
    bought = _bought(path)
    wanted = [
        (h, messages, draw)
        for h, messages in prompts
        for draw in range(work.options.candidates)
        if (h, draw) not in bought
    ]
    contestant, budget = _contestant(work), _budget(work)
    with path.open("a") as file, ThreadPoolExecutor(AT_ONCE) as pool:
        file.write("\n")  # a line that a kill cut off ends here
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            questions = [
                Question(contestant, messages, work.options.max_new_tokens)
                for _, messages, _ in part
            ]
            for (h, _, draw), said in zip(
                part, _asked(work, budget, part, questions, pool), strict=True
            ):
                if said is not None:
                    bought[h, draw] = (said.text.replace("\0", ""), said.output_tokens)
                    line = [h, draw, *bought[h, draw]]
                    file.write(json.dumps(line) + "\n")
            file.flush()
            work.context.progress(len(bought), len(prompts) * work.options.candidates, "answers")
            work.context.check()
    if not bought:
        raise JobFailed("The server answered nothing: see its address, model and key.")
    return [_row(h, messages, bought, work.options.candidates) for h, messages in prompts]


def _row(
    h: str,
    messages: list[dict[str, Any]],
    bought: dict[tuple[str, int], tuple[str, int]],
    most: int,
) -> Candidates:
    said = [bought.get((h, draw), ("", 0)) for draw in range(most)]
    return Candidates(h, messages, tuple(t for t, _ in said), tuple(n for _, n in said), None)


def _asked(
    work: Work,
    budget: Budget | None,
    part: list[tuple[str, Any, int]],
    questions: list[Question],
    pool: ThreadPoolExecutor,
) -> Iterator[Said | None]:
    """What the server said to each question; None where it said nothing. Money is kept exactly."""
    # What a lost attempt had on the way stays charged; this one pays for itself.
    attempt = f"{work.context.job.pk}.{work.context.attempt}"
    subjects = [f"generate:{work.row.pk}:{attempt}:{h}:{draw}" for h, _, draw in part]
    if budget is not None:
        amounts = [endpoints.ceiling(q.contestant, q.messages, q.most_tokens) for q in questions]
        ledger.reserve_many(budget=budget, amounts=dict(zip(subjects, amounts, strict=True)))
    replies = list(pool.map(_reply, questions))
    for subject, question, (said, owed) in zip(subjects, questions, replies, strict=True):
        if budget is not None and said is not None:
            cost = endpoints.price(question.contestant, said.input_tokens, said.output_tokens)
            ledger.settle_many(budget=budget, amounts={subject: cost})
        elif budget is not None and not owed:
            ledger.release_many(budget=budget, subjects=[subject])
        yield said


def _reply(question: Question) -> tuple[Said | None, bool]:
    """The answer, and whether something may be owed without one."""
    try:
        return endpoints.ask(question), True
    except endpoints.NotBought:
        return None, False
    except endpoints.OutcomeUnknown:
        return None, True


def _contestant(work: Work) -> Contestant:
    """The server as whoever asks servers knows it; it is no row."""
    options = work.options
    return Contestant(
        name=options.model,
        source=ENDPOINT,
        endpoint=options.endpoint,
        base_url=options.base_url,
        model=options.model,
        temperature=options.temperature,
        price_per_1k_input_micros=options.price_per_1k_input_micros,
        price_per_1k_output_micros=options.price_per_1k_output_micros,
    )


def _budget(work: Work) -> Budget | None:
    options = work.options
    if not (options.price_per_1k_input_micros or options.price_per_1k_output_micros):
        return None
    return work.budget("Answers")


def _bought(path: Path) -> dict[tuple[str, int], tuple[str, int]]:
    """Answers of earlier attempts; a line that a kill cut off was never acknowledged."""
    found: dict[tuple[str, int], tuple[str, int]] = {}
    if path.is_file():
        for line in filter(None, path.read_text().splitlines()):
            with suppress(ValueError):
                h, draw, text, tokens = json.loads(line)
                found[h, draw] = (text, tokens)
    return found
