"""A project with planted pairs, and a judge at the test endpoint."""

from collections.abc import Iterable
from typing import Any

from accounts.models import Project
from annotation.instances.content import CompletionContent, InstanceContent
from annotation.instances.models import Completion, Instance
from annotation.judges.models import Connection, Judge, JudgeRun, Provider
from annotation.judges.runs import start_run
from annotation.judges.services import create_judge
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget
from jobs.runner import run_queued
from tests.endpoint.client import Running
from tests.factories import make_project

PRICE = 100
POUND = 1_000_000


def plant(project: Project, count: int) -> list[int]:
    """Pairs whose better completion is told by a planted quality; the first one of even pairs."""
    contents = [_content(number) for number in range(count)]
    instances = (
        Instance(
            project=project,
            external_id=each.external_id,
            content_hash=each.content_hash(),
            prompt_hash=each.prompt_hash(),
            messages=each.messages,
        )
        for each in contents
    )
    rows = Instance.objects.bulk_create(instances, batch_size=1000)
    completions = (
        Completion(instance=row, position=position, text=side.text, generator=side.generator)
        for row, each in zip(rows, contents, strict=True)
        for position, side in enumerate(each.completions)
    )
    Completion.objects.bulk_create(completions, batch_size=1000)
    return [row.pk for row in rows]


def _content(number: int) -> InstanceContent:
    good, bad = f"Answer {number}: quality=0.9", f"Answer {number}: quality=0.1"
    sides = (bad, good) if number % 2 else (good, bad)
    return InstanceContent(
        external_id=f"pair-{number}",
        messages=[{"role": "user", "content": f"Question {number}?"}],
        completions=[CompletionContent(text, f"model-{place}") for place, text in enumerate(sides)],
    )


def preferred(instance_ids: Iterable[int]) -> dict[int, list[int]]:
    """The ranking that the planted qualities say, by instance."""
    texts = Completion.objects.filter(instance__in=instance_ids, position=0)
    return {c.instance_id: [1, 2] if "0.9" in c.text else [2, 1] for c in texts}


def connect(project: Project, server: Running, **values: Any) -> Connection:
    """A connection to the endpoint; `values` as the fields of a connection."""
    fields = {"concurrency": 16, "timeout_seconds": 5, "attempts": 5} | values
    provider = fields.pop("provider", Provider.OPENAI)
    return Connection.objects.create(
        project=project,
        name=fields.pop("name", "endpoint"),
        provider=provider,
        base_url=server.openai,
        **fields,
    )


def make_judge(connection: Connection, name: str = "judge", **values: Any) -> Judge:
    """A judge at that connection, for a flat price of 100 micros a call unless told otherwise."""
    prices = values.pop("prices", {"price_per_call_micros": PRICE})
    judge = create_judge(
        project=connection.project,
        name=name,
        model="some-model",
        provider=connection.provider,
        parameters=values.pop("parameters", {}),
        **prices,
    )
    judge.connection = connection
    for field, value in values.items():
        setattr(judge, field, value)
    judge.save()
    return judge


def make_budget(project: Project, limit_micros: int = 100 * POUND, name: str = "judges") -> Budget:
    return ledger.create_budget(project=project, name=name, limit_micros=limit_micros)


def begin(judge: Judge, budget: Budget | None, **values: Any) -> JudgeRun:
    """A run about everything on the main criterion, queued."""
    values = {"criteria": ["overall"], "selection": {"of": "all"}} | values
    return start_run(judge=judge, budget=budget, **values)


def job_of(run: JudgeRun) -> int:
    """The id of the run's job."""
    assert run.job_id is not None
    return run.job_id


def finish(run: JudgeRun) -> JudgeRun:
    """Do the run here."""
    assert run.job is not None
    run_queued(run.job)
    run.refresh_from_db()
    return run


def scene(server: Running, count: int, **values: Any) -> tuple[Judge, Budget]:
    """A project with `count` pairs, a judge at the endpoint, and a budget."""
    project = make_project()
    plant(project, count)
    return make_judge(connect(project, server, **values)), make_budget(project)
