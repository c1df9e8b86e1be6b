"""What a judge said on instances that people labelled, read from its stored calls."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from annotation.instances.models import Instance
from annotation.judges.models import CallPurpose, CallState, Judge, JudgeCall, JudgeRun
from annotation.judges.protocol import Verdict
from annotation.judges.verdicts import verdict_of
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion

from .comparing import TIE, Figures, Opinion, Said, Unit, answer_of, figures
from .people import opinions_of, reasons_of

BOUGHT = (CallState.ANSWERED, CallState.UNPARSABLE, CallState.UNKNOWN)


@dataclass(frozen=True)
class Result:
    """A judge on some instances: its figures, what it cost, and why some have no verdict."""

    judge: Judge
    criterion: Criterion
    figures: Figures
    instances: int
    answered: int
    states: dict[str, int]
    failures: dict[str, int]
    calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    people: dict[Unit, Opinion] = field(repr=False)
    said: dict[Unit, Said] = field(repr=False)

    @property
    def per_instance_micros(self) -> int | None:
        """What one instance cost on average."""
        return round(self.cost_micros / self.instances) if self.instances else None


def result_of(judge: Judge, criterion: Criterion, instance_ids: Sequence[int]) -> Result:
    """Measure a judge on instances, from the replies it has given so far. Three queries."""
    calls = calls_of(judge, criterion, instance_ids)
    said = said_by(judge, calls)
    people = opinions_of(criterion, instance_ids)
    flat = [call for found in calls.values() for call in found]
    return Result(
        judge=judge,
        criterion=criterion,
        figures=figures(people, said),
        instances=len(instance_ids),
        answered=len({unit[0] for unit in said}),
        states=dict(Counter(call.state for call in flat)),
        failures=dict(Counter(call.failure for call in flat if call.failure).most_common()),
        calls=len(flat),
        input_tokens=sum(call.input_tokens for call in flat),
        output_tokens=sum(call.output_tokens for call in flat),
        cost_micros=sum(call.price_micros for call in flat if call.state in BOUGHT),
        people=people,
        said=said,
    )


def calls_of(
    judge: Judge, criterion: Criterion, instance_ids: Collection[int]
) -> dict[int, list[JudgeCall]]:
    """The judge's calls by instance, oldest first."""
    rows = JudgeCall.objects.filter(
        judge=judge,
        criterion=criterion,
        instance__in=instance_ids,
        purpose=CallPurpose.LABEL,
    ).order_by("pk")
    found: dict[int, list[JudgeCall]] = defaultdict(list)
    for call in rows:
        assert call.instance_id is not None  # noqa: S101 - a label is about an instance
        found[call.instance_id].append(call)
    return found


def said_by(judge: Judge, calls: Mapping[int, Sequence[JudgeCall]]) -> dict[Unit, Said]:
    """The judge's answer per pair of completions; instances without a verdict are left out."""
    return {
        (pk, i, j): Said(answer_of(share), verdict.flipped)
        for pk, found in calls.items()
        if (verdict := verdict_of(judge, found[::-1]))
        for (i, j), share in _shares(verdict).items()
    }


def _shares(verdict: Verdict) -> dict[tuple[int, int], float]:
    """What the verdict says of each pair: 1 for the first, 0 for the second, ½ for a tie."""
    worse = [-score for score in verdict.scores] or list(verdict.ranking)
    return {
        (i, j): 0.5 if worse[i] == worse[j] else float(worse[i] < worse[j])
        for i, j in combinations(range(len(worse)), 2)
    }


@dataclass(frozen=True)
class Disagreement:
    """One instance on which people and a judge differ, with the reasons of both."""

    instance: Instance
    pair: tuple[int, int]
    people: int
    judge: int
    opinion: Opinion
    flipped: bool | None
    labels: list[Annotation]
    calls: list[JudgeCall]

    @property
    def kind(self) -> str:
        """What a filter calls it: people's answer, then the judge's."""
        return f"{self.people}{self.judge}"

    @property
    def people_position(self) -> int | None:
        """The canonical position that people prefer; None for a tie."""
        return None if self.people == TIE else self.pair[self.people]

    @property
    def judge_position(self) -> int | None:
        """The canonical position that the judge prefers; None for a tie."""
        return None if self.judge == TIE else self.pair[self.judge]

    @property
    def has_reasons(self) -> bool:
        return any(label.rationale for label in self.labels)

    @property
    def completions(self) -> list[Any]:
        return [each for each in self.instance.completions.all() if each.position in self.pair]


def disagreements(result: Result) -> list[Disagreement]:
    """Where the judge says otherwise than people, opposite answers first. Four queries."""
    units = [
        unit
        for unit in result.people.keys() & result.said.keys()
        if result.people[unit].answer != result.said[unit].answer
    ]
    keys = {unit[0] for unit in units}
    instances = {
        row.pk: row for row in Instance.objects.filter(pk__in=keys).prefetch_related("completions")
    }
    labels = reasons_of(result.criterion, keys)
    calls = calls_of(result.judge, result.criterion, keys)
    found = [
        Disagreement(
            instance=instances[unit[0]],
            pair=(unit[1], unit[2]),
            people=result.people[unit].answer,
            judge=result.said[unit].answer,
            opinion=result.people[unit],
            flipped=result.said[unit].flipped,
            labels=labels[unit[0]],
            calls=calls[unit[0]],
        )
        for unit in units
    ]
    return sorted(
        found, key=lambda row: (TIE in (row.people, row.judge), row.instance.pk, row.pair)
    )


def trial_result(run: JudgeRun) -> Result:
    """The result of a trial run so far."""
    criterion = Criterion.objects.get(project=run.project_id, key=run.criteria[0])
    return result_of(run.judge, criterion, instances_of(run))


def instances_of(run: JudgeRun) -> list[int]:
    """The instances that a trial was asked about."""
    return [int(pk) for pk in run.selection.get("instances", [])]
