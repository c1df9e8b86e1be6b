"""The main job: every stage of a round in order, each noted when it is done."""

import time
from typing import Any

from jobs.context import JobContext

from .models import Round
from .services import finish_round, finish_stage
from .stages import STAGES
from .titles import TITLES
from .work import Waiting, Work


def run_round(context: JobContext) -> dict[str, Any]:
    """Run the stages that are not done yet.

    Where people owe labels the job ends with `{"waiting": labels}`; continuing the round goes on
    from there.
    """
    row = Round.objects.select_related("project__protocol", "created_by").get(
        pk=context.arguments["round"]
    )
    work = Work(context, row)
    for position, (name, stage) in enumerate(STAGES):
        if name in row.stages:
            continue
        context.progress(position, len(STAGES), TITLES[name])
        context.log(TITLES[name])
        started = time.monotonic()
        try:
            outcome = stage(work)
        except Waiting as waiting:
            context.log(f"Waiting for {waiting.labels} labels from people.")
            return {"waiting": waiting.labels, "stage": name}
        context.check()
        seconds = round(time.monotonic() - started, 1)
        finish_stage(row=row, stage=name, outcome=outcome | {"seconds": seconds})
    context.progress(len(STAGES), len(STAGES), "done")
    finish_round(row=row)
    return {"round": row.number}
