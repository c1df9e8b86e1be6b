"""The job that finds criteria."""

from typing import Any

from annotation.judges.running.engine import Engine
from annotation.ledger.models import Budget
from core.exceptions import ApplicationError
from jobs.context import JobContext

from .mining import KIND, examples_of, measure, mining_in
from .proposer import propose

__all__ = ["KIND", "run_mine"]


def run_mine(ctx: JobContext) -> dict[str, Any]:
    """Arguments: mining (id), propose, own (criteria), most, budget (id or none).

    Asks for criteria and starts a trial of each. The result holds how many there are.
    """
    arguments, project = ctx.arguments, ctx.job.project
    assert project is not None  # noqa: S101 - narrows the type: mining is of a project
    mining = mining_in(project, arguments["mining"])
    budget = Budget.objects.filter(pk=arguments["budget"], project=project).first()
    texts = [(text, "people") for text in arguments["own"]]

    def look(engine: Engine) -> None:
        del engine
        ctx.progress(0, 0, "asking for criteria")

    if arguments["propose"] and not mining.candidates:
        examples = examples_of(mining.criterion, mining.shown)
        try:
            found = propose(
                judge=mining.judge,
                criterion=mining.criterion,
                examples=examples,
                most=arguments["most"],
                budget=budget,
                look=look,
            )
        except ApplicationError as error:
            if not texts:
                raise
            ctx.log(error.message, "warning")
            found = []
        texts += [(text, "judge") for text in found]
    if not mining.candidates:
        measure(mining=mining, texts=texts, budget=budget)
    ctx.log(f"{len(mining.candidates) - 1} criteria are measured")
    return {"mining": mining.pk, "criteria": len(mining.candidates) - 1}
