"""What the pages of the workbench show: versions with what changed, trials, what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from annotation.judges.mined import MINED
from annotation.judges.models import Judge, JudgeRun, Prompt, RunState, Stage
from annotation.judges.workbench.comparing import ANSWERS, TIE
from annotation.judges.workbench.results import Result, trial_result
from annotation.judges.workbench.trials import trials_of
from frontend.wizard.difference import words

from .fields import FLAGS, TEXTS

NAMES: dict[str, str | Promise] = {
    "system": _("Role"),
    "instructions": _("Instructions"),
    "rubric": _("Rubric"),
    "shape": _("Asks for"),
    "mode": _("Answers with"),
    "examples": _("Examples"),
    "use_reference": _("Reference"),
    "show_guideline": _("Guideline"),
}
ANSWER_NAMES: dict[int, str | Promise] = {
    0: _("completion 1"),
    1: _("completion 2"),
    TIE: _("tie"),
}
MOST_TRIALS = 12


@dataclass(frozen=True)
class Change:
    """One field of a prompt that differs: pieces of text, or two values."""

    name: str | Promise
    pieces: list[tuple[str, str]] = field(default_factory=list)
    before: Any = ""
    after: Any = ""


@dataclass(frozen=True)
class Version:
    """A version of a prompt with its newest trial that has ended."""

    prompt: Prompt
    current: bool
    judges: list[Judge]
    trial: JudgeRun | None
    result: Result | None


def changes(before: Prompt | None, after: Prompt) -> list[Change]:
    """What a version changed; of a first version all that it says."""
    start = before or Prompt(project=after.project, name=after.name)
    found = []
    for name, title in NAMES.items():
        old, new = getattr(start, name), getattr(after, name)
        if old == new:
            continue
        if name in TEXTS:
            found.append(Change(title, pieces=words(old, new)))
        else:
            shown = (_yes(old), _yes(new)) if name in FLAGS else (old, new)
            found.append(Change(title, before=shown[0], after=shown[1]))
    return found


def _yes(value: bool) -> str | Promise:
    return _("shown") if value else _("not shown")


def prompts_of(project: Project) -> list[tuple[str, list[Version]]]:
    """Every prompt by name with its versions, newest first."""
    rows = Prompt.objects.filter(project=project).exclude(name__startswith=MINED)
    rows = rows.select_related("created_by", "parent").prefetch_related("judges")
    newest = _newest_trials(project)
    return [
        (name, [_version(each, newest.get(each.pk)) for each in versions])
        for name, versions in groupby(rows.order_by("name", "-version"), lambda row: row.name)
    ]


def running_trials(project: Project) -> list[JudgeRun]:
    """Trials of prompts that are under way, newest first."""
    running = trials_of(project).filter(state__in=(RunState.WAITING, RunState.RUNNING))
    return list(running.exclude(judge__prompt__name__startswith=MINED)[:MOST_TRIALS])


def _newest_trials(project: Project) -> dict[int, JudgeRun]:
    """The newest trial per prompt that has ended."""
    ended = trials_of(project).exclude(state__in=(RunState.WAITING, RunState.RUNNING))
    rows = ended.exclude(judge__prompt__name__startswith=MINED).order_by("judge__prompt", "-pk")
    return {run.judge.prompt_id or 0: run for run in rows.distinct("judge__prompt")}


def _version(prompt: Prompt, trial: JudgeRun | None) -> Version:
    judges = list(prompt.judges.all())
    current = any(judge.stage == Stage.ACTIVE for judge in judges)
    return Version(prompt, current, judges, trial, trial_result(trial) if trial else None)


def confusion_rows(result: Result) -> list[tuple[str | Promise, list[tuple[str, int, str]]]]:
    """Rows of people's answers: (filter key, count, look) per answer of the judge."""
    return [
        (
            ANSWER_NAMES[people],
            [
                (f"{people}{judge}", result.figures.confusion[people][judge], _look(people, judge))
                for judge in ANSWERS
            ],
        )
        for people in ANSWERS
    ]


def _look(people: int, judge: int) -> str:
    if people == judge:
        return "good"
    return "warn" if TIE in (people, judge) else "bad"


def kinds(rows: Sequence[Any]) -> list[tuple[str, str | Promise, str | Promise, int]]:
    """The filters of disagreements: (key, people's answer, the judge's, how many)."""
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.kind] = counted.get(row.kind, 0) + 1
    return [
        (key, ANSWER_NAMES[int(key[0])], ANSWER_NAMES[int(key[1])], counted[key])
        for key in sorted(counted)
    ]
