"""Pairs that people have labelled, and a judge at a chat server whose replies follow the prompt."""

import re
from typing import Any

from accounts.models import Project
from annotation.instances.content import InstanceContent
from annotation.instances.models import Instance
from annotation.judges.models import Connection, Judge, JudgeRun
from annotation.judges.services import create_judge
from annotation.ledger.models import Budget
from annotation.ledger.services import create_budget
from annotation.projects.selectors import main_criterion
from core.hashing import unit_interval
from jobs import runner
from jobs.models import Job, State
from tests.annotation.chat_server import reply
from tests.factories import make_annotation, make_annotator, make_instance, make_project

SHOWN = re.compile(r"<completion_(a|b)>\n(.*?)\n</completion_\1>", re.DOTALL)
CRITERIA = '{"criteria": ["Which completion is polite?", "Which completion is the longer one?"]}'
Answer = tuple[int, dict[str, str], dict[str, Any]]


def make_pairs(project: Project, count: int) -> list[Instance]:
    """Pairs of one polite and one rude completion; people like the polite one.

    The polite one is the second of every other pair, and the longer one of every other two. No
    prompt is of a test split.
    """
    people = [make_annotator(project, f"person-{each}", kind="import") for each in range(2)]
    made = []
    for number in range(count):
        long = " and so on" * 5
        polite = f"Please, polite {number}{long if number % 4 < 2 else ''}"
        rude = f"Rude {number}{'' if number % 4 < 2 else long}"
        texts = (rude, polite) if number % 2 else (polite, rude)
        instance = make_instance(project, texts, prompt=train_prompt(project, number))
        for person in people:
            make_annotation(
                instance,
                person,
                (2, 1) if number % 2 else (1, 2),
                rationale=f"It is kinder, says {person.name}.",
            )
        made.append(instance)
    return made


def train_prompt(project: Project, number: int) -> str:
    """A prompt that no usual split takes for tests."""
    wordings = (f"Question {number}{'?' * marks}" for marks in range(1, 1000))
    return next(each for each in wordings if split_place(project, each) > 0.9)


def split_place(project: Project, prompt: str) -> float:
    """Where a prompt stands among those of which the first are taken for tests; 0 to 1."""
    content = InstanceContent("", [{"role": "user", "content": prompt}], [])
    return unit_interval(project.protocol.salt, "split", content.prompt_hash())


def follows_the_prompt(body: dict[str, Any], number: int) -> Answer:
    """Names criteria when asked to; prefers the polite one where the prompt says so, else the long.

    A prompt that says "backwards" takes whatever is shown first.
    """
    del number
    told = " ".join(message["content"] for message in body["messages"])
    if "<chosen>" in told:
        return 200, {}, reply(CRITERIA, usage=(900, 40))
    first, second = (text for _, text in SHOWN.findall(told)[-2:])
    if "backwards" in told:
        letter = "A"
    elif "polite?" in told or "be polite" in told:
        letter = "A" if "polite" in first else "B"
    else:
        letter = "A" if len(first) > len(second) else "B"
    usage = (len(told) // 4, 30)
    return 200, {}, reply(f"It reads better in every way. [[{letter}]]", usage=usage)


def make_judge(project: Project, url: str, **fields: Any) -> Judge:
    """A judge that reasons, behind a connection, with prices."""
    connection = Connection.objects.create(
        project=project,
        name="Test server",
        provider="openai-compatible",
        base_url=url,
        concurrency=4,
        timeout_seconds=10,
    )
    return create_judge(
        project=project,
        name="critic",
        model="test-model",
        connection=connection,
        parameters={"mode": "reasoned"},
        price_per_1k_input_micros=1000,
        price_per_1k_output_micros=4000,
        **fields,
    )


def make_budget(project: Project, limit: int = 10_000_000) -> Budget:
    return create_budget(project=project, name="judges", limit_micros=limit)


def make_scene(url: str, count: int = 24) -> tuple[Project, Judge, Budget]:
    """A project with pairs, a judge at this address, and a budget."""
    project = make_project()
    make_pairs(project, count)
    return project, make_judge(project, url), make_budget(project)


def run_jobs() -> None:
    """Run what waits, and what that starts."""
    while job := Job.objects.filter(state=State.QUEUED).order_by("pk").first():
        runner.run(job.pk, owner="test", heartbeat=False)


def trial_of(run: JudgeRun) -> JudgeRun:
    """The run after its job."""
    run_jobs()
    return JudgeRun.objects.select_related("judge__prompt", "judge__replaces").get(pk=run.pk)


def criterion_of(project: Project) -> Any:
    return main_criterion(project)
