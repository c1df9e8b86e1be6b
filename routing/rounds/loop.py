"""The main job: every stage of a round in order, each noted when it is done."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from jobs.context import JobContext
from routing.online import stages as online
from routing.online.work import Work as OnlineWork

from .models import Round, RoundKind
from .services import finish_round, finish_stage
from .stages import STAGES
from .titles import titles_of
from .work import Waiting, Work


def run_round(context: JobContext) -> dict[str, Any]:
    """Run the stages that are not done yet.

    Where people owe labels the job ends with `{"waiting": labels}`; continuing the round goes on
    from there.
    """
    row = Round.objects.select_related("project__protocol", "created_by").get(
        pk=context.arguments["round"]
    )
    titles, stages = titles_of(row.kind), _stages_of(context, row)
    for position, (name, title) in enumerate(titles.items()):
        if name in row.stages:
            continue
        context.progress(position, len(titles), title)
        context.log(title)
        started = time.monotonic()
        try:
            outcome = stages[name]()
        except Waiting as waiting:
            context.log(f"Waiting for {waiting.labels} labels from people.")
            return {"waiting": waiting.labels, "stage": name}
        context.check()
        seconds = round(time.monotonic() - started, 1)
        finish_stage(row=row, stage=name, outcome=outcome | {"seconds": seconds})
    context.progress(len(titles), len(titles), "done")
    finish_round(row=row)
    return {"round": row.number}


def _stages_of(context: JobContext, row: Round) -> dict[str, Callable[[], dict[str, Any]]]:
    """The stages of this kind of round by name, ready to run."""
    if row.kind == RoundKind.ONLINE:
        answering = OnlineWork(context, row)
        return {name: partial(stage, answering) for name, stage in online.STAGES.items()}
    mixing = Work(context, row)
    return {name: partial(stage, mixing) for name, stage in STAGES}
